/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend.h"

#define VERSION 1

static void bridge_free(gpointer data)
{
        network_bridge_config_free(data);
}

static void interface_free(gpointer data)
{
        record_interface_clear(data);
        g_free(data);
}

void record_interface_clear(RecordInterface *interface)
{
        network_interface_config_clear(&interface->config);
        network_address_list_clear(&interface->applied);
}

void record_interface_assign(RecordInterface *ret, const RecordInterface *interface)
{
        network_interface_config_assign(&ret->config, &interface->config);
        ret->dhcp = interface->dhcp;
        ret->dhcp_takes = interface->dhcp_takes;
        ret->applied = (NetworkAddressList){ 0 };
        for (size_t i = 0; i < interface->applied.n; i++)
                network_address_assign(BUS_LIST_ADD(&ret->applied), &interface->applied.items[i]);
}

/* ---- reading ---- */

static bool decode_bridges(Record *record, const json_t *json, BusReason *reason)
{
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)json, name, value)
        {
                NetworkBridgeConfig config;

                if (!network_bridge_config_decode(value, &config, reason))
                        return false;
                g_hash_table_insert(record->bridges, g_strdup(name), network_bridge_config_dup(&config));
                network_bridge_config_clear(&config);
        }
        return true;
}

static bool decode_applied(RecordInterface *interface, const json_t *json, BusReason *reason)
{
        for (size_t i = 0; i < json_array_size(json); i++)
                if (!network_address_decode(json_array_get(json, i), BUS_LIST_ADD(&interface->applied),
                                            reason))
                        return false;
        return true;
}

static bool decode_interfaces(Record *record, const json_t *json, BusReason *reason)
{
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)json, name, value)
        {
                RecordInterface *interface = g_new0(RecordInterface, 1);

                g_hash_table_insert(record->interfaces, g_strdup(name), interface);
                if (!network_interface_config_decode(json_object_get(value, "config"), &interface->config,
                                                     reason))
                        return false;
                interface->dhcp = json_is_true(json_object_get(value, "dhcp"));
                /* One that was started before this was recorded takes everything. */
                interface->dhcp_takes = json_object_get(value, "dhcp_takes") != NULL
                                            ? (int)json_integer_value(json_object_get(value, "dhcp_takes"))
                                            : DHCP_TAKES_GATEWAY | DHCP_TAKES_DNS;
                if (!decode_applied(interface, json_object_get(value, "applied"), reason))
                        return false;
        }
        return true;
}

static bool decode(Record *record, const json_t *json, BusReason *reason)
{
        const json_t *bridges = json_object_get(json, "bridges"),
                     *interfaces = json_object_get(json, "interfaces"),
                     *found = json_object_get(json, "found");

        if (json_integer_value(json_object_get(json, "version")) != VERSION || !json_is_object(bridges) ||
            !json_is_object(interfaces)) {
                g_strlcpy(reason->text, "not a record of this version", sizeof(reason->text));
                return false;
        }
        record->gateway_interface = g_strdup(json_string_value(json_object_get(json, "gateway_interface")));
        record->dns_interface = g_strdup(json_string_value(json_object_get(json, "dns_interface")));
        for (size_t i = 0; i < json_array_size(found); i++)
                if (json_is_string(json_array_get(found, i)))
                        record_note_found(record, json_string_value(json_array_get(found, i)), true);
        return decode_bridges(record, bridges, reason) && decode_interfaces(record, interfaces, reason);
}

static bool load(Record *record, char **ret_error)
{
        BusReason reason = { 0 };
        json_error_t syntax;
        struct stat st;
        json_t *json;
        bool ok;

        if (stat(record->path, &st) < 0) {
                if (errno == ENOENT)
                        return true;
                *ret_error = g_strdup_printf("%s: %s", record->path, g_strerror(errno));
                return false;
        }
        json = st.st_size > RECORD_SIZE_MAX ? NULL
                                            : json_load_file(record->path, JSON_REJECT_DUPLICATES, &syntax);
        ok = json != NULL && decode(record, json, &reason);
        if (!ok)
                *ret_error = g_strdup_printf("%s: %s", record->path,
                                             json != NULL ? reason.text : "not a JSON document that can be");
        json_decref(json);
        return ok;
}

Record *record_open(const char *path, char **ret_error)
{
        Record *record = g_new0(Record, 1);

        record->path = g_strdup(path);
        record->bridges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, bridge_free);
        record->interfaces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, interface_free);
        record->found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (load(record, ret_error))
                return record;
        record_close(record);
        return NULL;
}

void record_close(Record *record)
{
        if (record == NULL)
                return;
        g_hash_table_unref(record->bridges);
        g_hash_table_unref(record->interfaces);
        g_hash_table_unref(record->found);
        g_free(record->gateway_interface);
        g_free(record->dns_interface);
        g_free(record->path);
        g_free(record);
}

/* ---- writing ---- */

static json_t *encode_bridges(const Record *record)
{
        json_t *json = json_object();
        GHashTableIter i;
        gpointer name, config;

        g_hash_table_iter_init(&i, record->bridges);
        while (g_hash_table_iter_next(&i, &name, &config))
                json_object_set_new(json, name, network_bridge_config_encode(config));
        return json;
}

static json_t *encode_interfaces(const Record *record)
{
        json_t *json = json_object();
        GHashTableIter i;
        gpointer name, value;

        g_hash_table_iter_init(&i, record->interfaces);
        while (g_hash_table_iter_next(&i, &name, &value)) {
                const RecordInterface *interface = value;
                json_t *entry = json_object(), *applied = json_array();

                for (size_t k = 0; k < interface->applied.n; k++)
                        json_array_append_new(applied, network_address_encode(&interface->applied.items[k]));
                json_object_set_new(entry, "config", network_interface_config_encode(&interface->config));
                json_object_set_new(entry, "applied", applied);
                json_object_set_new(entry, "dhcp", json_boolean(interface->dhcp));
                json_object_set_new(entry, "dhcp_takes", json_integer(interface->dhcp_takes));
                json_object_set_new(json, name, entry);
        }
        return json;
}

static json_t *encode_found(const Record *record)
{
        json_t *json = json_array();
        GHashTableIter i;
        gpointer name;

        g_hash_table_iter_init(&i, record->found);
        while (g_hash_table_iter_next(&i, &name, NULL))
                if (g_hash_table_contains(record->bridges, name))
                        json_array_append_new(json, json_string(name));
        return json;
}

int record_write(Record *record)
{
        g_autoptr(GError) error = NULL;
        json_t *json;
        char *text;
        bool ok;

        if (record->held)
                return 0;
        json = json_pack("{s:i, s:o, s:o, s:o, s:s?, s:s?}", "version", VERSION, "bridges",
                         encode_bridges(record), "interfaces", encode_interfaces(record), "found",
                         encode_found(record), "gateway_interface", record->gateway_interface,
                         "dns_interface", record->dns_interface);
        text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
        json_decref(json);
        if (strlen(text) > RECORD_SIZE_MAX) {
                free(text);
                return -EFBIG;
        }
        ok = g_file_set_contents_full(record->path, text, -1,
                                      G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                      &error);
        free(text);
        if (ok)
                return 0;
        switch (error->code) {
        case G_FILE_ERROR_NOSPC:
                return -ENOSPC;
        case G_FILE_ERROR_ACCES:
        case G_FILE_ERROR_PERM:
                return -EACCES;
        case G_FILE_ERROR_ROFS:
                return -EROFS;
        default:
                return -EIO;
        }
}

void record_clear(Record *record)
{
        g_hash_table_remove_all(record->bridges);
        g_hash_table_remove_all(record->interfaces);
        g_clear_pointer(&record->gateway_interface, g_free);
        g_clear_pointer(&record->dns_interface, g_free);
}

/* ---- what is not kept ---- */

/* A bridge is kept for its own sake, or for that of one on a VLAN of it. */
static bool is_kept(const Record *record, const char *name, const NetworkBridgeConfig *config)
{
        GHashTableIter i;
        gpointer other;

        if (config->persistent_b)
                return true;
        g_hash_table_iter_init(&i, record->bridges);
        while (g_hash_table_iter_next(&i, NULL, &other)) {
                const NetworkBridgeConfig *bridge = other;

                if (bridge->persistent_b && bridge->vlan != NULL && strcmp(bridge->vlan->bridge, name) == 0)
                        return true;
        }
        return false;
}

void record_after_boot(Record *record)
{
        GHashTableIter i;
        gpointer name, value;

        g_hash_table_iter_init(&i, record->bridges);
        while (g_hash_table_iter_next(&i, &name, &value))
                if (!is_kept(record, name, value))
                        g_hash_table_iter_remove(&i);
        g_hash_table_iter_init(&i, record->interfaces);
        while (g_hash_table_iter_next(&i, &name, &value)) {
                RecordInterface *interface = value;

                network_address_list_clear(&interface->applied);
                interface->dhcp = false;
                interface->dhcp_takes = 0;
                if (!interface->config.persistent_i)
                        g_hash_table_iter_remove(&i);
        }
}

/* ---- entries ---- */

static int compare_texts(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *record_names(GHashTable *table)
{
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter i;
        gpointer name;

        g_hash_table_iter_init(&i, table);
        while (g_hash_table_iter_next(&i, &name, NULL))
                g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_sort(names, compare_texts);
        return names;
}

const NetworkBridgeConfig *record_bridge(const Record *record, const char *name)
{
        return g_hash_table_lookup(record->bridges, name);
}

void record_note_found(Record *record, const char *name, bool found)
{
        if (found)
                g_hash_table_add(record->found, g_strdup(name));
        else
                g_hash_table_remove(record->found, name);
}

bool record_is_found(const Record *record, const char *name)
{
        return g_hash_table_contains(record->found, name);
}

const RecordInterface *record_interface(const Record *record, const char *name)
{
        return g_hash_table_lookup(record->interfaces, name);
}

/* Puts the value (taken; NULL: nothing) in the place of that name. Returns what was there, owned, or NULL. */
static gpointer exchange(GHashTable *table, const char *name, gpointer value)
{
        gpointer old_name = NULL, old = NULL;

        g_hash_table_steal_extended(table, name, &old_name, &old);
        g_free(old_name);
        if (value != NULL)
                g_hash_table_insert(table, g_strdup(name), value);
        return old;
}

/* The values (taken) in the places of those names, and what was there before back if they cannot be written. */
static int replace(Record *record, GHashTable *table, size_t n, const char *const *names, gpointer *values,
                   guint max)
{
        GDestroyNotify destroy = table == record->bridges ? bridge_free : interface_free;
        guint before = g_hash_table_size(table);
        int r;

        for (size_t i = 0; i < n; i++)
                values[i] = exchange(table, names[i], values[i]);
        r = g_hash_table_size(table) > MAX(before, max) ? -EDQUOT : record_write(record);
        for (size_t i = n; r < 0 && i-- > 0;)
                values[i] = exchange(table, names[i], values[i]);
        for (size_t i = 0; i < n; i++)
                if (values[i] != NULL)
                        destroy(values[i]);
        return r;
}

int record_set_bridges(Record *record, size_t n, const char *const *names,
                       const NetworkBridgeConfig *const *configs)
{
        g_autofree gpointer *copies = g_new0(gpointer, n);

        for (size_t i = 0; i < n; i++)
                copies[i] = configs[i] != NULL ? network_bridge_config_dup(configs[i]) : NULL;
        return replace(record, record->bridges, n, names, copies, RECORD_BRIDGES_MAX);
}

int record_set_bridge(Record *record, const char *name, const NetworkBridgeConfig *config)
{
        return record_set_bridges(record, 1, &name, &config);
}

int record_set_interfaces(Record *record, size_t n, const char *const *names,
                          const RecordInterface *const *interfaces)
{
        g_autofree gpointer *copies = g_new0(gpointer, n);

        for (size_t i = 0; i < n; i++) {
                if (interfaces[i] == NULL)
                        continue;
                copies[i] = g_new0(RecordInterface, 1);
                record_interface_assign(copies[i], interfaces[i]);
        }
        return replace(record, record->interfaces, n, names, copies, RECORD_INTERFACES_MAX);
}

int record_set_interface(Record *record, const char *name, const RecordInterface *interface)
{
        return record_set_interfaces(record, 1, &name, &interface);
}
