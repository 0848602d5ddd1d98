/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the benchmarks' programs share. They are short-lived and alone with their peers: any failure ends them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* with errno's text, where set */
uint64_t now_nsec(void);                   /* CLOCK_MONOTONIC */
int unix_connect(const char *path);
int unix_listen(const char *path);
int tcp_connect(const char *address, const char *port); /* numeric; without Nagle's delay */
void set_blocking(int fd, bool is_blocking);
/* Waits where a socket that does not block is full. False: the other side has gone. */
bool write_all(int fd, const void *bytes, size_t len);
/* A whole file, with a NUL behind it that is not counted. Returns owned (free()). */
char *read_file(const char *path, size_t *ret_len);
unsigned number(const char *text); /* decimal, more than 0 */
