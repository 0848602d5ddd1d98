/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two bytes choose one of the types that calls can bring, the rest is JSON to be read as it. What can be read must be
 * written as UTF-8, read and copied the same again. The envelope that a call comes in is read from the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bus-catalogue.h"
#include "json-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const JsonLimits limits = { .depth = 64, .values = 10000 };

static void require(bool condition)
{
        if (!condition)
                abort();
}

static bool same_text(const json_t *one, const json_t *other)
{
        auto_buffer a = { 0 }, b = { 0 };

        json_text_write(&a, one);
        json_text_write(&b, other);
        return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
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
                auto_buffer text = { 0 };

                json_text_write(&text, first);
                require(json_text_is_utf8(text.data, text.len));
                require(same_text(first, second) && same_text(first, third));
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

/* By its members: this reader agrees with that of the whole. */
static void check_envelope(const json_t *tree, const char *text, size_t len)
{
        JsonMember members[] = { { .name = "method" }, { .name = "params" }, { .name = "" } };
        bool read = json_text_members(text, len, &limits, members, 3);

        require(read == json_is_object(tree));
        for (size_t i = 0; i < 3; i++) {
                json_t *value = json_object_get(tree, members[i].name);

                require(read ? !value == !members[i].value && (!value || same_text(value, members[i].value))
                             : !members[i].value);
                json_decref(members[i].value);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static size_t n_types;

        while (!n_types || bus_catalogue_type(n_types))
                n_types++;
        if (size < 2)
                return 0;
        const char *text = (const char *)data + 2;
        json_t *tree = json_text_read(text, size - 2, &limits, NULL);

        check_envelope(tree, text, size - 2);
        if (tree)
                check(bus_catalogue_type((data[0] | (size_t)data[1] << 8) % n_types), tree);
        json_decref(tree);
        return 0;
}
