/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-store.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"

struct VmStore {
        Ledger *ledger;
        pthread_mutex_t writers; /* held while the ledger is written; taken before `lock` */
        pthread_mutex_t lock;    /* of by_id */
        GHashTable *by_id;       /* id in the version -> VmConfig */
};

bool vm_id_valid(const char *id)
{
        size_t len = id ? strlen(id) : 0;
        return len > 0 && len <= VM_ID_MAX && id[0] != '.' &&
               strspn(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == len;
}

static VmConfig *vm_config_new(void)
{
        VmConfig *config = g_new0(VmConfig, 1);
        atomic_init(&config->refs, 1);
        return config;
}

static VmConfig *vm_config_copy(const VmConfig *config)
{
        VmConfig *copy = vm_config_new();
        copy->suspended = config->suspended;
        bus_value_copy(&xenops_type_metadata, &copy->metadata, &config->metadata);
        return copy;
}

VmConfig *vm_config_ref(VmConfig *config)
{
        atomic_fetch_add(&config->refs, 1);
        return config;
}

void vm_config_unref(VmConfig *config)
{
        if (!config || atomic_fetch_sub(&config->refs, 1) != 1)
                return;
        xenops_metadata_clear(&config->metadata);
        g_free(config);
}

XenopsVbd *vm_config_vbd(const VmConfig *config, const char *device)
{
        for (size_t i = 0; i < config->metadata.vbds.n; i++)
                if (g_str_equal(config->metadata.vbds.items[i].id.device, device))
                        return &config->metadata.vbds.items[i];
        return NULL;
}

XenopsVif *vm_config_vif(const VmConfig *config, const char *device)
{
        for (size_t i = 0; i < config->metadata.vifs.n; i++)
                if (g_str_equal(config->metadata.vifs.items[i].id.device, device))
                        return &config->metadata.vifs.items[i];
        return NULL;
}

#define KEY_PREFIX "vm/"

typedef char Key[sizeof KEY_PREFIX + VM_ID_MAX];

static void make_key(Key key, const char *id)
{
        g_snprintf(key, sizeof(Key), KEY_PREFIX "%s", id);
}

static int config_write(VmStore *store, const VmConfig *config)
{
        Key key;
        make_key(key, config->metadata.vm.id);
        json_t *json = json_pack("{sb so}", "suspended", config->suspended, "metadata",
                                 xenops_metadata_encode(&config->metadata));
        int r = ledger_put_json(store->ledger, key, json);
        json_decref(json);
        return r;
}

static bool store_load(VmStore *store, const char *key)
{
        json_t *json = NULL;
        BusReason reason;
        VmConfig *config = vm_config_new();
        bool good = ledger_get_json(store->ledger, key, &json) == 0 &&
                    xenops_metadata_decode(json_object_get(json, "metadata"), &config->metadata, &reason) &&
                    g_strcmp0(config->metadata.vm.id, key + strlen(KEY_PREFIX)) == 0;
        config->suspended = json_is_true(json_object_get(json, "suspended"));
        json_decref(json);
        if (good)
                g_hash_table_insert(store->by_id, config->metadata.vm.id, config);
        else
                vm_config_unref(config);
        return good;
}

VmStore *vm_store_new(Ledger *ledger)
{
        VmStore *store = g_new0(VmStore, 1);
        store->ledger = ledger;
        pthread_mutex_init(&store->writers, NULL);
        pthread_mutex_init(&store->lock, NULL);
        store->by_id = g_hash_table_new(g_str_hash, g_str_equal);
        g_auto(GStrv) keys = ledger_keys(ledger, KEY_PREFIX);
        for (char **key = keys; *key; key++)
                if (!store_load(store, *key))
                        log_error("What is known of a VM cannot be read", "KEY", *key, NULL);
        return store;
}

void vm_store_free(VmStore *store)
{
        if (!store)
                return;
        GHashTableIter iter;
        gpointer config;
        g_hash_table_iter_init(&iter, store->by_id);
        while (g_hash_table_iter_next(&iter, NULL, &config))
                vm_config_unref(config);
        g_hash_table_destroy(store->by_id);
        pthread_mutex_destroy(&store->lock);
        pthread_mutex_destroy(&store->writers);
        g_free(store);
}

static VmConfig *store_lookup(VmStore *store, const char *id)
{
        pthread_mutex_lock(&store->lock);
        VmConfig *config = g_hash_table_lookup(store->by_id, id);
        if (config)
                vm_config_ref(config);
        pthread_mutex_unlock(&store->lock);
        return config;
}

VmConfig *vm_store_get(VmStore *store, const char *id, XenopsError **error)
{
        VmConfig *config = store_lookup(store, id);
        if (!config)
                xenops_fail_does_not_exist(error, "VM", id);
        return config;
}

bool vm_store_has(VmStore *store, const char *id)
{
        VmConfig *config = store_lookup(store, id);
        vm_config_unref(config);
        return config;
}

VmConfig **vm_store_list(VmStore *store)
{
        pthread_mutex_lock(&store->lock);
        VmConfig **list = g_new(VmConfig *, g_hash_table_size(store->by_id) + 1);
        size_t n = 0;
        GHashTableIter iter;
        gpointer config;
        g_hash_table_iter_init(&iter, store->by_id);
        while (g_hash_table_iter_next(&iter, NULL, &config))
                list[n++] = vm_config_ref(config);
        list[n] = NULL;
        pthread_mutex_unlock(&store->lock);
        return list;
}

static bool fail_write(const char *id, int r, XenopsError **error)
{
        return xenops_fail_internal(error, "cannot write what is known of VM %s: %s", id, g_strerror(-r));
}

/* With the lock of writers: the version gets its place, which takes it. */
static bool store_put(VmStore *store, VmConfig *config, XenopsError **error)
{
        const char *id = config->metadata.vm.id;
        int r = config_write(store, config);
        if (r < 0) {
                fail_write(id, r, error);
                vm_config_unref(config);
                return false;
        }
        pthread_mutex_lock(&store->lock);
        VmConfig *old = g_hash_table_lookup(store->by_id, id);
        g_hash_table_replace(store->by_id, config->metadata.vm.id, config);
        pthread_mutex_unlock(&store->lock);
        vm_config_unref(old);
        return true;
}

bool vm_store_edit(VmStore *store, const char *id, VmEdit edit, void *data, XenopsError **error)
{
        pthread_mutex_lock(&store->writers);
        auto_vm_config *old = vm_store_get(store, id, error);
        VmConfig *config = old ? vm_config_copy(old) : NULL;
        bool good = config && edit(config, data, error);
        if (good)
                good = store_put(store, config, error);
        else
                vm_config_unref(config);
        pthread_mutex_unlock(&store->writers);
        return good;
}

static bool vm_check(const XenopsVm *vm, XenopsError **error)
{
        if (!vm_id_valid(vm->id))
                return xenops_fail_internal(error, "a VM's id is 1 to %u of A-Z a-z 0-9 . _ -", VM_ID_MAX);
        if (vm->vcpus < 1 || vm->vcpus > vm->vcpu_max)
                return xenops_fail_invalid_vcpus(error, vm->vcpus);
        if (vm->vcpu_max > VM_VCPUS_MAX)
                return xenops_fail_invalid_vcpus(error, vm->vcpu_max);
        if (vm->memory_dynamic_min < 0 || vm->memory_dynamic_min > vm->memory_dynamic_max ||
            vm->memory_dynamic_max > vm->memory_static_max)
                return xenops_fail_internal(error, "0 <= memory_dynamic_min <= memory_dynamic_max <= "
                                                   "memory_static_max does not hold");
        return vm->memory_static_max <= VM_MEMORY_BYTES_MAX ||
               xenops_fail_internal(error, "no VM can have %" PRId64 " bytes of memory",
                                    vm->memory_static_max);
}

bool vm_store_add(VmStore *store, const XenopsVm *vm, XenopsError **error)
{
        if (!vm_check(vm, error))
                return false;
        pthread_mutex_lock(&store->writers);
        auto_vm_config *old = store_lookup(store, vm->id);
        VmConfig *config = old ? vm_config_copy(old) : vm_config_new();
        xenops_vm_clear(&config->metadata.vm);
        bus_value_copy(&xenops_type_vm, &config->metadata.vm, vm);
        bool good = store_put(store, config, error);
        pthread_mutex_unlock(&store->writers);
        return good;
}

static bool device_check(const XenopsVm *vm, const XenopsDeviceId *id, XenopsError **error)
{
        return (g_strcmp0(id->vm, vm->id) == 0 && vm_id_valid(id->device)) ||
               xenops_fail_internal(error, "%s.%s is no device's id of VM %s", id->vm ? id->vm : "",
                                    id->device ? id->device : "", vm->id);
}

#define DEVICES_CHECK(list)                                                                                  \
        do {                                                                                                 \
                if ((list)->n > VM_DEVICES_MAX)                                                              \
                        return xenops_fail_internal(error, "more than %u devices", VM_DEVICES_MAX);          \
                for (size_t i = 0; i < (list)->n; i++)                                                       \
                        if (!device_check(&metadata->vm, &(list)->items[i].id, error))                       \
                                return false;                                                                \
        } while (0)

static bool metadata_check(const XenopsMetadata *metadata, XenopsError **error)
{
        if (!vm_check(&metadata->vm, error))
                return false;
        DEVICES_CHECK(&metadata->vbds);
        DEVICES_CHECK(&metadata->vifs);
        DEVICES_CHECK(&metadata->pcis);
        DEVICES_CHECK(&metadata->vgpus);
        DEVICES_CHECK(&metadata->vusbs);
        return true;
}

bool vm_store_import(VmStore *store, const XenopsMetadata *metadata, XenopsError **error)
{
        if (!metadata_check(metadata, error))
                return false;
        VmConfig *config = vm_config_new();
        bus_value_copy(&xenops_type_metadata, &config->metadata, metadata);
        pthread_mutex_lock(&store->writers);
        auto_vm_config *old = store_lookup(store, metadata->vm.id);
        config->suspended = old && old->suspended;
        bool good = store_put(store, config, error);
        pthread_mutex_unlock(&store->writers);
        return good;
}

bool vm_store_remove(VmStore *store, const char *id, XenopsError **error)
{
        pthread_mutex_lock(&store->writers);
        VmConfig *config = vm_store_get(store, id, error);
        int r = 0;
        if (config) {
                Key key;
                make_key(key, id);
                r = ledger_remove(store->ledger, key);
        }
        bool good = config && r == 0;
        if (good) {
                pthread_mutex_lock(&store->lock);
                g_hash_table_remove(store->by_id, id);
                pthread_mutex_unlock(&store->lock);
                vm_config_unref(config); /* the store's; one more is below */
        } else if (config) {
                fail_write(id, r, error);
        }
        pthread_mutex_unlock(&store->writers);
        vm_config_unref(config);
        return good;
}

char *vm_metadata_text(const XenopsMetadata *metadata)
{
        json_t *json = xenops_metadata_encode(metadata);
        char *text = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        return text;
}

bool vm_metadata_parse(const char *text, XenopsMetadata *ret, XenopsError **error)
{
        BusReason reason;
        json_t *json = json_loads(text, 0, NULL);
        if (!json)
                return xenops_fail_internal(error, "the metadata is no JSON");
        bool good = xenops_metadata_decode(json, ret, &reason);
        json_decref(json);
        return good || xenops_fail_internal(error, "metadata: %s", reason.text);
}
