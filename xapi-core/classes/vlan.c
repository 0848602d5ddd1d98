/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vlan.h"

#include <string.h>

#include "classes.h"
#include "networks.h"
#include "pif.h"

/* ---- create ---- */

static bool check_tag(int64_t tag, XapiError **error)
{
        auto_str text = str_printf("%lld", (long long)tag);

        return (tag >= 0 && tag <= PIF_VLAN_MAX) || xapi_fail(error, ERR_VLAN_TAG_INVALID, text, NULL);
}

static bool check_tagged(Txn *txn, const PifRow *tagged, int64_t tag, XapiError **error)
{
        const char *ref = tagged->row.ref;

        if (!tagged->managed)
                return xapi_fail(error, ERR_PIF_UNMANAGED, ref, NULL);
        if (txn_get(txn, &CLASS_BOND, tagged->bond_slave_of))
                return xapi_fail(error, ERR_CANNOT_ADD_VLAN_TO_BOND_SLAVE, ref, NULL);
        if (!check_tag(tag, error))
                return false;
        if (tagged->VLAN != PIF_NO_VLAN)
                return xapi_fail(error, ERR_PIF_IS_VLAN, ref, NULL);
        if (pif_of_device(txn, tagged->host, tagged->device, tag))
                return xapi_fail(error, ERR_PIF_VLAN_EXISTS, ref, NULL);
        return true;
}

/* The rows that are read are borrowed until the transaction's end. */
static bool check(Txn *txn, const char *tagged_ref, int64_t tag, const char *network_ref,
                  const PifRow **ret_tagged, const NetworkRow **ret_network, XapiError **error)
{
        const NetworkRow *network = (const NetworkRow *)txn_require(txn, &CLASS_NETWORK, network_ref, error);
        const PifRow *tagged =
            network ? (const PifRow *)txn_require(txn, &CLASS_PIF, tagged_ref, error) : NULL;
        const PifRow *other;

        if (!tagged)
                return false;
        if (!network->managed)
                return xapi_fail(error, ERR_NETWORK_UNMANAGED, network_ref, NULL);
        if (!check_tagged(txn, tagged, tag, error))
                return false;
        other = pif_of_network(txn, network, tagged->host);
        if (other)
                return xapi_fail(error, ERR_NETWORK_ALREADY_CONNECTED, tagged->host, other->row.ref, NULL);
        *ret_tagged = tagged;
        *ret_network = network;
        return true;
}

/* What it takes to ask networkd and to make the rows; owned. */
typedef struct Make {
        Call *call;
        Str device, pif, vlan;
        bool plug;
} Make;

static bool insert(Make *m, const char *tagged_ref, int64_t tag, const char *network_ref, XapiError **error)
{
        Txn *txn = txn_begin(m->call->store);
        const NetworkRow *network;
        const PifRow *tagged;
        VlanRow *vlan;
        PifRow *pif;

        if (!check(txn, tagged_ref, tag, network_ref, &tagged, &network, error)) {
                txn_abort(txn);
                return false;
        }
        pif = (PifRow *)row_new(&CLASS_PIF, "");
        slot_str(&pif->device, tagged->device);
        slot_str(&pif->MAC, tagged->MAC);
        slot_str(&pif->host, tagged->host);
        slot_str(&pif->network, network_ref);
        pif->VLAN = tag;
        pif->MTU = network->MTU;
        pif->currently_attached = false;
        pif = pif_insert(txn, pif);
        vlan = (VlanRow *)txn_create(txn, &CLASS_VLAN, NULL, NULL);
        vlan->tag = tag;
        slot_str(&vlan->tagged_PIF, tagged_ref);
        slot_str(&vlan->untagged_PIF, pif->row.ref);
        slot_str(&pif->VLAN_master_of, vlan->row.ref);
        m->pif = str_ref(pif->row.ref);
        m->vlan = str_ref(vlan->row.ref);
        return txn_commit_wait(txn, error);
}

static bool look(Make *m, const char *tagged_ref, int64_t tag, const char *network_ref, XapiError **error)
{
        Txn *txn = txn_begin(m->call->store);
        const NetworkRow *network;
        const PifRow *tagged;
        bool ok = check(txn, tagged_ref, tag, network_ref, &tagged, &network, error);

        if (ok) {
                m->device = str_ref(tagged->device);
                m->plug = tagged->currently_attached;
        }
        txn_abort(txn);
        return ok;
}

/* VLAN_IN_USE [device; tag] where somebody else has it on the host. */
static bool check_host(Make *m, int64_t tag, XapiError **error)
{
        auto_str text = str_printf("%lld", (long long)tag);
        NetworkError *e = NULL;
        bool taken = false;

        if (!network_interface_has_vlan(m->call->manager->daemon->bus, NETWORKD_CALL_USEC, m->call->task,
                                        m->device, tag, &taken, &e))
                return networkd_fail(e, error);
        return !taken || xapi_fail(error, ERR_VLAN_IN_USE, m->device, text, NULL);
}

static void take_back(Make *m)
{
        Txn *txn = txn_begin(m->call->store);
        const PifRow *pif = (const PifRow *)txn_get(txn, &CLASS_PIF, m->pif);

        if (pif)
                pif_delete(txn, pif);
        txn_commit(txn, NULL, NULL);
}

Str vlan_make(Call *call, const char *tagged, int64_t tag, const char *network, Str *ret_vlan,
              XapiError **error)
{
        Make m = { .call = call };
        bool ok;

        networks_lock(call->manager->networks);
        ok = look(&m, tagged, tag, network, error) && check_host(&m, tag, error) &&
             insert(&m, tagged, tag, network, error);
        if (ok && m.plug && !pif_bring_up(call->manager, call->task, m.pif, error)) {
                ok = false;
                take_back(&m);
        }
        networks_unlock(call->manager->networks);
        str_unref(m.device);
        if (ok && ret_vlan)
                *ret_vlan = m.vlan;
        else
                str_unref(m.vlan);
        if (ok)
                return m.pif;
        str_unref(m.pif);
        return NULL;
}

static bool create(Call *call, const VlanCreateParams *p, XapiError **error)
{
        auto_str vlan = NULL;
        auto_str pif = vlan_make(call, p->tagged_PIF, p->tag, p->network, &vlan, error);

        return pif && call_return_str(call, vlan);
}

/* ---- destroy ---- */

/* The ref of the PIF that goes with it, owned; "" where that is gone already. NULL: it must not be. */
static Str check_destroy(Call *call, const char *ref, bool *ret_attached, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const VlanRow *vlan = (const VlanRow *)txn_require(txn, &CLASS_VLAN, ref, error);
        const PifRow *pif = vlan ? (const PifRow *)txn_get(txn, &CLASS_PIF, vlan->untagged_PIF) : NULL;
        bool ok = vlan;
        Str found = NULL;

        if (pif && pif->management)
                ok = xapi_fail(error, ERR_PIF_IS_MANAGEMENT_INTERFACE, pif->row.ref, NULL);
        if (ok && pif && pif->tunnel_transport_PIF_of->n)
                ok = xapi_fail(error, ERR_PIF_TUNNEL_STILL_EXISTS, pif->row.ref, NULL);
        if (ok && pif)
                ok = pif_check_no_vifs(txn, pif, error);
        *ret_attached = pif && pif->currently_attached;
        if (ok)
                found = pif ? str_ref(pif->row.ref) : str_empty();
        txn_abort(txn);
        return found;
}

static bool delete_rows(Call *call, const char *vlan, const char *ref, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const PifRow *pif = (const PifRow *)txn_get(txn, &CLASS_PIF, ref);

        if (pif)
                pif_delete(txn, pif);
        txn_delete(txn, &CLASS_VLAN, vlan);
        return txn_commit_wait(txn, error);
}

bool vlan_destroy(Call *call, const char *vlan, XapiError **error)
{
        bool attached = false, ok;
        auto_str pif = NULL;

        networks_lock(call->manager->networks);
        pif = check_destroy(call, vlan, &attached, error);
        ok = pif && (!attached || pif_bring_down(call->manager, call->task, pif, error)) &&
             delete_rows(call, vlan, pif, error);
        networks_unlock(call->manager->networks);
        return ok;
}

static bool destroy(Call *call, const VlanDestroyParams *p, XapiError **error)
{
        return vlan_destroy(call, p->self, error);
}

const VlanHandlers vlan_handlers = {
        .create = { PLACE_THREAD, create },
        .destroy = { PLACE_THREAD, destroy },
};
