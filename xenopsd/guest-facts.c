/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-facts.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

typedef struct Folder {
        const char *name;
        const char *prefix; /* that a name in it has; "": any */
} Folder;

static const Folder FOLDERS[] = {
        { "attr", "" }, { "data", "" }, { "control", "feature-" }, { "feature", "" }, { "drivers", "" }
};

typedef struct Reading {
        const GuestStore *store;
        const Folder *folder;
        BusDict *facts;
        size_t bytes;            /* in all */
        unsigned n_facts, looks; /* in this folder */
} Reading;

static bool value_valid(const char *value, size_t len)
{
        if (len > GUEST_VALUE_BYTES_MAX || !g_utf8_validate_len(value, len, NULL))
                return false;
        for (size_t i = 0; i < len; i++)
                if (g_ascii_iscntrl(value[i]) && value[i] != '\t' && value[i] != '\n' && value[i] != '\r')
                        return false;
        return true;
}

/* One more, if it may be. */
static void add_fact(Reading *reading, const char *key)
{
        unsigned len;
        char *value = reading->store->read(reading->store->data, key, &len);
        size_t bytes = strlen(key) + (value ? len : 0);

        if (value && value_valid(value, len) && bytes <= GUEST_FACTS_BYTES_MAX - reading->bytes) {
                BusPair *pair = BUS_LIST_ADD(reading->facts);
                g_autofree char *text = g_strndup(value, len);
                *pair = (BusPair){ bus_strdup(key), bus_strdup(text) };
                reading->bytes += bytes;
                reading->n_facts++;
        }
        free(value);
}

static bool is_full(const Reading *reading)
{
        return reading->n_facts >= GUEST_FACTS_MAX || reading->looks >= GUEST_LOOKS_MAX;
}

/* A key with names in it is a folder, and what it holds itself is of no interest. */
static void read_key(Reading *reading, const char *key, unsigned depth)
{
        unsigned n = 0;

        if (is_full(reading) || depth > GUEST_DEPTH_MAX || strlen(key) > GUEST_KEY_BYTES_MAX)
                return;
        reading->looks++;
        char **names = reading->store->list(reading->store->data, key, &n);
        for (unsigned i = 0; i < n && !is_full(reading); i++) {
                if (depth == 1 && !g_str_has_prefix(names[i], reading->folder->prefix))
                        continue;
                g_autofree char *below = g_strdup_printf("%s/%s", key, names[i]);
                read_key(reading, below, depth + 1);
        }
        free(names);
        if (n == 0 && depth > 1)
                add_fact(reading, key);
}

void guest_facts_read(const GuestStore *store, BusDict *ret)
{
        Reading reading = { .store = store, .facts = ret };

        for (size_t i = 0; i < G_N_ELEMENTS(FOLDERS); i++) {
                reading.folder = &FOLDERS[i];
                reading.n_facts = reading.looks = 0;
                read_key(&reading, FOLDERS[i].name, 1);
        }
}

#define DEVICES_MAX     64u
#define STATE_CONNECTED "4" /* XenbusStateConnected in Xen's io/xenbus.h */

static bool is_connected(const GuestStore *store, const char *folder, const char *name)
{
        g_autofree char *key = g_strdup_printf("%s/%s/state", folder, name);
        unsigned len;
        char *state = store->read(store->data, key, &len);
        bool connected = state && len == strlen(STATE_CONNECTED) && memcmp(state, STATE_CONNECTED, len) == 0;

        free(state);
        return connected;
}

bool guest_has_drivers(const GuestStore *store)
{
        static const char *const folders[] = { "device/vbd", "device/vif" };
        bool found = false;

        for (size_t f = 0; f < G_N_ELEMENTS(folders) && !found; f++) {
                unsigned n = 0;
                char **names = store->list(store->data, folders[f], &n);
                for (unsigned i = 0; i < n && i < DEVICES_MAX && !found; i++)
                        found = is_connected(store, folders[f], names[i]);
                free(names);
        }
        return found;
}
