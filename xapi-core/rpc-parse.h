/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What rpc.c and the readers of the dialects share. */
#pragma once

#include "rpc.h"

RpcParse rpc_parse_xml(const char *body, size_t n, RpcRequest *ret);
RpcParse rpc_parse_json(const char *body, size_t n, RpcRequest *ret);
/* Reads one JSON value from the front of a text; what follows it is not looked at. Strings keep their bytes, UTF-8 or
 * not, with NULs; of equal keys the first counts. *ret_dirty: a string holds what is not UTF-8, or a control character
 * other than TAB, LF, CR. NULL: malformed, or past a limit. Returns owned. */
json_t *rpc_json_read(const char *text, size_t n, bool *ret_dirty);
bool rpc_text_is_clean(const char *text, size_t n);
