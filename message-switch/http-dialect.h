/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The place of upstream's HTTP dialect, which shares the switch's socket. It is not spoken yet: a request is answered by a
 * 501 that says so, and the connection ends. */
#pragma once

#include <stddef.h>

#include "peer.h"

#define HTTP_DIALECT_HEAD_MAX  8192u          /* bytes of a request's head */
#define HTTP_DIALECT_DRAIN_MAX (1u << 20)     /* bytes read and dropped after the answer */
#define HTTP_DIALECT_USEC      (5 * 1000000u) /* from the first byte to the end */

HttpDialect *http_dialect_new(Peer *peer);
void http_dialect_receive(HttpDialect *http, const char *bytes, size_t n);
void http_dialect_free(HttpDialect *http);
