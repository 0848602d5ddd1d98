/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-client.h"

#include <assert.h>
#include <stdlib.h>

static bool take_result(const BusInterface *interface, const BusMethod *method, const json_t *result,
                        void *ret_result, void **error)
{
        BusReason reason;

        if (!ret_result || bus_decode(method->result, result ? result : json_null(), ret_result, &reason))
                return true;
        char *text = bus_printf("%s answered what is no result of it: %s", method->name, reason.text);

        *error = bus_error_new_failure(interface, BUS_PROTOCOL, text);
        free(text);
        return false;
}

static bool fail_outcome(const BusInterface *interface, const BusMethod *method, BusOutcome outcome,
                         const char *detail, void **error)
{
        char *text = bus_printf("%s: %s", method->name, detail);

        *error = bus_error_new_failure(interface, outcome, text);
        free(text);
        return false;
}

static bool take_reply(const BusInterface *interface, const BusMethod *method, const BusReply *reply,
                       void *ret_result, void **error)
{
        if (reply->outcome != BUS_OK)
                return fail_outcome(interface, method, reply->outcome, bus_outcome_text(reply->outcome),
                                    error);
        if (!reply->error)
                return take_result(interface, method, reply->result, ret_result, error);
        *error = bus_decode_error(interface, reply->error);
        return false;
}

static bool take_fd(const BusInterface *interface, const BusMethod *method, BusReply *reply, int *ret_fd,
                    void **error)
{
        if (!method->with_fd || !ret_fd)
                return true;
        if (reply->n_fds != 1)
                return fail_outcome(interface, method, BUS_PROTOCOL, "no descriptor came with the answer",
                                    error);
        *ret_fd = reply->fds[0];
        reply->fds[0] = -1;
        return true;
}

bool bus_client_call(const BusInterface *interface, const BusMethod *method, Bus *bus, const char *queue,
                     Cancel *cancel, uint64_t timeout_usec, const void *args, void *ret_result, int *ret_fd,
                     void **error)
{
        assert(!*error);
        json_t *params = bus_encode_params(method, args);
        BusCall call = {
                .queue = queue ? queue : interface->queue,
                .method = method->name,
                .params = params,
                .timeout_usec = timeout_usec,
                .cancel = cancel,
        };
        BusReply reply = { 0 };
        bus_call_wait(bus, &call, &reply);
        bool good = take_reply(interface, method, &reply, ret_result, error);
        if (good && !take_fd(interface, method, &reply, ret_fd, error)) {
                if (ret_result)
                        bus_value_clear(method->result, ret_result);
                good = false;
        }
        bus_reply_clear(&reply);
        json_decref(params);
        return good;
}

bool bus_caller_call(const BusInterface *interface, const BusMethod *method, BusCaller *caller,
                     uint64_t timeout_usec, const void *args, void *ret_result, void **error)
{
        assert(!*error);
        json_t *params = bus_encode_params(method, args), *result = NULL, *failed = NULL;
        BusOutcome outcome = caller->call(caller, method, params, timeout_usec, &result, &failed);
        bool good;

        if (outcome != BUS_OK) {
                const char *text = json_string_value(failed);

                good = fail_outcome(interface, method, outcome, text ? text : "failed", error);
        } else if (failed) {
                *error = bus_decode_error(interface, failed);
                good = false;
        } else {
                good = take_result(interface, method, result, ret_result, error);
        }
        json_decref(result);
        json_decref(failed);
        json_decref(params);
        return good;
}
