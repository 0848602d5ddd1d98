/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects of class SM, one a storage driver. */
#include <string.h>

#include "daemon.h"
#include "rows.h"
#include "storage-internal.h"

/* ---- what rows say ---- */

typedef struct Wanted {
        const char *type;
        const SmRow *found;
} Wanted;

static bool match_type(const Row *row, void *user)
{
        Wanted *wanted = user;
        const SmRow *sm = (const SmRow *)row;

        if (strcmp(sm->type, wanted->type) == 0)
                wanted->found = sm;
        return !wanted->found;
}

const SmRow *sm_of_type(Txn *txn, const char *type)
{
        Wanted wanted = { .type = type };

        txn_each(txn, &CLASS_SM, match_type, &wanted);
        return wanted.found;
}

bool sm_has_feature(const SmRow *sm, const char *feature)
{
        for (uint32_t i = 0; sm && i < sm->features->n; i++)
                if (strcmp(sm->features->entries[i].key.s, feature) == 0)
                        return true;
        return false;
}

bool sr_has_feature(Store *store, const char *ref, const char *feature)
{
        Txn *txn = txn_begin(store);
        const SrRow *sr = (const SrRow *)txn_get(txn, &CLASS_SR, ref);
        bool has = sr && sm_has_feature(sm_of_type(txn, sr->type), feature);

        txn_abort(txn);
        return has;
}

bool sr_copies_to(Store *store, const char *from, const char *to)
{
        const SrRow *target = STORE_GET(SrRow, CLASS_SR, store, to);
        g_autofree char *type = target ? g_ascii_strup(target->type, -1) : NULL,
                        *feature = g_strconcat(SM_COPY_TO, type, NULL);

        if (!target)
                return false;
        row_unref(&target->row);
        return sr_has_feature(store, from, feature);
}

/* ---- what drivers say ---- */

/* What sm-daemon does for every driver by looking at what is there; and for those that make volumes. Upstream's driver of
 * CD images has only the former, too. */
static const char *const IMPLIED[] = { "SR_SCAN", "VDI_UPDATE" };
static const char *const IMPLIED_BY_CREATE[] = { "SR_UPDATE", "VDI_INTRODUCE" };

static const char *known_as(const char *feature)
{
        static const struct {
                const char *here, *there;
        } OLD[] = { { "VDI_DESTROY", "VDI_DELETE" }, { "SR_DESTROY", "SR_DELETE" } };

        for (size_t i = 0; i < G_N_ELEMENTS(OLD); i++)
                if (strcmp(feature, OLD[i].here) == 0)
                        return OLD[i].there;
        return feature;
}

/* "VDI_RESIZE" or "VDI_RESET_ON_BOOT/2": the name and the version of what it can do. */
static void add_feature(SmRow *sm, const char *text)
{
        const char *slash = strchr(text, '/');
        g_autofree char *name = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
        int64_t version = slash ? g_ascii_strtoll(slash + 1, NULL, 10) : 1;
        auto_str key = str_new(known_as(name));

        slot_map(&sm->features, map_with(sm->features, (Value){ .s = key }, (Value){ .i = version }));
        slot_set(&sm->capabilities, set_with(sm->capabilities, (Value){ .s = key }));
}

static void fold_features(SmRow *sm, const StorageQueryResult *driver)
{
        slot_map(&sm->features, map_empty(sm->features->type));
        slot_set(&sm->capabilities, set_empty(sm->capabilities->element));
        for (size_t i = 0; i < driver->features.n; i++)
                add_feature(sm, driver->features.items[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(IMPLIED); i++)
                add_feature(sm, IMPLIED[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(IMPLIED_BY_CREATE) && sm_has_feature(sm, "VDI_CREATE"); i++)
                add_feature(sm, IMPLIED_BY_CREATE[i]);
}

static void fold_formats(SmRow *sm, const StorageQueryResult *driver)
{
        const Type *type = sm->supported_image_formats->element;

        slot_set(&sm->supported_image_formats, set_empty(type));
        for (size_t i = 0; i < driver->supported_image_formats.n; i++) {
                int format = enum_index(type->enumeration, driver->supported_image_formats.items[i]);

                if (format >= 0)
                        slot_set(&sm->supported_image_formats,
                                 set_with(sm->supported_image_formats, (Value){ .i = format }));
        }
}

static const char *text(const char *s)
{
        return s ? s : "";
}

static void fold_stacks(SmRow *sm, const StorageQueryResult *driver)
{
        const Type *type = sm->required_cluster_stack->element;
        g_autoptr(GPtrArray) stacks = g_ptr_array_new();

        for (size_t i = 0; i < driver->required_cluster_stack.n; i++)
                g_ptr_array_add(stacks, driver->required_cluster_stack.items[i]);
        g_ptr_array_add(stacks, NULL);
        slot_set(&sm->required_cluster_stack, set_of_strings(type, (const char *const *)stacks->pdata));
}

static void fold_driver(Txn *txn, const StorageQueryResult *driver)
{
        const SmRow *old = sm_of_type(txn, text(driver->driver));
        SmRow *sm =
            (SmRow *)(old ? txn_edit(txn, &CLASS_SM, old->row.ref) : txn_create(txn, &CLASS_SM, NULL, NULL));

        slot_str(&sm->type, text(driver->driver));
        slot_str(&sm->name_label, text(driver->name));
        slot_str(&sm->name_description, text(driver->description));
        slot_str(&sm->vendor, text(driver->vendor));
        slot_str(&sm->copyright, text(driver->copyright));
        slot_str(&sm->version, text(driver->version));
        slot_str(&sm->required_api_version, text(driver->required_api_version));
        slot_map(&sm->configuration, storage_map(sm->configuration->type, &driver->configuration));
        fold_stacks(sm, driver);
        fold_formats(sm, driver);
        fold_features(sm, driver);
}

static bool lists(const StorageQueryResultList *drivers, const SmRow *sm)
{
        for (size_t i = 0; i < drivers->n; i++)
                if (strcmp(text(drivers->items[i].driver), sm->type) == 0)
                        return true;
        return false;
}

static bool collect_ref(const Row *row, void *user)
{
        g_ptr_array_add(user, (void *)str_ref(row->ref));
        return true;
}

static void unref_str(gpointer s)
{
        str_unref(s);
}

static GPtrArray *all_refs(Txn *txn, const Class *class)
{
        GPtrArray *refs = g_ptr_array_new_with_free_func(unref_str);

        txn_each(txn, class, collect_ref, refs);
        return refs;
}

static void delete_others(Txn *txn, const StorageQueryResultList *drivers)
{
        g_autoptr(GPtrArray) refs = all_refs(txn, &CLASS_SM);

        for (guint i = 0; i < refs->len; i++)
                if (!lists(drivers, (const SmRow *)txn_get(txn, &CLASS_SM, refs->pdata[i])))
                        txn_delete(txn, &CLASS_SM, refs->pdata[i]);
}

/* What repositories and volumes allow depends on what their drivers can do. */
static void update_operations(Store *store)
{
        g_autoptr(GPtrArray) refs;
        Txn *txn = txn_begin(store);

        refs = all_refs(txn, &CLASS_SR);
        for (guint i = 0; i < refs->len; i++)
                operation_update(txn, &SR_OPERATION_RULES, refs->pdata[i]);
        txn_commit(txn, NULL, NULL);
        for (guint i = 0; i < refs->len; i++)
                sr_update_volumes(store, refs->pdata[i]);
}

/* Changes whenever an SM object does. */
static uint64_t generation(Store *store)
{
        g_autofree uint64_t *generations = g_new0(uint64_t, model_n_classes);

        store_class_generations(store, generations);
        return generations[CLASS_SM.index];
}

bool storage_drivers_update(Manager *manager)
{
        StorageQueryResultList drivers = { 0 };
        uint64_t before = generation(manager->store);
        StorageError *e = NULL;
        XapiError *error = NULL;
        Txn *txn;

        if (!storage_plugin_list(manager->daemon->bus, STORAGE_CALL_USEC, "drivers", &drivers, &e)) {
                storage_error_free(e);
                return false;
        }
        txn = txn_begin(manager->store);
        for (size_t i = 0; i < drivers.n; i++)
                fold_driver(txn, &drivers.items[i]);
        delete_others(txn, &drivers);
        storage_query_result_list_clear(&drivers);
        if (!txn_commit_wait(txn, &error)) {
                xapi_error_free(error);
                return false;
        }
        if (generation(manager->store) != before)
                update_operations(manager->store);
        return true;
}
