/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows to what xenopsd is told. The structs made here borrow the rows' text; only what is allocated here is freed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device-number.h"
#include "json-text.h"
#include "manager.h"
#include "pif.h"
#include "scheduler-params.h"
#include "vm.h"
#include "xenapi.h"
#include "xenops-internal.h"

#define VIF_KBPS_MAX (INT64_C(1) << 32) /* more than any wire has */

static char *borrowed(const char *text)
{
        return (char *)text;
}

static BusDict dict_of(const Map *map)
{
        BusDict d = { .n = map->n, .items = g_new0(BusPair, map->n + 1) };

        for (uint32_t i = 0; i < map->n; i++)
                d.items[i] = (BusPair){ borrowed(map->entries[i].key.s), borrowed(map->entries[i].value.s) };
        return d;
}

/* Only these keys are the guest's to read. */
#define XENSTORE_DATA_PREFIX "vm-data"

static BusDict xenstore_data(const VmRow *vm)
{
        const Map *map = vm->xenstore_data;
        BusDict d = { .items = g_new0(BusPair, map->n + 1) };

        for (uint32_t i = 0; i < map->n; i++)
                if (g_str_has_prefix(map->entries[i].key.s, XENSTORE_DATA_PREFIX))
                        d.items[d.n++] =
                            (BusPair){ borrowed(map->entries[i].key.s), borrowed(map->entries[i].value.s) };
        return d;
}

/* ---- the VM ---- */

static void describe_hvm(const VmRow *vm, XenopsHvmInfo *ret)
{
        const char *order = map_get_str(vm->HVM_boot_params, "order");
        const char *firmware = map_get_str(vm->HVM_boot_params, "firmware");

        ret->hap = true;
        ret->shadow_multiplier = isfinite(vm->HVM_shadow_multiplier) ? vm->HVM_shadow_multiplier : 1.0;
        ret->timeoffset = borrowed("");
        ret->video_mib = 8;
        ret->video.tag = XENOPS_VIDEO_CARD_STANDARD_VGA;
        ret->acpi = true;
        ret->boot_order = borrowed(order ? order : "cd");
        if (firmware && strcmp(firmware, "uefi") == 0) {
                ret->firmware.tag = XENOPS_FIRMWARE_UEFI;
                ret->firmware.uefi.backend = borrowed("xapidb");
        }
}

static void describe_pv(const VmRow *vm, XenopsPvInfo *ret)
{
        bool direct = *vm->PV_kernel;

        ret->framebuffer = true;
        ret->vncterm = true;
        ret->boot.tag = direct ? XENOPS_PV_BOOT_DIRECT : XENOPS_PV_BOOT_INDIRECT;
        if (direct) {
                ret->boot.direct.kernel = borrowed(vm->PV_kernel);
                ret->boot.direct.cmdline = borrowed(vm->PV_args);
                ret->boot.direct.ramdisk = *vm->PV_ramdisk ? borrowed(vm->PV_ramdisk) : NULL;
                return;
        }
        ret->boot.indirect.bootloader = borrowed(vm->PV_bootloader);
        ret->boot.indirect.extra_args = borrowed(vm->PV_args);
        ret->boot.indirect.legacy_args = borrowed(vm->PV_legacy_args);
        ret->boot.indirect.bootloader_args = borrowed(vm->PV_bootloader_args);
}

static void describe_type(const VmRow *vm, XenopsBuilderInfo *ret)
{
        switch (vm->domain_type) {
        case DOMAIN_TYPE_HVM:
                ret->tag = XENOPS_BUILDER_INFO_HVM;
                describe_hvm(vm, &ret->hvm);
                break;
        case DOMAIN_TYPE_PVH:
                ret->tag = XENOPS_BUILDER_INFO_PVH;
                describe_pv(vm, &ret->pvh);
                break;
        case DOMAIN_TYPE_PV_IN_PVH:
                ret->tag = XENOPS_BUILDER_INFO_PVINPVH;
                describe_pv(vm, &ret->pvinpvh);
                break;
        default:
                ret->tag = XENOPS_BUILDER_INFO_PV;
                describe_pv(vm, &ret->pv);
                break;
        }
}

static XenopsAction RESTART[] = { XENOPS_ACTION_START }, END[] = { XENOPS_ACTION_SHUTDOWN },
                    KEEP[] = { XENOPS_ACTION_PAUSE }, SOFT[] = { XENOPS_ACTION_SOFTREBOOT },
                    DUMP_AND_END[] = { XENOPS_ACTION_COREDUMP, XENOPS_ACTION_SHUTDOWN },
                    DUMP_AND_RESTART[] = { XENOPS_ACTION_COREDUMP, XENOPS_ACTION_START };

static XenopsActionList action(XenopsAction *only)
{
        return (XenopsActionList){ .n = 1, .items = only };
}

static XenopsActionList on_crash(int64_t behaviour)
{
        switch (behaviour) {
        case ON_CRASH_BEHAVIOUR_DESTROY:
                return action(END);
        case ON_CRASH_BEHAVIOUR_COREDUMP_AND_DESTROY:
                return (XenopsActionList){ .n = G_N_ELEMENTS(DUMP_AND_END), .items = DUMP_AND_END };
        case ON_CRASH_BEHAVIOUR_COREDUMP_AND_RESTART:
                return (XenopsActionList){ .n = G_N_ELEMENTS(DUMP_AND_RESTART), .items = DUMP_AND_RESTART };
        case ON_CRASH_BEHAVIOUR_PRESERVE:
                return action(KEEP);
        default:
                return action(RESTART);
        }
}

static XenopsActionList after_exit(int64_t behaviour)
{
        return action(behaviour == ON_NORMAL_EXIT_RESTART ? RESTART : END);
}

static void describe_vm(Manager *m, const VmRow *vm, XenopsVm *ret)
{
        *ret = (XenopsVm){
                .id = borrowed(vm->uuid),
                .name = borrowed(vm->name_label),
                .xsdata = xenstore_data(vm),
                .platformdata = dict_of(vm->platform),
                .bios_strings = dict_of(vm->bios_strings),
                .memory_static_max = vm->memory_static_max,
                .memory_dynamic_max = vm->memory_dynamic_max,
                .memory_dynamic_min = vm->memory_dynamic_min,
                .vcpu_max = vm->VCPUs_max,
                .vcpus = vm->VCPUs_at_startup,
                .on_crash = on_crash(vm->actions_after_crash),
                .on_shutdown = after_exit(vm->actions_after_shutdown),
                .on_reboot = after_exit(vm->actions_after_reboot),
                .on_softreboot = action(SOFT),
                .pci_msitranslate = true,
                .has_vendor_device = vm->has_vendor_device,
                .generation_id = borrowed(vm->generation_id),
        };

        describe_type(vm, &ret->ty);
        const HostRow *host = STORE_GET(HostRow, CLASS_HOST, m->store, m->host);
        scheduler_params_read(vm->VCPUs_params, host ? host->guest_VCPUs_params : NULL, vm->VCPUs_max,
                              &ret->scheduler_params);
        if (host)
                row_unref(&host->row);
}

static void described_vm_clear(XenopsVm *v)
{
        g_free(v->xsdata.items);
        g_free(v->platformdata.items);
        g_free(v->bios_strings.items);
        xenops_scheduler_params_clear(&v->scheduler_params);
}

bool xenops_set_on_crash(Xenops *x, const VmRow *vm, XapiError **error)
{
        Bus *bus = xenops_manager(x)->daemon->bus;
        XenopsVmStat stat = { 0 };
        XenopsActionList said;
        XenopsError *e = NULL;
        char *id = NULL;
        bool ok;

        if (!xenops_vm_stat(bus, XENOPS_CALL_USEC, "on-crash", vm->uuid, &stat, &e))
                return xenops_fail(vm->row.ref, e, error);
        said = stat.vm.on_crash;
        stat.vm.on_crash = on_crash(vm->actions_after_crash);
        ok = xenops_vm_add(bus, XENOPS_CALL_USEC, "on-crash", &stat.vm, &id, &e) ||
             xenops_fail(vm->row.ref, e, error);
        stat.vm.on_crash = said;
        xenops_vm_stat_clear(&stat);
        free(id);
        return ok;
}

bool xenops_set_xenstore_data(Xenops *x, const VmRow *vm, char **ret_task, XapiError **error)
{
        BusDict data = xenstore_data(vm);
        XenopsError *e = NULL;
        bool ok = xenops_vm_set_xsdata(xenops_manager(x)->daemon->bus, XENOPS_CALL_USEC, "xsdata", vm->uuid,
                                       &data, ret_task, &e);

        g_free(data.items);
        return ok || xenops_fail(vm->row.ref, e, error);
}

/* ---- devices ---- */

XenopsDeviceId xenops_device(const char *vm_uuid, const char *device)
{
        return (XenopsDeviceId){ borrowed(vm_uuid), borrowed(device) };
}

/* "SR uuid/VDI location", as both xenopsd and sm-daemon know a disk. Returns owned (g_free), or NULL. */
const char *xenops_location(const VdiRow *vdi)
{
        return *vdi->location ? vdi->location : vdi->uuid;
}

char *xenops_disk_of_vdi(Store *store, const char *vdi_ref)
{
        const VdiRow *vdi = STORE_GET(VdiRow, CLASS_VDI, store, vdi_ref);
        const SrRow *sr = vdi ? STORE_GET(SrRow, CLASS_SR, store, vdi->SR) : NULL;
        char *text = sr ? g_strdup_printf("%s/%s", sr->uuid, xenops_location(vdi)) : NULL;

        if (vdi)
                row_unref(&vdi->row);
        if (sr)
                row_unref(&sr->row);
        return text;
}

/* A guest with emulated devices boots from an IDE disk; the others see Xen's. */
static XenopsDeviceNumber position_of(const VmRow *vm, const char *userdevice)
{
        static const XenopsBusType BUSES[] = { [DEVICE_BUS_XEN] = XENOPS_BUS_TYPE_XEN,
                                               [DEVICE_BUS_SCSI] = XENOPS_BUS_TYPE_SCSI,
                                               [DEVICE_BUS_IDE] = XENOPS_BUS_TYPE_IDE };
        DeviceNumber n = { 0 };

        device_number_parse(userdevice, &n);
        if (n.bus == DEVICE_BUS_XEN && vm->domain_type == DOMAIN_TYPE_HVM && n.disk < 4)
                n.bus = DEVICE_BUS_IDE;
        return (XenopsDeviceNumber){ .bus = BUSES[n.bus], .disk = n.disk, .partition = n.partition };
}

typedef struct DescribedVbd {
        XenopsVbd vbd;
        XenopsDisk disk;
        XenopsDeviceNumber position;
} DescribedVbd;

static void describe_vbd(Manager *m, const VmRow *vm, const VbdRow *vbd, DescribedVbd *ret)
{
        char *vdi = xenops_disk_of_vdi(m->store, vbd->VDI);

        ret->disk = (XenopsDisk){ .tag = XENOPS_DISK_VDI, .vdi = vdi };
        ret->position = position_of(vm, vbd->userdevice);
        ret->vbd = (XenopsVbd){
                .id = xenops_device(vm->uuid, vbd->userdevice),
                .position = &ret->position,
                .mode = vbd->mode == VBD_MODE_RO ? XENOPS_VBD_MODE_READ_ONLY : XENOPS_VBD_MODE_READ_WRITE,
                .backend = vdi ? &ret->disk : NULL,
                .ty = vbd->type == VBD_TYPE_CD
                          ? XENOPS_VBD_TYPE_CDROM
                          : (vbd->type == VBD_TYPE_FLOPPY ? XENOPS_VBD_TYPE_FLOPPY : XENOPS_VBD_TYPE_DISK),
                .unpluggable = vbd->unpluggable,
                .persistent = true,
        };
}

static void described_vbd_clear(DescribedVbd *d)
{
        g_free(d->disk.vdi);
}

bool xenops_describe_vbd(Xenops *x, Manager *m, const VmRow *vm, const VbdRow *vbd, XapiError **error)
{
        DescribedVbd d;
        XenopsDeviceId id = { 0 };
        XenopsError *e = NULL;
        bool ok;

        describe_vbd(m, vm, vbd, &d);
        ok = xenops_vbd_add(m->daemon->bus, XENOPS_CALL_USEC, "add", &d.vbd, &id, &e);
        xenops_device_id_clear(&id);
        described_vbd_clear(&d);
        return ok || xenops_fail(vm->row.ref, e, error);
}

static int64_t locking_mode(const VifRow *vif, const NetworkRow *network)
{
        if (vif->locking_mode != VIF_LOCKING_MODE_NETWORK_DEFAULT)
                return vif->locking_mode;
        return network && network->default_locking_mode == NETWORK_DEFAULT_LOCKING_MODE_DISABLED
                   ? VIF_LOCKING_MODE_DISABLED
                   : VIF_LOCKING_MODE_UNLOCKED;
}

static void describe_locking(const VifRow *vif, const NetworkRow *network, XenopsVif *v)
{
        switch (locking_mode(vif, network)) {
        case VIF_LOCKING_MODE_DISABLED:
                v->locking_mode.tag = XENOPS_LOCKING_MODE_DISABLED;
                break;
        case VIF_LOCKING_MODE_LOCKED:
                v->locking_mode.tag = XENOPS_LOCKING_MODE_LOCKED;
                v->locking_mode.locked.ipv4.n = vif->ipv4_allowed->n;
                v->locking_mode.locked.ipv4.items = (char **)vif->ipv4_allowed->items;
                v->locking_mode.locked.ipv6.n = vif->ipv6_allowed->n;
                v->locking_mode.locked.ipv6.items = (char **)vif->ipv6_allowed->items;
                break;
        default:
                v->locking_mode.tag = XENOPS_LOCKING_MODE_UNLOCKED;
                break;
        }
}

/* The network's, unless the interface is to differ; what is no number that can be is as if it were not there. */
static int64_t mtu_of(const VifRow *vif, const NetworkRow *network)
{
        const char *text = map_get_str(vif->other_config, "mtu");
        gint64 mtu;

        if (text && g_ascii_string_to_signed(text, 10, NETWORKD_MTU_MIN, NETWORKD_MTU_MAX, &mtu, NULL))
                return mtu;
        return network ? networkd_mtu(network) : 0;
}

/* *ret_rate is what the interface's rate points to. */
static void describe_rate(const VifRow *vif, XenopsVif *v, XenopsRate *ret_rate)
{
        const char *kbps = map_get_str(vif->qos_algorithm_params, "kbps");
        gint64 n;

        if (strcmp(vif->qos_algorithm_type, "ratelimit") != 0)
                return;
        if (!kbps || !g_ascii_string_to_signed(kbps, 10, 1, VIF_KBPS_MAX, &n, NULL)) {
                log_warning("An interface's limit is no number", "XAPI_VIF", vif->uuid, NULL);
                return;
        }
        *ret_rate = (XenopsRate){ .kbytes_per_s = n };
        v->rate = ret_rate;
}

/* Borrows the row of the network. */
static void describe_vif(const VmRow *vm, const VifRow *vif, const NetworkRow *network, XenopsRate *rate,
                         XenopsVif *ret)
{
        *ret = (XenopsVif){
                .id = xenops_device(vm->uuid, vif->device),
                .position = (int64_t)g_ascii_strtoll(vif->device, NULL, 10),
                .mac = borrowed(vif->MAC),
                .carrier = true,
                .mtu = mtu_of(vif, network),
                .backend = { .tag = XENOPS_NETWORK_LOCAL, .local = borrowed(network ? network->bridge : "") },
                .other_config = dict_of(vif->other_config),
        };
        describe_locking(vif, network, ret);
        describe_rate(vif, ret, rate);
}

bool xenops_describe_vif(Xenops *x, Manager *m, const VmRow *vm, const VifRow *vif, XapiError **error)
{
        const NetworkRow *network = STORE_GET(NetworkRow, CLASS_NETWORK, m->store, vif->network);
        XenopsVif v;
        XenopsRate rate;
        XenopsDeviceId id = { 0 };
        XenopsError *e = NULL;
        bool ok;

        describe_vif(vm, vif, network, &rate, &v);
        ok = xenops_vif_add(m->daemon->bus, XENOPS_CALL_USEC, "add", &v, &id, &e);
        xenops_device_id_clear(&id);
        g_free(v.other_config.items);
        if (network)
                row_unref(&network->row);
        return ok || xenops_fail(vm->row.ref, e, error);
}

bool xenops_set_locking(Xenops *x, const VmRow *vm, const VifRow *vif, char **ret_task, XapiError **error)
{
        XenopsDeviceId id = xenops_device(vm->uuid, vif->device);
        Manager *m = xenops_manager(x);
        const NetworkRow *network = STORE_GET(NetworkRow, CLASS_NETWORK, m->store, vif->network);
        XenopsVif v = { 0 };
        XenopsError *e = NULL;
        bool ok;

        describe_locking(vif, network, &v);
        ok = xenops_vif_set_locking_mode(m->daemon->bus, XENOPS_CALL_USEC, "locking", &id, &v.locking_mode,
                                         ret_task, &e);
        if (network)
                row_unref(&network->row);
        return ok || xenops_fail(vm->row.ref, e, error);
}

/* ---- all of it ---- */

static void collect_vbds(Manager *m, const VmRow *vm, XenopsVbdList *ret)
{
        for (uint32_t i = 0; i < vm->VBDs->n; i++) {
                const VbdRow *vbd = STORE_GET(VbdRow, CLASS_VBD, m->store, vm->VBDs->items[i].s);
                DescribedVbd d;

                if (!vbd)
                        continue;
                /* Without emulated devices there is no drive before there is a medium. */
                if (!vbd->empty || vm->domain_type == DOMAIN_TYPE_HVM) {
                        describe_vbd(m, vm, vbd, &d);
                        bus_value_copy(&xenops_type_vbd, BUS_LIST_ADD(ret), &d.vbd);
                        described_vbd_clear(&d);
                }
                row_unref(&vbd->row);
        }
}

static void collect_vifs(Manager *m, const VmRow *vm, XenopsVifList *ret)
{
        for (uint32_t i = 0; i < vm->VIFs->n; i++) {
                const VifRow *vif = STORE_GET(VifRow, CLASS_VIF, m->store, vm->VIFs->items[i].s);
                const NetworkRow *network =
                    vif ? STORE_GET(NetworkRow, CLASS_NETWORK, m->store, vif->network) : NULL;
                XenopsVif v;
                XenopsRate rate;

                if (!vif)
                        continue;
                describe_vif(vm, vif, network, &rate, &v);
                bus_value_copy(&xenops_type_vif, BUS_LIST_ADD(ret), &v);
                g_free(v.other_config.items);
                row_unref(&vif->row);
                if (network)
                        row_unref(&network->row);
        }
}

/* Returns owned (free). */
static char *metadata_text(Manager *m, const VmRow *vm)
{
        XenopsMetadata metadata = { 0 };
        XenopsVm v;
        auto_buffer text = { 0 };

        describe_vm(m, vm, &v);
        bus_value_copy(&xenops_type_vm, &metadata.vm, &v);
        described_vm_clear(&v);
        collect_vbds(m, vm, &metadata.vbds);
        collect_vifs(m, vm, &metadata.vifs);
        json_t *json = xenops_metadata_encode(&metadata);
        json_text_write(&text, json);
        json_decref(json);
        xenops_metadata_clear(&metadata);
        return buffer_steal(&text);
}

/* Devices that xenopsd still knows from an earlier start, but that are no longer the VM's, go with what it knew. */
bool xenops_describe(Xenops *x, const char *vm_ref, XapiError **error)
{
        Manager *m = xenops_manager(x);
        const VmRow *vm = (const VmRow *)store_require(m->store, &CLASS_VM, vm_ref, error);
        XenopsError *e = NULL;
        char *text, *id = NULL;
        bool ok;

        if (!vm)
                return false;
        text = metadata_text(m, vm);
        row_unref(&vm->row);
        while (!(ok = xenops_vm_import_metadata(m->daemon->bus, XENOPS_CALL_USEC, "add", text, &id, &e)))
                if (!xenops_is_lost(x, &e))
                        break;
        free(text);
        free(id);
        return ok || xenops_fail(vm_ref, e, error);
}
