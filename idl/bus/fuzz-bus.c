/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two bytes choose one of the types that calls can bring, the rest is JSON to be read as it. What can be read must be
 * written, read and copied the same again. The envelope that a call comes in is read from the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bus-catalogue.h"
#include "json-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check(const BusType *type, const json_t *json)
{
        void *value = bus_alloc(1, type->size), *again = bus_alloc(1, type->size);
        BusReason reason;

        if (bus_decode(type, json, value, &reason)) {
                json_t *first = bus_encode(type, value);

                require(bus_decode(type, first, again, &reason));
                json_t *second = bus_encode(type, again);
                void *copy = bus_value_dup(type, value);
                json_t *third = bus_encode(type, copy);

                require(json_equal(first, second) && json_equal(first, third));
                bus_value_free(type, copy);
                json_decref(first);
                json_decref(second);
                json_decref(third);
        } else {
                require(memchr(reason.text, '\0', sizeof(reason.text)) != NULL);
        }
        bus_value_free(type, value);
        bus_value_free(type, again);
}

/* As a whole and by its members: the two readers agree. */
static void check_envelope(const char *text, size_t len)
{
        static const JsonLimits limits = { .depth = 64, .values = 10000 };
        JsonMember members[] = { { .name = "method" }, { .name = "params" }, { .name = "" } };
        json_t *tree = json_text_read(text, len, &limits, NULL);
        bool read = json_text_members(text, len, &limits, members, 3);

        require(read == json_is_object(tree));
        for (size_t i = 0; i < 3; i++) {
                json_t *value = json_object_get(tree, members[i].name);

                require(read ? !value == !members[i].value && (!value || json_equal(value, members[i].value))
                             : !members[i].value);
                json_decref(members[i].value);
        }
        json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static size_t n_types;

        while (!n_types || bus_catalogue_type(n_types))
                n_types++;
        if (size < 2)
                return 0;
        json_t *json = json_loadb((const char *)data + 2, size - 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        if (json)
                check(bus_catalogue_type((data[0] | (size_t)data[1] << 8) % n_types), json);
        json_decref(json);
        check_envelope((const char *)data + 2, size - 2);
        return 0;
}
