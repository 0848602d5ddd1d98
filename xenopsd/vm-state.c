/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How VMs and their devices are, as clients see it: a VM that is being started or resumed is not there yet, and one that
 * is being restarted never goes away. */
#include "manager.h"

#include <string.h>

#include <glib.h>

#include "vbd.h"

static bool is_coming_up(Manager *manager, const char *vm)
{
        JournalEntry entry = journal_get(manager->journal, vm);
        return entry == JOURNAL_START || entry == JOURNAL_RESUME;
}

static XenopsPowerState power_state(Manager *manager, const VmConfig *config)
{
        const char *vm = config->metadata.vm.id;
        XenopsPowerState without_domain =
            config->suspended ? XENOPS_POWER_STATE_SUSPENDED : XENOPS_POWER_STATE_HALTED;
        JournalEntry entry = journal_get(manager->journal, vm);
        BackendDomain domain;
        if (entry == JOURNAL_START)
                return XENOPS_POWER_STATE_HALTED;
        /* Whoever suspended it and asks whether it is may not throw the image away. */
        if (entry == JOURNAL_RESUME || entry == JOURNAL_SUSPENDED)
                return XENOPS_POWER_STATE_SUSPENDED;
        if (entry == JOURNAL_REBOOT)
                return XENOPS_POWER_STATE_RUNNING;
        if (!manager->backend->operations->stat(manager->backend, vm, &domain))
                return without_domain;
        return domain.paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING;
}

static XenopsDomainType domain_type(const XenopsBuilderInfo *ty)
{
        switch (ty->tag) {
        case XENOPS_BUILDER_INFO_HVM:
                return XENOPS_DOMAIN_TYPE_DOMAIN_HVM;
        case XENOPS_BUILDER_INFO_PV:
                return XENOPS_DOMAIN_TYPE_DOMAIN_PV;
        case XENOPS_BUILDER_INFO_PVINPVH:
                return XENOPS_DOMAIN_TYPE_DOMAIN_PVINPVH;
        case XENOPS_BUILDER_INFO_PVH:
                return XENOPS_DOMAIN_TYPE_DOMAIN_PVH;
        }
        return XENOPS_DOMAIN_TYPE_DOMAIN_UNDEFINED;
}

static bool platform_flag(const XenopsVm *vm, const char *key)
{
        const char *value = bus_dict_get(&vm->platformdata, key);
        return value && (g_str_equal(value, "true") || g_str_equal(value, "1"));
}

void manager_vm_state(Manager *manager, const VmConfig *config, XenopsVmState *ret)
{
        const XenopsVm *vm = &config->metadata.vm;
        *ret = (XenopsVmState){ .power_state = power_state(manager, config),
                                .domain_type = XENOPS_DOMAIN_TYPE_DOMAIN_UNDEFINED };
        if (ret->power_state == XENOPS_POWER_STATE_HALTED || ret->power_state == XENOPS_POWER_STATE_SUSPENDED)
                return;
        ret->domain_type = domain_type(&vm->ty);
        ret->hvm = vm->ty.tag == XENOPS_BUILDER_INFO_HVM;
        ret->nomigrate = platform_flag(vm, "nomigrate");
        ret->nested_virt = platform_flag(vm, "nested-virt");
        ret->shadow_multiplier_target = 1.0;
        ret->vcpu_target = vm->vcpus;
        ret->memory_target = vm->memory_dynamic_max;
        ret->rtc_timeoffset = bus_strdup(ret->hvm ? vm->ty.hvm.timeoffset : NULL);
        ret->featureset = bus_strdup(bus_dict_get(&vm->platformdata, "featureset"));
        bus_dict_copy(&ret->xsdata_state, &vm->xsdata);
        manager->backend->operations->state(manager->backend, vm, ret);
}

void manager_vbd_state(Manager *manager, const XenopsVbd *vbd, XenopsVbdState *ret)
{
        BackendDevice device;
        *ret = (XenopsVbdState){ 0 };
        if (is_coming_up(manager, vbd->id.vm) ||
            !manager->backend->operations->vbd_stat(manager->backend, &vbd->id, &device))
                return;
        ret->active = ret->plugged = true;
        /* What is in the drive may be another disk than the configuration now says. */
        if (device.memo[0] != '\0') {
                const XenopsDisk *disk = vbd->backend;
                if (disk && g_str_equal(vbd_disk_text(disk), device.memo)) {
                        ret->backend_present = xenops_disk_dup(disk);
                } else {
                        XenopsDisk present = { XENOPS_DISK_VDI, { .vdi = device.memo } };
                        if (device.memo[0] == '/')
                                present.tag = XENOPS_DISK_LOCAL;
                        ret->backend_present = xenops_disk_dup(&present);
                }
        }
        g_free(device.memo);
}

void manager_vif_state(Manager *manager, const XenopsVif *vif, XenopsVifState *ret)
{
        BackendDevice device;
        *ret = (XenopsVifState){ 0 };
        if (is_coming_up(manager, vif->id.vm) ||
            !manager->backend->operations->vif_stat(manager->backend, &vif->id, &device))
                return;
        ret->active = ret->plugged = true;
        ret->media_present = device.carrier;
        g_free(device.memo);
}
