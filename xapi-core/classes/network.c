/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "blob.h"
#include "classes.h"
#include "manager.h"
#include "networks.h"
#include "rows.h"
#include "xenapi.h"

#define BRIDGE_NAME_MAX 15 /* bytes: IFNAMSIZ less the NUL */
#define MTU_USUAL       1500

/* ---- bridges ---- */

static bool has_bridge(const Row *row, void *user)
{
        const char **wanted = user;

        if (strcmp(((const NetworkRow *)row)->bridge, *wanted) != 0)
                return true;
        *wanted = NULL;
        return false;
}

static bool bridge_taken(Txn *txn, const char *name)
{
        txn_each(txn, &CLASS_NETWORK, has_bridge, &name);
        return !name;
}

/* Of the host's own interfaces. */
static bool has_reserved_prefix(const char *name)
{
        static const char *const PREFIXES[] = { "xen", "xapi", "vif", "tap", "eth" };

        for (size_t i = 0; i < G_N_ELEMENTS(PREFIXES); i++)
                if (g_str_has_prefix(name, PREFIXES[i]))
                        return true;
        return false;
}

static bool bridge_is_valid(const char *name)
{
        size_t n = strlen(name);

        return n <= BRIDGE_NAME_MAX && !has_reserved_prefix(name) && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0 &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static bool choose_bridge(Txn *txn, NetworkRow *network, XapiError **error)
{
        if (*network->bridge) {
                if (!bridge_is_valid(network->bridge))
                        return xapi_fail(error, ERR_INVALID_VALUE, "bridge", network->bridge, NULL);
                if (bridge_taken(txn, network->bridge))
                        return xapi_fail(error, ERR_BRIDGE_NAME_EXISTS, network->bridge, NULL);
                return true;
        }
        for (size_t i = 0;; i++) {
                g_autofree char *name = g_strdup_printf("xapi%zu", i);

                if (bridge_taken(txn, name))
                        continue;
                slot_str(&network->bridge, name);
                return true;
        }
}

/* ---- create, destroy ---- */

static bool create(Call *call, const NetworkCreateParams *p, XapiError **error)
{
        NetworkRow *network = (NetworkRow *)row_copy(p->args);

        slot_str(&network->uuid, "");
        if (network->MTU <= 0)
                network->MTU = MTU_USUAL;
        if (!choose_bridge(call_txn(call), network, error)) {
                row_unref(&network->row);
                return false;
        }
        network = (NetworkRow *)txn_insert(call->txn, &network->row);
        return call_return_str(call, network->row.ref);
}

/* The refs of the interfaces that are plugged into it, borrowed from the rows; owned (g_ptr_array_unref). */
static GPtrArray *plugged(Txn *txn, const NetworkRow *network)
{
        GPtrArray *refs = g_ptr_array_new();

        for (uint32_t i = 0; i < network->VIFs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, network->VIFs->items[i].s);

                if (vif && vif->currently_attached)
                        g_ptr_array_add(refs, (gpointer)network->VIFs->items[i].s);
        }
        return refs;
}

/* Every one of them is named in the error. */
static bool check_unused(Txn *txn, const NetworkRow *network, XapiError **error)
{
        g_autoptr(GPtrArray) refs = plugged(txn, network);
        const char *code = ERR_NETWORK_CONTAINS_VIF;

        if (refs->len == 0) {
                code = ERR_NETWORK_CONTAINS_PIF;
                for (uint32_t i = 0; i < network->PIFs->n; i++)
                        g_ptr_array_add(refs, (gpointer)network->PIFs->items[i].s);
        }
        if (refs->len == 0)
                return true;
        *error = xapi_error_new_array(code, refs->len, (const char *const *)refs->pdata);
        return false;
}

/* Interfaces that are not plugged go with their network. */
static bool destroy(Call *call, const NetworkDestroyParams *p, XapiError **error)
{
        const NetworkRow *network =
            (const NetworkRow *)txn_require(call_txn(call), &CLASS_NETWORK, p->self, error);
        Set *vifs;

        if (!network || !check_unused(call->txn, network, error))
                return false;
        if (network->managed)
                networks_note_bridge(call->manager->networks, network->bridge);
        vifs = set_ref(network->VIFs);
        for (uint32_t i = 0; i < vifs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(call->txn, &CLASS_VIF, vifs->items[i].s);

                txn_delete(call->txn, &CLASS_VIF_METRICS, vif->metrics);
                txn_delete(call->txn, &CLASS_VIF, vifs->items[i].s);
        }
        set_unref(vifs);
        blobs_delete(call->txn, network->blobs);
        txn_delete(call->txn, &CLASS_NETWORK, p->self);
        return true;
}

/* ---- the rest ---- */

static bool set_default_locking_mode(Call *call, const NetworkSetDefaultLockingModeParams *p,
                                     XapiError **error)
{
        NetworkRow *network =
            (NetworkRow *)txn_require_edit(call_txn(call), &CLASS_NETWORK, p->network, error);

        if (!network)
                return false;
        g_autoptr(GPtrArray) vifs = plugged(call->txn, network);
        if (vifs->len > 0)
                return xapi_fail(error, ERR_VIF_IN_USE, p->network, vifs->pdata[0], NULL);
        network->default_locking_mode = p->value;
        return true;
}

/* The bridge stays until something that used it is gone. */
static bool attach(Call *call, const NetworkAttachParams *p, XapiError **error)
{
        const Row *host = store_require(call->store, &CLASS_HOST, p->host, error);
        bool ok = host && networks_hold(call->manager->networks, call->task, p->network, error);

        if (ok)
                networks_release(call->manager->networks, p->network);
        if (host)
                row_unref(host);
        return ok;
}

typedef struct Purpose {
        int64_t wanted;
        bool found;
} Purpose;

static bool has_purpose(const Row *row, void *user)
{
        Purpose *purpose = user;

        purpose->found = set_contains(((const NetworkRow *)row)->purpose, (Value){ .i = purpose->wanted });
        return !purpose->found;
}

/* Encrypted and open access to disks exclude each other, on one network and between networks. */
static bool check_purpose(Txn *txn, int64_t purpose, XapiError **error)
{
        Purpose other = { .wanted = purpose == NETWORK_PURPOSE_NBD ? NETWORK_PURPOSE_INSECURE_NBD
                                                                   : NETWORK_PURPOSE_NBD };

        txn_each(txn, &CLASS_NETWORK, has_purpose, &other);
        return !other.found ||
               xapi_fail(error, ERR_NETWORK_INCOMPATIBLE_PURPOSES, ENUM_NETWORK_PURPOSE.values[purpose],
                         ENUM_NETWORK_PURPOSE.values[other.wanted], NULL);
}

static bool add_purpose(Call *call, const NetworkAddPurposeParams *p, XapiError **error)
{
        NetworkRow *network = (NetworkRow *)txn_require_edit(call_txn(call), &CLASS_NETWORK, p->self, error);

        if (!network)
                return false;
        if (set_contains(network->purpose, (Value){ .i = p->value }))
                return true;
        if (!check_purpose(call->txn, p->value, error))
                return false;
        slot_set(&network->purpose, set_with(network->purpose, (Value){ .i = p->value }));
        return true;
}

static bool remove_purpose(Call *call, const NetworkRemovePurposeParams *p, XapiError **error)
{
        NetworkRow *network = (NetworkRow *)txn_require_edit(call_txn(call), &CLASS_NETWORK, p->self, error);

        if (!network)
                return false;
        slot_set(&network->purpose, set_without(network->purpose, (Value){ .i = p->value }));
        return true;
}

static bool create_new_blob(Call *call, const NetworkCreateNewBlobParams *p, XapiError **error)
{
        NetworkRow *network =
            (NetworkRow *)txn_require_edit(call_txn(call), &CLASS_NETWORK, p->network, error);
        auto_str blob =
            network ? blob_create(call->txn, &network->blobs, p->name, p->mime_type, p->public, error) : NULL;

        if (!blob)
                return false;
        return call_return_str(call, blob);
}

const NetworkHandlers network_handlers = {
        .create = { PLACE_LOOP, create },
        .destroy = { PLACE_LOOP, destroy },
        .set_default_locking_mode = { PLACE_LOOP, set_default_locking_mode },
        .attach = { PLACE_THREAD, attach },
        .add_purpose = { PLACE_LOOP, add_purpose },
        .remove_purpose = { PLACE_LOOP, remove_purpose },
        .create_new_blob = { PLACE_LOOP, create_new_blob },
};
