/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <time.h>

#include "classes.h"
#include "manager.h"
#include "rows.h"
#include "rpc.h"
#include "xenapi.h"
#include "xenops.h"

#define HOSTNAME_MAX 253 /* bytes, RFC 1035 */

/* ---- clocks ---- */

static bool get_servertime(Call *call, const HostGetServertimeParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        call->result.i = time(NULL);
        return true;
}

static bool get_server_localtime(Call *call, const HostGetServerLocaltimeParams *p, XapiError **error)
{
        time_t now = time(NULL);
        struct tm local;

        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        localtime_r(&now, &local);
        call->result.i = now + local.tm_gmtoff;
        return true;
}

/* ---- whether VMs may start here ---- */

static bool set_enabled(Call *call, const char *ref, bool enabled, XapiError **error)
{
        HostRow *host = (HostRow *)txn_require_edit(call_txn(call), &CLASS_HOST, ref, error);

        if (!host)
                return false;
        host->enabled = enabled;
        host_update_allowed_operations(call->txn, ref);
        return true;
}

static bool host_enable(Call *call, const HostEnableParams *p, XapiError **error)
{
        return set_enabled(call, p->host, true, error);
}

static bool host_disable(Call *call, const HostDisableParams *p, XapiError **error)
{
        return set_enabled(call, p->host, false, error);
}

/* What can be asked of a host in the state that it is in. */
void host_update_allowed_operations(Txn *txn, const char *ref)
{
        HostRow *host = (HostRow *)txn_edit(txn, &CLASS_HOST, ref);
        Value allowed[6];
        size_t n = 0;

        if (host->enabled) {
                allowed[n++].i = HOST_ALLOWED_OPERATIONS_PROVISION;
                allowed[n++].i = HOST_ALLOWED_OPERATIONS_VM_START;
                allowed[n++].i = HOST_ALLOWED_OPERATIONS_VM_RESUME;
                allowed[n++].i = HOST_ALLOWED_OPERATIONS_VM_MIGRATE;
        } else {
                allowed[n++].i = HOST_ALLOWED_OPERATIONS_SHUTDOWN;
                allowed[n++].i = HOST_ALLOWED_OPERATIONS_REBOOT;
        }
        allowed[n++].i = HOST_ALLOWED_OPERATIONS_EVACUATE;
        slot_set(&host->allowed_operations, set_new(host->allowed_operations->element, n, allowed));
}

/* The pool's only host has nowhere to move its VMs to. */
static bool has_guest(const Row *row, void *user)
{
        const VmRow *vm = (const VmRow *)row;
        const VmRow **found = user;

        if (vm->is_control_domain || strcmp(vm->resident_on, NULL_REF) == 0)
                return true;
        *found = vm;
        return false;
}

static bool check_empty(Call *call, const char *ref, XapiError **error)
{
        const VmRow *vm = NULL;

        if (!txn_require(call_txn(call), &CLASS_HOST, ref, error))
                return false;
        txn_each(call->txn, &CLASS_VM, has_guest, &vm);
        return !vm || xapi_fail(error, ERR_NO_HOSTS_AVAILABLE, NULL);
}

static bool evacuate(Call *call, const HostEvacuateParams *p, XapiError **error)
{
        return check_empty(call, p->host, error);
}

static bool assert_can_evacuate(Call *call, const HostAssertCanEvacuateParams *p, XapiError **error)
{
        return check_empty(call, p->host, error);
}

static bool get_vms_which_prevent_evacuation(Call *call, const HostGetVmsWhichPreventEvacuationParams *p,
                                             XapiError **error)
{
        const HostRow *host = (const HostRow *)txn_require(call_txn(call), &CLASS_HOST, p->self, error);

        if (!host)
                return false;
        for (uint32_t i = 0; i < host->resident_VMs->n; i++) {
                const VmRow *vm =
                    (const VmRow *)txn_get(call->txn, &CLASS_VM, host->resident_VMs->items[i].s);
                Set *why;

                if (!vm || vm->is_control_domain)
                        continue;
                why = set_of_strings(call->message->result->element->element,
                                     (const char *const[]){ ERR_NO_HOSTS_AVAILABLE, NULL });
                slot_map(&call->result.map,
                         map_with(call->result.map, (Value){ .s = vm->row.ref }, (Value){ .set = why }));
                set_unref(why);
        }
        return true;
}

static bool get_uncooperative_resident_VMs(Call *call, const HostGetUncooperativeResidentVMsParams *p,
                                           XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_HOST, p->self, error);
}

/* ---- power ---- */

static bool check_disabled(Call *call, const char *ref, XapiError **error)
{
        const HostRow *host = (const HostRow *)txn_require(call_txn(call), &CLASS_HOST, ref, error);

        if (!host)
                return false;
        if (host->enabled)
                return xapi_fail(error, ERR_HOST_NOT_DISABLED, NULL);
        return xapi_fail(error, ERR_NOT_IMPLEMENTED, call->message->name, NULL);
}

static bool host_reboot(Call *call, const HostRebootParams *p, XapiError **error)
{
        return check_disabled(call, p->host, error);
}

static bool host_shutdown(Call *call, const HostShutdownParams *p, XapiError **error)
{
        return check_disabled(call, p->host, error);
}

static bool host_destroy(Call *call, const HostDestroyParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_HOST, p->self, error))
                return false;
        return xapi_fail(error, ERR_HOST_IS_LIVE, p->self, NULL);
}

/* ---- memory ---- */

static bool get_host(Call *call, const char *ref, const HostRow **ret_host,
                     const HostMetricsRow **ret_metrics, XapiError **error)
{
        *ret_host = (const HostRow *)txn_require(call_txn(call), &CLASS_HOST, ref, error);
        if (!*ret_host)
                return false;
        *ret_metrics =
            (const HostMetricsRow *)txn_require(call->txn, &CLASS_HOST_METRICS, (*ret_host)->metrics, error);
        return *ret_metrics;
}

static bool compute_free_memory(Call *call, const HostComputeFreeMemoryParams *p, XapiError **error)
{
        const HostMetricsRow *metrics;
        const HostRow *host;
        int64_t used = 0;

        if (!get_host(call, p->host, &host, &metrics, error))
                return false;
        for (uint32_t i = 0; i < host->resident_VMs->n; i++) {
                const VmRow *vm =
                    (const VmRow *)txn_get(call->txn, &CLASS_VM, host->resident_VMs->items[i].s);

                if (vm)
                        used += vm->memory_dynamic_max;
        }
        call->result.i = MAX(0, metrics->memory_total - used);
        return true;
}

static bool compute_memory_overhead(Call *call, const HostComputeMemoryOverheadParams *p, XapiError **error)
{
        const HostRow *host = (const HostRow *)txn_require(call_txn(call), &CLASS_HOST, p->host, error);

        if (!host)
                return false;
        call->result.i = host->memory_overhead;
        return true;
}

/* ---- names ---- */

static bool set_hostname_live(Call *call, const HostSetHostnameLiveParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        if (!*p->hostname)
                return xapi_fail(error, ERR_HOST_NAME_INVALID, "hostname empty", NULL);
        if (strlen(p->hostname) > HOSTNAME_MAX)
                return xapi_fail(error, ERR_HOST_NAME_INVALID, "hostname is too long", NULL);
        for (const char *c = p->hostname; *c; c++)
                if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.')
                        return xapi_fail(error, ERR_HOST_NAME_INVALID, "hostname contains invalid characters",
                                         NULL);
        return xapi_fail(error, ERR_NOT_IMPLEMENTED, call->message->name, NULL);
}

/* ---- what upstream says it has not ---- */

static bool list_methods(Call *call, const HostListMethodsParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_NOT_IMPLEMENTED, "list_method", NULL);
}

static bool get_log(Call *call, const HostGetLogParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_NOT_IMPLEMENTED, "get_log", NULL);
}

static bool is_in_emergency_mode(Call *call, const HostIsInEmergencyModeParams *p, XapiError **error)
{
        return true; /* the zero value: no */
}

/* ---- plugins ---- */

static bool call_plugin(Call *call, const HostCallPluginParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        return xapi_fail(error, ERR_XENAPI_MISSING_PLUGIN, p->plugin, NULL);
}

/* The call is a document of its own; an extension that is not installed is a method that does not exist. */
static bool call_extension(Call *call, const HostCallExtensionParams *p, XapiError **error)
{
        auto_rpc_request request = { 0 };
        const char *text = p->call + strspn(p->call, " \t\r\n");

        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        if (rpc_parse(*text != '<', p->call, strlen(p->call), &request) != RPC_CALL)
                return xapi_fail_internal(error, "The call is neither XML-RPC nor JSON-RPC");
        return xapi_fail(error, ERR_MESSAGE_METHOD_UNKNOWN, request.method, NULL);
}

static bool get_data_sources(Call *call, const HostGetDataSourcesParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_HOST, p->host, error))
                return false;
        return xapi_fail_internal(error, "rrdd has no data sources yet");
}

static bool has_extension(Call *call, const HostHasExtensionParams *p, XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_HOST, p->host, error);
}

static bool get_management_interface(Call *call, const HostGetManagementInterfaceParams *p, XapiError **error)
{
        const HostRow *host = (const HostRow *)txn_require(call_txn(call), &CLASS_HOST, p->host, error);

        if (!host)
                return false;
        for (uint32_t i = 0; i < host->PIFs->n; i++) {
                const PifRow *pif = (const PifRow *)txn_get(call->txn, &CLASS_PIF, host->PIFs->items[i].s);

                if (pif && pif->management)
                        return call_return_str(call, pif->row.ref);
        }
        return xapi_fail_internal(error, "Not_found");
}

/* All addresses are listened on, so that what changes is what clients are told. */
static bool management_reconfigure(Call *call, const HostManagementReconfigureParams *p, XapiError **error)
{
        const PifRow *pif = (const PifRow *)txn_require(call_txn(call), &CLASS_PIF, p->pif, error);
        HostRow *host;

        if (!pif)
                return false;
        if (!pif->managed)
                return xapi_fail(error, ERR_PIF_UNMANAGED, p->pif, NULL);
        if (!*pif->IP)
                return xapi_fail(error, ERR_PIF_HAS_NO_NETWORK_CONFIGURATION, p->pif, NULL);
        host = (HostRow *)txn_require_edit(call->txn, &CLASS_HOST, pif->host, error);
        if (!host)
                return false;
        for (uint32_t i = 0; i < host->PIFs->n; i++) {
                PifRow *other = (PifRow *)txn_edit(call->txn, &CLASS_PIF, host->PIFs->items[i].s);

                if (other)
                        other->management = strcmp(other->row.ref, p->pif) == 0;
        }
        slot_str(&host->address, pif->IP);
        return true;
}

static bool dmesg(Call *call, const HostDmesgParams *p, XapiError **error)
{
        const Row *host = store_require(call->store, &CLASS_HOST, p->host, error);
        XenopsError *e = NULL;
        char *text = NULL;

        if (!host)
                return false;
        row_unref(host);
        if (!xenops_host_get_console_data(call->manager->daemon->bus, XENOPS_CALL_USEC, call->task, &text,
                                          &e))
                return xenops_fail("", e, error);
        str_set(&call->result.s, text);
        free(text);
        return true;
}

const HostHandlers host_handlers = {
        .get_servertime = { PLACE_LOOP, get_servertime },
        .get_server_localtime = { PLACE_LOOP, get_server_localtime },
        .enable = { PLACE_LOOP, host_enable },
        .disable = { PLACE_LOOP, host_disable },
        .evacuate = { PLACE_LOOP, evacuate },
        .assert_can_evacuate = { PLACE_LOOP, assert_can_evacuate },
        .get_vms_which_prevent_evacuation = { PLACE_LOOP, get_vms_which_prevent_evacuation },
        .get_uncooperative_resident_VMs = { PLACE_LOOP, get_uncooperative_resident_VMs },
        .reboot = { PLACE_LOOP, host_reboot },
        .shutdown = { PLACE_LOOP, host_shutdown },
        .destroy = { PLACE_LOOP, host_destroy },
        .compute_free_memory = { PLACE_LOOP, compute_free_memory },
        .compute_memory_overhead = { PLACE_LOOP, compute_memory_overhead },
        .set_hostname_live = { PLACE_LOOP, set_hostname_live },
        .list_methods = { PLACE_LOOP, list_methods },
        .get_log = { PLACE_LOOP, get_log },
        .is_in_emergency_mode = { PLACE_LOOP, is_in_emergency_mode },
        .call_plugin = { PLACE_LOOP, call_plugin },
        .call_extension = { PLACE_LOOP, call_extension },
        .get_data_sources = { PLACE_LOOP, get_data_sources },
        .has_extension = { PLACE_LOOP, has_extension },
        .get_management_interface = { PLACE_LOOP, get_management_interface },
        .management_reconfigure = { PLACE_LOOP, management_reconfigure },
        .dmesg = { PLACE_THREAD, dmesg },
};
