/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small pieces of HTTP's grammar that the parser and the request share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes at most n bytes to `ret`, which may be `text` itself; returns how many, or -1: a bad escape, or one of NUL. */
ssize_t http_percent_decode(const char *text, size_t n, bool plus_is_space, char *ret);
bool http_list_has(const char *list, const char *token); /* comma-separated, case-insensitive */
