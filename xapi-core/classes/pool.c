/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pool of one host: what needs another host says so. */
#include <time.h>

#include "classes.h"
#include "manager.h"
#include "pif.h"
#include "rows.h"
#include "vlan.h"
#include "xenapi.h"

static bool is_slave(Call *call, const PoolIsSlaveParams *p, XapiError **error)
{
        return true; /* the zero value: no */
}

static bool hello(Call *call, const PoolHelloParams *p, XapiError **error)
{
        call->result.i = HELLO_RETURN_UNKNOWN_HOST;
        return true;
}

/* Every write is durable when it is acknowledged: there is nothing left to sync. */
static bool sync_database(Call *call, const PoolSyncDatabaseParams *p, XapiError **error)
{
        return true;
}

static bool eject(Call *call, const PoolEjectParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        return xapi_fail_internal(error, "Xapi_pool.Cannot_eject_master");
}

static bool designate_new_master(Call *call, const PoolDesignateNewMasterParams *p, XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_HOST, p->host, error); /* it is the coordinator already */
}

static bool disable_ha(Call *call, const PoolDisableHaParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_HA_NOT_ENABLED, NULL);
}

static bool ha_prevent_restarts_for(Call *call, const PoolHaPreventRestartsForParams *p, XapiError **error)
{
        return true; /* without HA nothing is restarted */
}

/* On each host: there is one. */
static bool create_vlan_on(Call *call, const char *pif, int64_t tag, const char *network, XapiError **error)
{
        auto_str made = vlan_make(call, pif, tag, network, NULL, error);

        if (!made)
                return false;
        return call_return(call, (Value){ .set = set_of_strings(call->message->result->element,
                                                                (const char *const[]){ made, NULL }) });
}

static bool create_VLAN(Call *call, const PoolCreateVlanParams *p, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const PifRow *pif = pif_of_device(txn, call->manager->host, p->device, PIF_NO_VLAN);
        auto_str tagged = pif ? str_ref(pif->row.ref) : NULL;

        txn_abort(txn);
        if (!tagged)
                return xapi_fail(error, ERR_INVALID_VALUE, "device", p->device, NULL);
        return create_vlan_on(call, tagged, p->VLAN, p->network, error);
}

static bool create_VLAN_from_PIF(Call *call, const PoolCreateVlanFromPifParams *p, XapiError **error)
{
        return create_vlan_on(call, p->pif, p->VLAN, p->network, error);
}

static bool has_extension(Call *call, const PoolHasExtensionParams *p, XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_POOL, p->self, error);
}

static bool enable_redo_log(Call *call, const PoolEnableRedoLogParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_CANNOT_ENABLE_REDO_LOG,
                         "failed to create a VDI for the redo log on the SR with the given UUID.", NULL);
}

static bool set_vswitch_controller(Call *call, const PoolSetVswitchControllerParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, "host not configured for vswitch operation", NULL);
}

static bool test_archive_target(Call *call, const PoolTestArchiveTargetParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_MESSAGE_REMOVED, NULL);
}

static bool get_license_state(Call *call, const PoolGetLicenseStateParams *p, XapiError **error)
{
        const HostRow *host = (const HostRow *)txn_get(call_txn(call), &CLASS_HOST, call->manager->host);

        if (!txn_require(call->txn, &CLASS_POOL, p->self, error))
                return false;
        SLOT_STRINGS(call->result.map, "edition", host->edition, "expiry", "never");
        return true;
}

const PoolHandlers pool_handlers = {
        .is_slave = { PLACE_LOOP, is_slave },
        .hello = { PLACE_LOOP, hello },
        .sync_database = { PLACE_LOOP, sync_database },
        .eject = { PLACE_LOOP, eject },
        .designate_new_master = { PLACE_LOOP, designate_new_master },
        .disable_ha = { PLACE_LOOP, disable_ha },
        .ha_prevent_restarts_for = { PLACE_LOOP, ha_prevent_restarts_for },
        .create_VLAN = { PLACE_THREAD, create_VLAN },
        .create_VLAN_from_PIF = { PLACE_THREAD, create_VLAN_from_PIF },
        .has_extension = { PLACE_LOOP, has_extension },
        .enable_redo_log = { PLACE_LOOP, enable_redo_log },
        .set_vswitch_controller = { PLACE_LOOP, set_vswitch_controller },
        .test_archive_target = { PLACE_LOOP, test_archive_target },
        .get_license_state = { PLACE_LOOP, get_license_state },
};
