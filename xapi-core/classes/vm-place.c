/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a VM can run: what it needs, and what a host has of it. */
#include "rows.h"
#include "vm-handlers.h"
#include "vm-memory.h"
#include "xenapi.h"

/* ---- what a VM needs ---- */

/* Calls function for the SR of each of its disks and media; false from it ends the walk. */
static bool each_sr(Txn *txn, const VmRow *vm,
                    bool (*function)(Txn *txn, const VmRow *vm, const SrRow *sr, void *data), void *data)
{
        for (uint32_t i = 0; i < vm->VBDs->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vm->VBDs->items[i].s);
                const VdiRow *vdi = vbd ? (const VdiRow *)txn_get(txn, &CLASS_VDI, vbd->VDI) : NULL;
                const SrRow *sr = vdi ? (const SrRow *)txn_get(txn, &CLASS_SR, vdi->SR) : NULL;

                if (sr && !vbd->empty && !function(txn, vm, sr, data))
                        return false;
        }
        return true;
}

static bool attached_on(Txn *txn, const SrRow *sr, const char *host)
{
        for (uint32_t i = 0; i < sr->PBDs->n; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s);

                if (pbd && pbd->currently_attached && strcmp(pbd->host, host) == 0)
                        return true;
        }
        return false;
}

/* A network without interfaces of a host's is one between its guests, and is everywhere. */
static bool reaches(Txn *txn, const NetworkRow *network, const char *host)
{
        for (uint32_t i = 0; i < network->PIFs->n; i++) {
                const PifRow *pif = (const PifRow *)txn_get(txn, &CLASS_PIF, network->PIFs->items[i].s);

                if (pif && strcmp(pif->host, host) == 0)
                        return true;
        }
        return network->PIFs->n == 0;
}

/* ---- assert_can_boot_here, get_possible_hosts ---- */

typedef struct Place {
        const HostRow *host;
        XapiError **error;
} Place;

static bool check_sr(Txn *txn, const VmRow *vm, const SrRow *sr, void *data)
{
        Place *place = data;

        return attached_on(txn, sr, place->host->row.ref) ||
               xapi_fail(place->error, ERR_VM_REQUIRES_SR, vm->row.ref, sr->row.ref, NULL);
}

static bool check_networks(Txn *txn, const VmRow *vm, Place *place)
{
        for (uint32_t i = 0; i < vm->VIFs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, vm->VIFs->items[i].s);
                const NetworkRow *network =
                    vif ? (const NetworkRow *)txn_get(txn, &CLASS_NETWORK, vif->network) : NULL;

                if (network && !reaches(txn, network, place->host->row.ref))
                        return xapi_fail(place->error, ERR_VM_REQUIRES_NETWORK, vm->row.ref, network->row.ref,
                                         NULL);
        }
        return true;
}

static bool check_platform(const VmRow *vm, Place *place)
{
        const Set *versions = place->host->virtual_hardware_platform_versions;
        g_autoptr(GString) offered = g_string_new("");
        auto_str wanted = str_printf("%lld", (long long)vm->hardware_platform_version);

        if (set_contains(versions, (Value){ .i = vm->hardware_platform_version }))
                return true;
        for (uint32_t i = 0; i < versions->n; i++)
                g_string_append_printf(offered, "%s%lld", i ? "; " : "", (long long)versions->items[i].i);
        return xapi_fail(place->error, ERR_VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION,
                         place->host->row.ref, offered->str, vm->row.ref, wanted, NULL);
}

static bool has_hvm(const HostRow *host)
{
        for (uint32_t i = 0; i < host->capabilities->n; i++)
                if (g_str_has_prefix(host->capabilities->items[i].s, "hvm"))
                        return true;
        return false;
}

bool vm_check_place(Txn *txn, const VmRow *vm, const HostRow *host, XapiError **error)
{
        Place place = { host, error };

        if (!host->enabled)
                return xapi_fail(error, ERR_HOST_DISABLED, host->row.ref, NULL);
        if (!check_platform(vm, &place))
                return false;
        if (vm->domain_type == DOMAIN_TYPE_HVM && !has_hvm(host))
                return xapi_fail(error, ERR_VM_HVM_REQUIRED, vm->row.ref, NULL);
        return each_sr(txn, vm, check_sr, &place) && check_networks(txn, vm, &place);
}

/* Whether the host is big enough at all; what is free of it is known when the VM starts. */
static bool check_memory(Txn *txn, const VmRow *vm, const HostRow *host, XapiError **error)
{
        const HostMetricsRow *metrics =
            (const HostMetricsRow *)txn_get(txn, &CLASS_HOST_METRICS, host->metrics);
        int64_t overhead =
            vm_memory_overhead_bytes(vm->memory_static_max, vm->VCPUs_max, vm->HVM_shadow_multiplier);
        auto_str needed = NULL, total = NULL;

        if (!metrics ||
            (overhead <= metrics->memory_total && vm->memory_dynamic_min <= metrics->memory_total - overhead))
                return true;
        needed = str_printf("%lld", (long long)vm->memory_dynamic_min);
        total = str_printf("%lld", (long long)metrics->memory_total);
        return xapi_fail(error, ERR_HOST_NOT_ENOUGH_FREE_MEMORY, needed, total, NULL);
}

static bool can_boot(Txn *txn, const VmRow *vm, const HostRow *host, XapiError **error)
{
        return vm_check_place(txn, vm, host, error) && check_memory(txn, vm, host, error);
}

bool vm_assert_can_boot_here(Call *call, const VmAssertCanBootHereParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->self, error);
        const HostRow *host =
            vm ? (const HostRow *)txn_require(call->txn, &CLASS_HOST, p->host, error) : NULL;

        return host && can_boot(call->txn, vm, host, error);
}

typedef struct Candidates {
        Txn *txn;
        const VmRow *vm;
        Set *hosts; /* owned */
} Candidates;

static bool try_host(const Row *row, void *data)
{
        Candidates *c = data;
        XapiError *error = NULL;

        if (can_boot(c->txn, c->vm, (const HostRow *)row, &error))
                slot_set(&c->hosts, set_with(c->hosts, (Value){ .s = row->ref }));
        xapi_error_free(error);
        return true;
}

bool vm_get_possible_hosts(Call *call, const VmGetPossibleHostsParams *p, XapiError **error)
{
        Candidates c = { .txn = call_txn(call),
                         .vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->vm, error) };

        if (!c.vm)
                return false;
        c.hosts = set_empty(call->message->result->element);
        txn_each(call->txn, &CLASS_HOST, try_host, &c);
        return call_return(call, (Value){ .set = c.hosts });
}

/* ---- assert_agile ---- */

typedef struct Everywhere {
        Txn *txn;
        const SrRow *sr;
        const NetworkRow *network;
        bool yes;
} Everywhere;

static bool is_on_host(const Row *host, void *data)
{
        Everywhere *e = data;

        e->yes = e->sr ? attached_on(e->txn, e->sr, host->ref) : reaches(e->txn, e->network, host->ref);
        return e->yes;
}

static bool check_shared_sr(Txn *txn, const VmRow *vm, const SrRow *sr, void *data)
{
        Everywhere e = { .txn = txn, .sr = sr };

        if (sr->shared)
                txn_each(txn, &CLASS_HOST, is_on_host, &e);
        return e.yes || xapi_fail(data, ERR_HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED, sr->row.ref, NULL);
}

static bool check_shared_networks(Txn *txn, const VmRow *vm, XapiError **error)
{
        for (uint32_t i = 0; i < vm->VIFs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, vm->VIFs->items[i].s);
                Everywhere e = { .txn = txn };

                e.network = vif ? (const NetworkRow *)txn_get(txn, &CLASS_NETWORK, vif->network) : NULL;
                if (!e.network)
                        continue;
                txn_each(txn, &CLASS_HOST, is_on_host, &e);
                if (!e.yes)
                        return xapi_fail(error, ERR_HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED,
                                         e.network->row.ref, NULL);
        }
        return true;
}

bool vm_assert_agile(Call *call, const VmAssertAgileParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->self, error);

        return vm && each_sr(call->txn, vm, check_shared_sr, error) &&
               check_shared_networks(call->txn, vm, error);
}

/* ---- recovery: the session's pool is this one ---- */

static bool add_sr(Txn *txn, const VmRow *vm, const SrRow *sr, void *data)
{
        Set **srs = data;

        slot_set(srs, set_with(*srs, (Value){ .s = sr->row.ref }));
        return true;
}

void vm_add_required_srs(Txn *txn, const VmRow *vm, Set **srs)
{
        each_sr(txn, vm, add_sr, srs);
}

static bool is_attached(Txn *txn, const SrRow *sr)
{
        for (uint32_t i = 0; i < sr->PBDs->n; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s);

                if (pbd && pbd->currently_attached)
                        return true;
        }
        return false;
}

static bool require_sr(Txn *txn, const VmRow *vm, const SrRow *sr, void *data)
{
        return is_attached(txn, sr) || xapi_fail(data, ERR_VM_REQUIRES_SR, vm->row.ref, sr->row.ref, NULL);
}

bool vm_check_recoverable(Txn *txn, const VmRow *vm, XapiError **error)
{
        return each_sr(txn, vm, require_sr, error);
}

bool vm_get_SRs_required_for_recovery(Call *call, const VmGetSRsRequiredForRecoveryParams *p,
                                      XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->self, error);
        Set *srs;

        if (!vm)
                return false;
        srs = set_empty(call->message->result->element);
        vm_add_required_srs(call->txn, vm, &srs);
        return call_return(call, (Value){ .set = srs });
}

bool vm_assert_can_be_recovered(Call *call, const VmAssertCanBeRecoveredParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (txn_get(call->txn, &CLASS_VM_APPLIANCE, vm->appliance))
                return xapi_fail(error, ERR_VM_IS_PART_OF_AN_APPLIANCE, p->self, vm->appliance, NULL);
        return vm_check_recoverable(call->txn, vm, error);
}
