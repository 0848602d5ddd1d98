/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection that has left the server: bytes to and from its client on a thread that may wait, TLS and all. */
#pragma once

#include "http-server.h"

#define HTTP_STREAM_STALL_MSEC (10u * 60u * 1000u) /* for each 64 KiB to come or go; then it is given up */

typedef struct HttpStream HttpStream;

/* Ends the exchange and takes its connection out of the server: bytes of the body that have come are read first. On the
 * loop, not from within on_head or on_request. NULL: the client is gone, and the exchange still open. stall_msec 0:
 * HTTP_STREAM_STALL_MSEC. */
HttpStream *http_detach(HttpExchange *exchange, unsigned stall_msec);

/* The following on one thread at a time. Failures are negative errno: -ECANCELED, -ETIMEDOUT (stalled), or what became of
 * the connection; after one, all fail. */

/* As many bytes as there are, at least one; 0: the client has ended its sending. */
ssize_t http_stream_read(HttpStream *stream, char *bytes, size_t n);
/* All of them, or a failure. */
int http_stream_write(HttpStream *stream, const char *bytes, size_t n);
/* An error page, as http_reply_error has it, and the end. Takes the stream. `headers` may be NULL. */
void http_stream_refuse(HttpStream *stream, int status, const char *headers);
/* `whole`: all was said, and the client gets to read it to its end (which may take two seconds of waiting); else the
 * connection is broken off, so that the client does not take what it has for all. */
void http_stream_close(HttpStream *stream, bool whole);

/* Any thread, before http_stream_close: whatever waits, or comes later, fails with -ECANCELED. */
void http_stream_cancel(HttpStream *stream);
