/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A non-blocking stream socket, with TLS on it or not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <openssl/ssl.h>

typedef struct Transport {
        int fd;             /* owned; -1 once closed */
        SSL *ssl;           /* owned; NULL: plain, or TLS that has not begun */
        bool read_on_write; /* TLS must write before it can read on */
        bool write_on_read; /* and the other way round */
} Transport;

/* 0: done; -EAGAIN: wait; another negative errno: over. */
int transport_handshake(Transport *t);
/* Bytes; 0 of a read: the peer has ended; negative errno, -EAGAIN among them. */
ssize_t transport_read(Transport *t, char *bytes, size_t n);
ssize_t transport_write(Transport *t, const char *bytes, size_t n);
/* Bytes have been taken off the socket that no poll will tell of any more. */
bool transport_holds_bytes(Transport *t);
/* Finds out in some minutes that the other side is no more, though nothing is sent. */
void transport_keep_alive(Transport *t);
void transport_end_writing(Transport *t); /* the peer reads an end, after what was written */
void transport_close(Transport *t);
