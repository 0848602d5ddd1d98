/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests that write what they like. */
#include "guest-facts.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

/* A store in memory: key -> GBytes; every key's parents are there. */
typedef struct Store {
        GHashTable *values;
        unsigned n_asked;
} Store;

static void add(Store *store, const char *key, const void *value, size_t len)
{
        g_hash_table_insert(store->values, g_strdup(key), g_bytes_new(value, len));
}

static void say(Store *store, const char *key, const char *value)
{
        add(store, key, value, strlen(value));
}

static char **list(void *data, const char *key, unsigned *ret_n)
{
        Store *store = data;
        g_autofree char *prefix = g_strdup_printf("%s/", key);
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GHashTableIter iter;
        gpointer found;
        size_t bytes = 0;

        store->n_asked++;
        g_hash_table_iter_init(&iter, store->values);
        while (g_hash_table_iter_next(&iter, &found, NULL))
                if (g_str_has_prefix(found, prefix)) {
                        const char *name = (char *)found + strlen(prefix);
                        g_hash_table_add(names, g_strndup(name, strcspn(name, "/")));
                }
        *ret_n = g_hash_table_size(names);
        g_hash_table_iter_init(&iter, names);
        while (g_hash_table_iter_next(&iter, &found, NULL))
                bytes += strlen(found) + 1;
        char **array = malloc(*ret_n * sizeof(char *) + bytes + 1), *text = (char *)(array + *ret_n);
        unsigned i = 0;
        g_hash_table_iter_init(&iter, names);
        while (g_hash_table_iter_next(&iter, &found, NULL)) {
                array[i++] = strcpy(text, found);
                text += strlen(found) + 1;
        }
        return array;
}

static char *read_value(void *data, const char *key, unsigned *ret_len)
{
        Store *store = data;
        GBytes *bytes = g_hash_table_lookup(store->values, key);
        gsize len;

        store->n_asked++;
        if (!bytes)
                return NULL;
        const void *value = g_bytes_get_data(bytes, &len);
        char *copy = calloc(1, len + 1);
        if (len)
                memcpy(copy, value, len);
        *ret_len = (unsigned)len;
        return copy;
}

static void setup(Store *store, gconstpointer data)
{
        store->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
        store->n_asked = 0;
}

static void teardown(Store *store, gconstpointer data)
{
        g_hash_table_destroy(store->values);
}

static BusDict facts_of(Store *store)
{
        GuestStore guest = { list, read_value, store };
        BusDict facts = { 0 };
        guest_facts_read(&guest, &facts);
        return facts;
}

static void test_agent(Store *store, gconstpointer data)
{
        say(store, "attr/PVAddons/MajorVersion", "8");
        say(store, "attr/vif/0/ipv4/0", "10.0.0.2");
        say(store, "data/os_name", "Debian \xc3\xa4");
        say(store, "data/empty", "");
        say(store, "control/feature-balloon", "1");
        say(store, "control/shutdown", "poweroff"); /* ours */
        say(store, "vm-data/secret", "1");
        say(store, "memory/target", "1");
        BusDict facts = facts_of(store);
        g_assert_cmpuint(facts.n, ==, 5);
        g_assert_cmpstr(bus_dict_get(&facts, "attr/PVAddons/MajorVersion"), ==, "8");
        g_assert_cmpstr(bus_dict_get(&facts, "attr/vif/0/ipv4/0"), ==, "10.0.0.2");
        g_assert_cmpstr(bus_dict_get(&facts, "data/os_name"), ==, "Debian \xc3\xa4");
        g_assert_cmpstr(bus_dict_get(&facts, "data/empty"), ==, "");
        g_assert_cmpstr(bus_dict_get(&facts, "control/feature-balloon"), ==, "1");
        bus_dict_clear(&facts);
}

static void test_many(Store *store, gconstpointer data)
{
        for (unsigned i = 0; i < 10000; i++) {
                g_autofree char *key = g_strdup_printf("data/%u", i),
                                *deep = g_strdup_printf("attr/%u/a/b", i);
                say(store, key, "x");
                say(store, deep, "x");
        }
        say(store, "control/feature-suspend", "1");
        BusDict facts = facts_of(store);
        g_assert_cmpuint(facts.n, <=, 2 * GUEST_FACTS_MAX + 1);
        g_assert_cmpuint(facts.n, >, GUEST_FACTS_MAX);
        g_assert_cmpuint(store->n_asked, <=, 3 * 2 * GUEST_LOOKS_MAX);
        /* One folder full of rubbish hides no other. */
        g_assert_cmpstr(bus_dict_get(&facts, "control/feature-suspend"), ==, "1");
        bus_dict_clear(&facts);
}

static void test_limits(Store *store, gconstpointer data)
{
        g_autofree char *longest = g_strnfill(GUEST_VALUE_BYTES_MAX, 'v');
        g_autofree char *longer = g_strnfill(GUEST_VALUE_BYTES_MAX + 1, 'v');
        g_autofree char *name = g_strnfill(GUEST_KEY_BYTES_MAX - strlen("data/"), 'k');
        g_autofree char *long_key = g_strdup_printf("data/%s", name);
        g_autofree char *longer_key = g_strdup_printf("attr/%sk", name);
        say(store, "data/longest", longest);
        say(store, "data/longer", longer);
        say(store, long_key, "1");
        say(store, longer_key, "1");
        say(store, "attr/2/3/4/5/6", "at the limit");
        say(store, "feature/2/3/4/5/6/7", "one past it");
        BusDict facts = facts_of(store);
        g_assert_cmpuint(facts.n, ==, 3);
        g_assert_cmpstr(bus_dict_get(&facts, "data/longest"), ==, longest);
        g_assert_nonnull(bus_dict_get(&facts, long_key));
        g_assert_nonnull(bus_dict_get(&facts, "attr/2/3/4/5/6"));
        bus_dict_clear(&facts);
}

static void test_count_limit(Store *store, gconstpointer data)
{
        for (unsigned i = 0; i < GUEST_FACTS_MAX; i++) {
                g_autofree char *key = g_strdup_printf("data/%u", i);
                say(store, key, "x");
        }
        BusDict facts = facts_of(store);
        g_assert_cmpuint(facts.n, ==, GUEST_FACTS_MAX);
        bus_dict_clear(&facts);
        say(store, "data/more", "x");
        facts = facts_of(store);
        g_assert_cmpuint(facts.n, ==, GUEST_FACTS_MAX);
        bus_dict_clear(&facts);
}

static void test_bytes_limit(Store *store, gconstpointer data)
{
        g_autofree char *value = g_strnfill(1000, 'v');
        static const char *const folders[] = { "attr", "data", "feature" };
        size_t bytes = 0;
        for (unsigned i = 0; i < 300; i++) {
                g_autofree char *key = g_strdup_printf("%s/%u", folders[i % 3], i);
                say(store, key, value);
        }
        BusDict facts = facts_of(store);
        for (size_t i = 0; i < facts.n; i++)
                bytes += strlen(facts.items[i].key) + strlen(facts.items[i].value);
        g_assert_cmpuint(bytes, <=, GUEST_FACTS_BYTES_MAX);
        g_assert_cmpuint(bytes, >, GUEST_FACTS_BYTES_MAX - 1100);
        bus_dict_clear(&facts);
}

static void test_garbage(Store *store, gconstpointer data)
{
        add(store, "data/nul", "a\0b", 3);
        add(store, "data/not-utf-8", "\xff\xfe", 2);
        add(store, "data/cut", "\xc3", 1);
        add(store, "data/escape", "\x1b[2J", 4);
        add(store, "data/lines", "a\tb\r\n", 5);
        for (unsigned i = 0; i < 50; i++) {
                guint8 bytes[64];
                g_autofree char *key = g_strdup_printf("attr/random/%u", i);
                for (size_t j = 0; j < sizeof bytes; j++)
                        bytes[j] = (guint8)g_test_rand_int_range(0, 256);
                add(store, key, bytes, sizeof bytes);
        }
        BusDict facts = facts_of(store);
        for (size_t i = 0; i < facts.n; i++)
                g_assert_true(g_utf8_validate(facts.items[i].value, -1, NULL));
        g_assert_cmpstr(bus_dict_get(&facts, "data/lines"), ==, "a\tb\r\n");
        g_assert_null(bus_dict_get(&facts, "data/nul"));
        g_assert_null(bus_dict_get(&facts, "data/not-utf-8"));
        g_assert_null(bus_dict_get(&facts, "data/cut"));
        g_assert_null(bus_dict_get(&facts, "data/escape"));
        bus_dict_clear(&facts);
}

static void test_drivers(Store *store, gconstpointer data)
{
        GuestStore guest = { list, read_value, store };
        g_assert_false(guest_has_drivers(&guest));
        say(store, "device/vbd/51712/state", "3");
        g_assert_false(guest_has_drivers(&guest));
        say(store, "device/vif/0/state", "4");
        g_assert_true(guest_has_drivers(&guest));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/guest-facts/agent", Store, NULL, setup, test_agent, teardown);
        g_test_add("/guest-facts/many", Store, NULL, setup, test_many, teardown);
        g_test_add("/guest-facts/limits", Store, NULL, setup, test_limits, teardown);
        g_test_add("/guest-facts/count-limit", Store, NULL, setup, test_count_limit, teardown);
        g_test_add("/guest-facts/bytes-limit", Store, NULL, setup, test_bytes_limit, teardown);
        g_test_add("/guest-facts/garbage", Store, NULL, setup, test_garbage, teardown);
        g_test_add("/guest-facts/drivers", Store, NULL, setup, test_drivers, teardown);
        return g_test_run();
}
