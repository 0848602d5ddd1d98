/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What rpc.c and the readers of the dialects share. */
#pragma once

#include "rpc.h"

RpcParse rpc_parse_xml(const char *body, size_t n, RpcRequest *ret);
RpcParse rpc_parse_json(const char *body, size_t n, RpcRequest *ret);
