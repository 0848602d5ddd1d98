/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xenopsd says of a VM, put into the rows. */
#include <string.h>

#include "device-number.h"
#include "manager.h"
#include "networks.h"
#include "operations.h"
#include "rows.h"
#include "xenapi.h"
#include "xenops-internal.h"

static int64_t power_state(XenopsPowerState state)
{
        switch (state) {
        case XENOPS_POWER_STATE_RUNNING:
                return VM_POWER_STATE_RUNNING;
        case XENOPS_POWER_STATE_PAUSED:
                return VM_POWER_STATE_PAUSED;
        case XENOPS_POWER_STATE_SUSPENDED:
                return VM_POWER_STATE_SUSPENDED;
        case XENOPS_POWER_STATE_HALTED:
                break;
        }
        return VM_POWER_STATE_HALTED;
}

static int64_t domain_type(XenopsDomainType type)
{
        switch (type) {
        case XENOPS_DOMAIN_TYPE_DOMAIN_HVM:
                return DOMAIN_TYPE_HVM;
        case XENOPS_DOMAIN_TYPE_DOMAIN_PV:
                return DOMAIN_TYPE_PV;
        case XENOPS_DOMAIN_TYPE_DOMAIN_PVINPVH:
                return DOMAIN_TYPE_PV_IN_PVH;
        case XENOPS_DOMAIN_TYPE_DOMAIN_PVH:
                return DOMAIN_TYPE_PVH;
        case XENOPS_DOMAIN_TYPE_DOMAIN_UNDEFINED:
                break;
        }
        return DOMAIN_TYPE_UNSPECIFIED;
}

bool xenops_is_live(int64_t power_state)
{
        return power_state == VM_POWER_STATE_RUNNING || power_state == VM_POWER_STATE_PAUSED;
}

/* ---- what the guest says ---- */

/* Each domain has guest metrics of its own. */
static void fold_guest(Txn *txn, VmRow *vm, const XenopsVmState *state, bool new_domain)
{
        VmGuestMetricsRow *guest =
            (VmGuestMetricsRow *)txn_edit(txn, &CLASS_VM_GUEST_METRICS, vm->guest_metrics);

        if (new_domain && guest) {
                txn_delete(txn, &CLASS_VM_GUEST_METRICS, vm->guest_metrics);
                guest = NULL;
        }
        if (!guest) {
                guest = (VmGuestMetricsRow *)txn_create(txn, &CLASS_VM_GUEST_METRICS, NULL, NULL);
                slot_str(&vm->guest_metrics, guest->row.ref);
        }
        xenops_fold_guest(guest, state);
}

/* ---- the VM ---- */

/* No two domains of a VM started at the same time, so that whoever looks at it sees each restart. */
static int64_t start_time(const VmMetricsRow *metrics, const XenopsVmState *state, bool new_domain)
{
        int64_t said = (int64_t)state->last_start_time;

        if (!metrics->start_time)
                return said;
        return new_domain ? MAX(said, metrics->start_time + 1) : metrics->start_time;
}

static void fold_metrics(Txn *txn, VmRow *vm, const XenopsVmState *state, bool is_live, bool new_domain)
{
        VmMetricsRow *metrics = (VmMetricsRow *)txn_edit(txn, &CLASS_VM_METRICS, vm->metrics);

        if (!metrics)
                return;
        metrics->VCPUs_number = is_live ? state->vcpu_target : 0;
        metrics->current_domain_type = is_live ? domain_type(state->domain_type) : DOMAIN_TYPE_UNSPECIFIED;
        metrics->hvm = is_live && state->hvm;
        metrics->nomigrate = is_live && state->nomigrate;
        metrics->nested_virt = is_live && state->nested_virt;
        metrics->memory_actual = is_live ? state->memory_actual : 0;
        metrics->start_time = is_live ? start_time(metrics, state, new_domain) : 0;
}

/* ---- consoles ---- */

static bool has_console(const XenopsVmState *state, int64_t protocol)
{
        for (size_t i = 0; i < state->consoles.n; i++)
                if (protocol == (state->consoles.items[i].protocol == XENOPS_CONSOLE_PROTOCOL_RFB
                                     ? CONSOLE_PROTOCOL_RFB
                                     : CONSOLE_PROTOCOL_VT100))
                        return true;
        return false;
}

static void make_console(Txn *txn, Manager *manager, const VmRow *vm, int64_t protocol)
{
        const HostRow *host = (const HostRow *)txn_get(txn, &CLASS_HOST, manager->host);
        ConsoleRow *console = (ConsoleRow *)txn_create(txn, &CLASS_CONSOLE, NULL, NULL);
        g_autofree char *location =
            g_strdup_printf("https://%s/console?uuid=%s", host ? host->address : "", console->uuid);

        slot_str(&console->VM, vm->row.ref);
        slot_str(&console->location, location);
        console->protocol = protocol;
        console->port = -1;
}

/* One object for each protocol, which lives as long as the domain has it. */
static void fold_consoles(Txn *txn, Manager *manager, VmRow *vm, const XenopsVmState *state, bool is_live)
{
        static const int64_t PROTOCOLS[] = { CONSOLE_PROTOCOL_RFB, CONSOLE_PROTOCOL_VT100 };
        bool there[G_N_ELEMENTS(PROTOCOLS)] = { false };
        Set *consoles = set_ref(vm->consoles);

        for (uint32_t i = 0; i < consoles->n; i++) {
                const ConsoleRow *c = (const ConsoleRow *)txn_get(txn, &CLASS_CONSOLE, consoles->items[i].s);
                bool keep = false;

                for (size_t k = 0; c && is_live && k < G_N_ELEMENTS(PROTOCOLS); k++)
                        if (c->protocol == PROTOCOLS[k] && !there[k] && has_console(state, c->protocol))
                                keep = there[k] = true;
                if (c && !keep)
                        txn_delete(txn, &CLASS_CONSOLE, consoles->items[i].s);
        }
        for (size_t k = 0; k < G_N_ELEMENTS(PROTOCOLS); k++)
                if (is_live && !there[k] && has_console(state, PROTOCOLS[k]))
                        make_console(txn, manager, vm, PROTOCOLS[k]);
        set_unref(consoles);
}

static void fold_vm(Txn *txn, Manager *manager, VmRow *vm, const XenopsVmState *state)
{
        int64_t new_state = power_state(state->power_state);
        int64_t domid =
            xenops_is_live(new_state) && state->domids.n ? state->domids.items[state->domids.n - 1] : -1;
        bool new_domain = xenops_is_live(new_state) && domid != vm->domid;

        vm->power_state = new_state;
        vm->domid = domid;
        slot_str(&vm->resident_on, xenops_is_live(new_state) ? manager->host : NULL_REF);
        slot_str(&vm->scheduled_to_be_resident_on, NULL_REF);
        if (xenops_is_live(new_state))
                fold_guest(txn, vm, state, new_domain);
        fold_metrics(txn, vm, state, xenops_is_live(new_state), new_domain);
        fold_consoles(txn, manager, vm, state, xenops_is_live(new_state));
}

/* ---- devices ---- */

/* NULL: it is not plugged. */
static const XenopsVbdState *plugged_vbd(const XenopsReport *r, const char *device)
{
        for (size_t i = 0; i < r->vbds.n; i++) {
                const XenopsVbdState *state = &r->vbds.items[i].state;

                if (strcmp(r->vbds.items[i].vbd.id.device, device) == 0)
                        return state->plugged || state->active ? state : NULL;
        }
        return NULL;
}

static bool plugged_vif(const XenopsReport *r, const char *device)
{
        for (size_t i = 0; i < r->vifs.n; i++)
                if (strcmp(r->vifs.items[i].vif.id.device, device) == 0)
                        return r->vifs.items[i].state.plugged || r->vifs.items[i].state.active;
        return false;
}

/* What the guest sees, which stays known when the disk is unplugged. */
static void name_device(VbdRow *vbd)
{
        char name[DEVICE_NAME_SIZE];
        DeviceNumber number;

        if (!device_number_parse(vbd->userdevice, &number))
                return;
        device_number_name(&number, name);
        slot_str(&vbd->device, name);
}

static bool is_at(const VdiRow *vdi, const char *location)
{
        return vdi && strcmp(xenops_location(vdi), location) == 0;
}

/* What xenopsd names "SR/VDI", borrowed; NULL: there is no such object. Looks at every VDI of the SR, but at `likely` first. */
static const char *vdi_named(Txn *txn, const char *name, const char *likely)
{
        const char *slash = strchr(name, '/');
        g_autofree char *uuid = slash ? g_strndup(name, (gsize)(slash - name)) : NULL;
        const SrRow *sr = uuid ? (const SrRow *)txn_get_by_uuid(txn, &CLASS_SR, uuid) : NULL;
        const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, likely);

        if (sr && is_at(vdi, slash + 1) && strcmp(vdi->SR, sr->row.ref) == 0)
                return vdi->row.ref;
        for (uint32_t i = 0; sr && i < sr->VDIs->n; i++) {
                vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, sr->VDIs->items[i].s);
                if (is_at(vdi, slash + 1))
                        return vdi->row.ref;
        }
        return NULL;
}

/* Of a drive: whoever changed a disc may have died before it was written down. */
static void fold_medium(Txn *txn, VbdRow *vbd, const XenopsDisk *present)
{
        auto_str old = str_ref(vbd->VDI);
        const char *vdi = !present                          ? NULL_REF
                          : present->tag == XENOPS_DISK_VDI ? vdi_named(txn, present->vdi, old)
                                                            : NULL;

        if (!vdi || (strcmp(vdi, old) == 0 && vbd->empty == !present))
                return;
        vbd->empty = !present;
        slot_str(&vbd->VDI, vdi);
        operation_update(txn, &VDI_OPERATION_RULES, old);
}

static void fold_vbd(Txn *txn, VbdRow *vbd, const XenopsVbdState *state)
{
        vbd->currently_attached = state != NULL;
        if (state && vbd->type == VBD_TYPE_CD)
                fold_medium(txn, vbd, state->backend_present);
        if (state && !vbd->empty)
                name_device(vbd);
        operation_update(txn, &VBD_OPERATION_RULES, vbd->row.ref);
        operation_update(txn, &VDI_OPERATION_RULES, vbd->VDI);
}

static void fold_devices(Txn *txn, Manager *manager, const VmRow *vm, const XenopsReport *r)
{
        for (uint32_t i = 0; i < vm->VBDs->n; i++) {
                VbdRow *vbd = (VbdRow *)txn_edit(txn, &CLASS_VBD, vm->VBDs->items[i].s);

                fold_vbd(txn, vbd, xenops_is_live(vm->power_state) ? plugged_vbd(r, vbd->userdevice) : NULL);
        }
        for (uint32_t i = 0; i < vm->VIFs->n; i++) {
                VifRow *vif = (VifRow *)txn_edit(txn, &CLASS_VIF, vm->VIFs->items[i].s);
                bool before = vif->currently_attached;

                vif->currently_attached = xenops_is_live(vm->power_state) && plugged_vif(r, vif->device);
                if (!xenops_is_live(vm->power_state) || (before && !vif->currently_attached))
                        networks_note(manager->networks, vif->network);
                operation_update(txn, &VIF_OPERATION_RULES, vif->row.ref);
        }
}

void xenops_fold(Txn *txn, Manager *manager, const char *ref, const XenopsReport *report)
{
        static const XenopsVmState HALTED = { .power_state = XENOPS_POWER_STATE_HALTED };
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, ref);

        if (!vm || vm->is_control_domain)
                return;
        /* A suspended VM is no domain: that it is suspended is ours to know. */
        if (!report->known && vm->power_state == VM_POWER_STATE_SUSPENDED)
                return;
        fold_vm(txn, manager, vm, report->known ? &report->vm.state : &HALTED);
        fold_devices(txn, manager, vm, report);
        operation_update(txn, &VM_OPERATION_RULES, ref);
}
