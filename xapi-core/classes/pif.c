/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pif.h"

#include <string.h>
#include <sys/socket.h>

#include "classes.h"
#include "ip-address.h"
#include "mac.h"
#include "networks.h"
#include "vlan.h"

/* ---- checks ---- */

static bool check_free(Txn *txn, const PifRow *pif, XapiError **error)
{
        if (pif->management)
                return xapi_fail(error, ERR_PIF_IS_MANAGEMENT_INTERFACE, pif->row.ref, NULL);
        if (pif->disallow_unplug)
                return xapi_fail(error, ERR_PIF_DOES_NOT_ALLOW_UNPLUG, pif->row.ref, NULL);
        return pif_check_no_vifs(txn, pif, error);
}

/* With the lock of networks, so that it stays so. */
static bool check(Call *call, const char *ref,
                  bool (*function)(Txn *txn, const PifRow *pif, XapiError **error), XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const PifRow *pif = (const PifRow *)txn_require(txn, &CLASS_PIF, ref, error);
        bool ok = pif && function(txn, pif, error);

        txn_abort(txn);
        return ok;
}

static bool check_managed(Txn *txn, const PifRow *pif, XapiError **error)
{
        return pif->managed || xapi_fail(error, ERR_PIF_UNMANAGED, pif->row.ref, NULL);
}

static bool check_plug(Txn *txn, const PifRow *pif, XapiError **error)
{
        if (txn_get(txn, &CLASS_BOND, pif->bond_slave_of))
                return xapi_fail(error, ERR_CANNOT_PLUG_BOND_SLAVE, pif->row.ref, NULL);
        return check_managed(txn, pif, error);
}

static bool check_unplug(Txn *txn, const PifRow *pif, XapiError **error)
{
        return check_managed(txn, pif, error) && check_free(txn, pif, error);
}

static bool check_forget(Txn *txn, const PifRow *pif, XapiError **error)
{
        if (!pif->physical)
                return xapi_fail(error, ERR_PIF_IS_NOT_PHYSICAL, pif->row.ref, NULL);
        if (txn_get(txn, &CLASS_BOND, pif->bond_slave_of))
                return xapi_fail(error, ERR_PIF_ALREADY_BONDED, pif->row.ref, NULL);
        if (pif->VLAN_slave_of->n)
                return xapi_fail(error, ERR_PIF_VLAN_STILL_EXISTS, pif->row.ref, NULL);
        if (pif->tunnel_transport_PIF_of->n)
                return xapi_fail(error, ERR_PIF_TUNNEL_STILL_EXISTS, pif->row.ref, NULL);
        return check_free(txn, pif, error);
}

/* ---- plug, unplug ---- */

static bool plug(Call *call, const PifPlugParams *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        bool ok;

        networks_lock(networks);
        ok = check(call, p->self, check_plug, error) &&
             pif_bring_up(call->manager, call->task, p->self, error);
        networks_unlock(networks);
        return ok;
}

static bool unplug(Call *call, const PifUnplugParams *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        bool ok;

        networks_lock(networks);
        ok = check(call, p->self, check_unplug, error) &&
             pif_bring_down(call->manager, call->task, p->self, error);
        networks_unlock(networks);
        return ok;
}

/* ---- introduce, scan, forget ---- */

static bool is_this_host(Call *call, const char *ref, XapiError **error)
{
        const Row *host = store_require(call->store, &CLASS_HOST, ref, error);

        if (host)
                row_unref(host);
        return host;
}

static bool introduce(Call *call, const PifIntroduceParams *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        auto_str ref = NULL;

        if (!is_this_host(call, p->host, error))
                return false;
        if (*p->MAC && !mac_is_valid(p->MAC))
                return xapi_fail(error, ERR_MAC_INVALID, p->MAC, NULL);
        networks_lock(networks);
        ref = pif_introduce(call->manager, call->task, p->device, p->MAC, p->managed, error);
        networks_unlock(networks);
        return ref && call_return_str(call, ref);
}

static bool scan(Call *call, const PifScanParams *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        bool ok;

        if (!is_this_host(call, p->host, error))
                return false;
        networks_lock(networks);
        ok = pif_scan(call->manager, call->task, NULL, error);
        networks_unlock(networks);
        if (ok)
                pifs_refresh(call->manager);
        return ok;
}

static bool drop_row(Call *call, const char *ref, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const PifRow *pif = (const PifRow *)txn_require(txn, &CLASS_PIF, ref, error);

        if (!pif) {
                txn_abort(txn);
                return false;
        }
        pif_delete(txn, pif);
        return txn_commit_wait(txn, error);
}

static bool is_attached(Call *call, const char *ref)
{
        const PifRow *pif = STORE_GET(PifRow, CLASS_PIF, call->store, ref);
        bool attached = pif && pif->currently_attached && pif->managed;

        if (pif)
                row_unref(&pif->row);
        return attached;
}

static bool forget(Call *call, const PifForgetParams *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        bool ok;

        networks_lock(networks);
        ok = check(call, p->self, check_forget, error) &&
             (!is_attached(call, p->self) || pif_bring_down(call->manager, call->task, p->self, error)) &&
             drop_row(call, p->self, error);
        networks_unlock(networks);
        return ok;
}

static bool db_forget(Call *call, const PifDbForgetParams *p, XapiError **error)
{
        const PifRow *pif = (const PifRow *)txn_require(call_txn(call), &CLASS_PIF, p->self, error);

        if (pif)
                pif_delete(call->txn, pif);
        return pif;
}

/* ---- addresses ---- */

static bool fail_address(const char *field, XapiError **error)
{
        return xapi_fail(error, ERR_INVALID_IP_ADDRESS_SPECIFIED, field, NULL);
}

static bool check_dns(const char *list, XapiError **error)
{
        g_auto(GStrv) servers = g_strsplit(list, ",", -1);

        for (char **server = servers; *list && *server; server++)
                if (!ip_address_is_valid(AF_INET, g_strstrip(*server)) &&
                    !ip_address_is_valid(AF_INET6, *server))
                        return fail_address("DNS", error);
        return true;
}

/* Ones, then zeros. */
static bool netmask_is_valid(const char *text)
{
        unsigned a, b, c, d;
        uint32_t mask;

        if (!ip_address_is_valid(AF_INET, text) || sscanf(text, "%u.%u.%u.%u", &a, &b, &c, &d) != 4)
                return false;
        mask = a << 24 | b << 16 | c << 8 | d;
        return (~mask & (~mask + 1)) == 0;
}

static bool check_ipv4(const PifReconfigureIpParams *p, XapiError **error)
{
        if (p->mode == IP_CONFIGURATION_MODE_STATIC) {
                if (!ip_address_is_valid(AF_INET, p->IP))
                        return fail_address("IP", error);
                if (!netmask_is_valid(p->netmask))
                        return fail_address("netmask", error);
        }
        if (*p->gateway && !ip_address_is_valid(AF_INET, p->gateway))
                return fail_address("gateway", error);
        return check_dns(p->DNS, error);
}

static bool check_ipv6(const PifReconfigureIpv6Params *p, XapiError **error)
{
        if (p->mode == IPV6_CONFIGURATION_MODE_STATIC && !ip_cidr_is_valid(AF_INET6, p->IPv6))
                return fail_address("IPv6", error);
        if (*p->gateway && !ip_address_is_valid(AF_INET6, p->gateway))
                return fail_address("gateway", error);
        return check_dns(p->DNS, error);
}

static void set_ipv4(PifRow *pif, const void *data)
{
        const PifReconfigureIpParams *p = data;
        bool is_static = p->mode == IP_CONFIGURATION_MODE_STATIC;

        pif->ip_configuration_mode = p->mode;
        slot_str(&pif->IP, is_static ? p->IP : "");
        slot_str(&pif->netmask, is_static ? p->netmask : "");
        slot_str(&pif->gateway, is_static ? p->gateway : "");
        slot_str(&pif->DNS, p->DNS);
}

static void set_ipv6(PifRow *pif, const void *data)
{
        const PifReconfigureIpv6Params *p = data;
        bool is_static = p->mode == IPV6_CONFIGURATION_MODE_STATIC;

        pif->ipv6_configuration_mode = p->mode;
        slot_set(&pif->IPv6, is_static
                                 ? set_of_strings(pif->IPv6->element, (const char *const[]){ p->IPv6, NULL })
                                 : set_empty(pif->IPv6->element));
        slot_str(&pif->ipv6_gateway, is_static ? p->gateway : "");
        if (*p->DNS)
                slot_str(&pif->DNS, p->DNS);
}

/* The row as it was before, owned; NULL: it is not changed. */
static PifRow *change_row(Call *call, const char *ref, void (*set)(PifRow *pif, const void *data),
                          const void *data, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        PifRow *pif = (PifRow *)txn_require_edit(txn, &CLASS_PIF, ref, error), *old;

        if (!pif) {
                txn_abort(txn);
                return NULL;
        }
        old = (PifRow *)row_copy(&pif->row);
        set(pif, data);
        if (txn_commit_wait(txn, error))
                return old;
        row_unref(&old->row);
        return NULL;
}

static void set_back(PifRow *pif, const void *data)
{
        const PifRow *old = data;

        pif->ip_configuration_mode = old->ip_configuration_mode;
        pif->ipv6_configuration_mode = old->ipv6_configuration_mode;
        slot_str(&pif->IP, old->IP);
        slot_str(&pif->netmask, old->netmask);
        slot_str(&pif->gateway, old->gateway);
        slot_str(&pif->ipv6_gateway, old->ipv6_gateway);
        slot_str(&pif->DNS, old->DNS);
        slot_set(&pif->IPv6, set_ref(old->IPv6));
}

/* In the row, and where the PIF is plugged on the host; what networkd cannot do is taken back. */
static bool reconfigure(Call *call, const char *ref, void (*set)(PifRow *pif, const void *data),
                        const void *data, XapiError **error)
{
        XapiError *ignored = NULL;
        PifRow *old;
        bool ok;

        if (!check(call, ref, check_managed, error))
                return false;
        old = change_row(call, ref, set, data, error);
        if (!old)
                return false;
        ok = !old->currently_attached || pif_bring_up(call->manager, call->task, ref, error);
        if (!ok) {
                PifRow *failed = change_row(call, ref, set_back, old, &ignored);

                if (failed)
                        row_unref(&failed->row);
                xapi_error_free(ignored);
        }
        row_unref(&old->row);
        return ok;
}

static bool reconfigure_ip(Call *call, const PifReconfigureIpParams *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        bool ok;

        if (!check_ipv4(p, error))
                return false;
        networks_lock(networks);
        ok = reconfigure(call, p->self, set_ipv4, p, error);
        networks_unlock(networks);
        if (ok)
                pifs_refresh(call->manager);
        return ok;
}

static bool reconfigure_ipv6(Call *call, const PifReconfigureIpv6Params *p, XapiError **error)
{
        Networks *networks = call->manager->networks;
        bool ok;

        if (!check_ipv6(p, error))
                return false;
        networks_lock(networks);
        ok = reconfigure(call, p->self, set_ipv6, p, error);
        networks_unlock(networks);
        if (ok)
                pifs_refresh(call->manager);
        return ok;
}

static bool set_primary_address_type(Call *call, const PifSetPrimaryAddressTypeParams *p, XapiError **error)
{
        PifRow *pif = (PifRow *)txn_require_edit(call_txn(call), &CLASS_PIF, p->self, error);

        if (!pif)
                return false;
        if (pif->management && pif->primary_address_type != p->primary_address_type)
                return xapi_fail(error, ERR_PIF_IS_MANAGEMENT_INTERFACE, p->self, NULL);
        pif->primary_address_type = p->primary_address_type;
        return true;
}

static bool set_disallow_unplug(Call *call, const PifSetDisallowUnplugParams *p, XapiError **error)
{
        PifRow *pif = (PifRow *)txn_require_edit(call_txn(call), &CLASS_PIF, p->self, error);

        if (pif)
                pif->disallow_unplug = p->value;
        return pif;
}

/* ---- VLANs by their older names ---- */

static bool create_VLAN(Call *call, const PifCreateVlanParams *p, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const PifRow *pif = txn_require(txn, &CLASS_HOST, p->host, error)
                                ? pif_of_device(txn, p->host, p->device, PIF_NO_VLAN)
                                : NULL;
        auto_str tagged = pif ? str_ref(pif->row.ref) : NULL, made = NULL;

        txn_abort(txn);
        if (!tagged)
                return !*error ? xapi_fail(error, ERR_INVALID_VALUE, "device", p->device, NULL) : false;
        made = vlan_make(call, tagged, p->VLAN, p->network, NULL, error);
        return made && call_return_str(call, made);
}

static bool destroy(Call *call, const PifDestroyParams *p, XapiError **error)
{
        const PifRow *pif = (const PifRow *)store_require(call->store, &CLASS_PIF, p->self, error);
        bool ok = pif && (pif->VLAN != PIF_NO_VLAN || xapi_fail(error, ERR_PIF_IS_PHYSICAL, p->self, NULL)) &&
                  vlan_destroy(call, pif->VLAN_master_of, error);

        if (pif)
                row_unref(&pif->row);
        return ok;
}

const PifHandlers pif_handlers = {
        .create_VLAN = { PLACE_THREAD, create_VLAN },
        .db_forget = { PLACE_LOOP, db_forget },
        .destroy = { PLACE_THREAD, destroy },
        .forget = { PLACE_THREAD, forget },
        .introduce = { PLACE_THREAD, introduce },
        .plug = { PLACE_THREAD, plug },
        .reconfigure_ip = { PLACE_THREAD, reconfigure_ip },
        .reconfigure_ipv6 = { PLACE_THREAD, reconfigure_ipv6 },
        .scan = { PLACE_THREAD, scan },
        .set_disallow_unplug = { PLACE_LOOP, set_disallow_unplug },
        .set_primary_address_type = { PLACE_LOOP, set_primary_address_type },
        .unplug = { PLACE_THREAD, unplug },
};
