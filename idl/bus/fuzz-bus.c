/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two bytes choose one of the types that calls can bring, the rest is JSON to be read as it. What can be read must be
 * written, read and copied the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bus-catalogue.h"

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
        return 0;
}
