/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for any bytes as the body of a call. */
#pragma once

#include <assert.h>
#include <stdint.h>

#include <glib.h>

#include "rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void fuzz_rpc(bool json, const uint8_t *bytes, size_t n)
{
        auto_rpc_request r = { 0 };
        auto_buffer reply = { 0 };
        json_error_t error;

        RpcParse outcome = rpc_parse(json, (const char *)bytes, n, &r);
        if (outcome == RPC_REFUSED)
                buffer_append(&reply, r.refusal.data, r.refusal.len);
        if (outcome == RPC_CALL) {
                assert(r.method && json_is_array(r.params) && !r.id == !json);
                g_autoptr(XapiError) failure = xapi_error_new("MESSAGE_METHOD_UNKNOWN", r.method, NULL);
                rpc_write_failure(&reply, &r, failure);
        }
        if (reply.len == 0)
                return;
        assert(g_utf8_validate_len(reply.data, reply.len, NULL));
        if (json) {
                json_t *tree = json_loadb(reply.data, reply.len, JSON_ALLOW_NUL, &error);
                assert(json_is_object(tree));
                json_decref(tree);
        }
}
