/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "json-text.h"
#include "message-switch/lib/frame.h"

static BusFailure *failure_of(const BusInterface *interface, const void *error)
{
        return (BusFailure *)((char *)error + interface->failure_offset);
}

const BusFailure *bus_error_failure(const BusInterface *interface, const void *error)
{
        if (interface->failure_tag >= 0 && *(const int *)error != interface->failure_tag)
                return NULL;
        const BusFailure *failure = failure_of(interface, error);

        return failure->outcome != BUS_OK ? failure : NULL;
}

void *bus_error_new_failure(const BusInterface *interface, int outcome, const char *text)
{
        assert(outcome != BUS_OK);
        void *error = bus_alloc(1, interface->error->size);

        if (interface->failure_tag >= 0)
                *(int *)error = interface->failure_tag;
        *failure_of(interface, error) = (BusFailure){ .outcome = outcome, .text = bus_strdup(text) };
        return error;
}

static void *error_with_text(const BusInterface *interface, int tag, const char *text)
{
        void *error = bus_alloc(1, interface->error->size);

        *(int *)error = tag;
        *(char **)((char *)error + interface->error->payload_offset) = bus_strdup(text);
        return error;
}

void *bus_error_new_internal(const BusInterface *interface, const char *text)
{
        if (interface->internal_tag < 0)
                return bus_error_new_failure(interface, BUS_PROTOCOL, text);
        return error_with_text(interface, interface->internal_tag, text);
}

void *bus_error_new_unimplemented(const BusInterface *interface, const char *method)
{
        if (interface->unimplemented_tag >= 0)
                return error_with_text(interface, interface->unimplemented_tag, method);
        char *text = bus_printf("%s is not implemented", method);
        void *error = bus_error_new_internal(interface, text);

        free(text);
        return error;
}

json_t *bus_encode_error(const BusInterface *interface, const void *error)
{
        const BusFailure *failure = bus_error_failure(interface, error);

        if (!failure)
                return bus_encode(interface->error, error);
        if (interface->internal_tag < 0)
                return json_string(failure->text ? failure->text : "");
        void *internal = bus_error_new_internal(interface, failure->text);
        json_t *json = bus_encode(interface->error, internal);

        bus_value_free(interface->error, internal);
        return json;
}

void *bus_decode_error(const BusInterface *interface, const json_t *json)
{
        void *error = bus_alloc(1, interface->error->size);
        BusReason reason;

        if (bus_decode(interface->error, json, error, &reason))
                return error;
        free(error);
        auto_buffer text = { 0 };

        json_text_write(&text, json);
        g_autofree char *valid = g_utf8_make_valid(text.data, (gssize)text.len);

        return bus_error_new_failure(interface, BUS_PROTOCOL, valid);
}

char *bus_error_text(const BusInterface *interface, const void *error)
{
        const BusFailure *failure = bus_error_failure(interface, error);

        if (failure)
                return bus_printf("%s", failure->text ? failure->text : "the call failed");
        json_t *json = bus_encode(interface->error, error);
        char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

        json_decref(json);
        return text;
}
