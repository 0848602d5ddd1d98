/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-plan.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

/* Boot loaders that run in the guest: what is on its disks is never looked at here. */
#define PV_BOOT_IMAGE  "/usr/lib/grub-xen/grub-x86_64-xen.bin"
#define PVH_BOOT_IMAGE "/usr/lib/grub-xen/grub-i386-xen_pvh.bin"

XlPlan *xl_plan_new(const XenopsVm *vm)
{
        XlPlan *plan = g_new0(XlPlan, 1);
        plan->target_kib = vm->memory_dynamic_max / 1024;
        return plan;
}

void xl_plan_free(XlPlan *plan)
{
        if (!plan)
                return;
        for (size_t i = 0; i < plan->n_disks; i++)
                libxl_device_disk_dispose(&plan->disks[i]);
        for (size_t i = 0; i < plan->n_nics; i++)
                libxl_device_nic_dispose(&plan->nics[i]);
        g_free(plan->disks);
        g_free(plan->nics);
        g_free(plan);
}

void xl_plan_add_disk(XlPlan *plan, libxl_device_disk *disk)
{
        plan->disks = g_renew(libxl_device_disk, plan->disks, plan->n_disks + 1);
        plan->disks[plan->n_disks++] = *disk;
        libxl_device_disk_init(disk);
}

void xl_plan_add_nic(XlPlan *plan, libxl_device_nic *nic)
{
        plan->nics = g_renew(libxl_device_nic, plan->nics, plan->n_nics + 1);
        plan->nics[plan->n_nics++] = *nic;
        libxl_device_nic_init(nic);
}

void xl_plan_remove_disk(XlPlan *plan, const char *vdev)
{
        for (size_t i = 0; i < plan->n_disks; i++) {
                if (!g_str_equal(plan->disks[i].vdev, vdev))
                        continue;
                libxl_device_disk_dispose(&plan->disks[i]);
                memmove(&plan->disks[i], &plan->disks[i + 1], (plan->n_disks - i - 1) * sizeof *plan->disks);
                plan->n_disks--;
                return;
        }
}

void xl_plan_remove_nic(XlPlan *plan, int devid)
{
        for (size_t i = 0; i < plan->n_nics; i++) {
                if (plan->nics[i].devid != devid)
                        continue;
                libxl_device_nic_dispose(&plan->nics[i]);
                memmove(&plan->nics[i], &plan->nics[i + 1], (plan->n_nics - i - 1) * sizeof *plan->nics);
                plan->n_nics--;
                return;
        }
}

static bool platform_flag(const XenopsVm *vm, const char *key, bool fallback)
{
        const char *value = bus_dict_get(&vm->platformdata, key);
        return value ? g_str_equal(value, "true") || g_str_equal(value, "1") : fallback;
}

/* ---- what a guest boots ---- */

/* Whoever may edit a VM names its kernel, and could name any file of this host to read it in the guest. */
static bool check_kernel(const Xenlight *xenlight, const char *path, char **ret, XenopsError **error)
{
        char *real = realpath(path, NULL);
        for (char **folder = xenlight->kernel_folders; real && *folder; folder++) {
                char *real_folder = realpath(*folder, NULL);
                size_t n = real_folder ? strlen(real_folder) : 0;
                bool inside = real_folder && strncmp(real, real_folder, n) == 0 && real[n] == '/';
                free(real_folder);
                if (inside) {
                        *ret = real;
                        return true;
                }
        }
        g_autofree char *folders = g_strjoinv(", ", xenlight->kernel_folders);
        bool there = real;
        free(real);
        return there ? xenops_fail_internal(
                           error, "the kernel or initial ram disk %s is not below any of: %s", path, folders)
                     : xenops_fail_internal(error, "there is no kernel or initial ram disk %s", path);
}

static bool fill_boot(const Xenlight *xenlight, const XenopsVm *vm, const XenopsPvBoot *boot,
                      const char *image, libxl_domain_build_info *info, XenopsError **error)
{
        if (boot->tag == XENOPS_PV_BOOT_DIRECT) {
                if (!check_kernel(xenlight, boot->direct.kernel, &info->kernel, error))
                        return false;
                if (boot->direct.ramdisk &&
                    !check_kernel(xenlight, boot->direct.ramdisk, &info->ramdisk, error))
                        return false;
                info->cmdline = g_strdup(boot->direct.cmdline);
                return true;
        }
        if (!g_file_test(image, G_FILE_TEST_EXISTS))
                return xenops_fail_bootloader_error(error, vm->id,
                                                    "there is no " PV_BOOT_IMAGE " or " PVH_BOOT_IMAGE
                                                    ": the package grub-xen-host has them");
        info->kernel = g_strdup(image);
        info->cmdline = g_strdup(boot->indirect.extra_args);
        return true;
}

/* ---- hardware that is emulated ---- */

static void fill_generation(const char *text, libxl_ms_vm_genid *ret)
{
        char *end;
        uint64_t words[2];
        words[0] = (uint64_t)g_ascii_strtoll(text, &end, 10);
        if (*end != ':')
                return;
        words[1] = (uint64_t)g_ascii_strtoll(end + 1, NULL, 10);
        memcpy(ret->bytes, words, sizeof ret->bytes);
}

/* The device model's command line is made of these, and whoever may edit a VM names them: an option more, or a serial port
 * that is a file, would have it open what it likes of this host. */
static bool check_words(const XenopsHvmInfo *hvm, XenopsError **error)
{
        static const char *const serials[] = { "", "none", "null", "pty", NULL };
        if (hvm->boot_order[strspn(hvm->boot_order, "abcdefghijklmnop")] != '\0')
                return xenops_fail_internal(error, "the boot order \"%s\" is not of letters from a to p",
                                            hvm->boot_order);
        if (hvm->serial && !g_strv_contains(serials, hvm->serial))
                return xenops_fail_internal(error, "the serial port \"%s\" is none of: none, null, pty",
                                            hvm->serial);
        if (hvm->keymap &&
            hvm->keymap[strspn(hvm->keymap, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-")] != '\0')
                return xenops_fail_internal(error, "there is no keyboard \"%s\"", hvm->keymap);
        return true;
}

static bool fill_hvm(const XenopsVm *vm, libxl_domain_build_info *info, const char *vnc, XenopsError **error)
{
        const XenopsHvmInfo *hvm = &vm->ty.hvm;
        if (!check_words(hvm, error))
                return false;
        if (hvm->qemu_stubdom)
                return xenops_fail_unimplemented(error, "a device model in a domain of its own");
        if (hvm->tpm)
                return xenops_fail_unimplemented(error, "a VM with a TPM");
        info->device_model_version = LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN;
        /* Less than this QEMU does not take. */
        int64_t video_min_mib = hvm->video.tag == XENOPS_VIDEO_CARD_CIRRUS ? 8 : 16;
        info->video_memkb = (uint64_t)MAX(hvm->video_mib, video_min_mib) * 1024;
        info->rtc_timeoffset = (uint32_t)g_ascii_strtoll(hvm->timeoffset, NULL, 10);
        libxl_defbool_set(&info->acpi, hvm->acpi);
        libxl_defbool_set(&info->apic, platform_flag(vm, "apic", true));
        libxl_defbool_set(&info->u.hvm.pae, platform_flag(vm, "pae", true));
        libxl_defbool_set(&info->u.hvm.nx, platform_flag(vm, "nx", true));
        libxl_defbool_set(&info->u.hvm.hpet, platform_flag(vm, "hpet", true));
        libxl_defbool_set(&info->u.hvm.viridian, platform_flag(vm, "viridian", false));
        libxl_defbool_set(&info->nested_hvm, platform_flag(vm, "nested-virt", false));
        info->u.hvm.bios =
            hvm->firmware.tag == XENOPS_FIRMWARE_UEFI ? LIBXL_BIOS_TYPE_OVMF : LIBXL_BIOS_TYPE_SEABIOS;
        info->u.hvm.boot = g_strdup(*hvm->boot_order ? hvm->boot_order : "cd");
        info->u.hvm.keymap = g_strdup(hvm->keymap);
        info->u.hvm.serial = g_strdup(hvm->serial && *hvm->serial ? hvm->serial : "pty");
        info->u.hvm.vga.kind = hvm->video.tag == XENOPS_VIDEO_CARD_CIRRUS ? LIBXL_VGA_INTERFACE_TYPE_CIRRUS
                                                                          : LIBXL_VGA_INTERFACE_TYPE_STD;
        libxl_defbool_set(&info->u.hvm.vnc.enable, true);
        libxl_defbool_set(&info->u.hvm.vnc.findunused, false);
        info->u.hvm.vnc.listen = g_strconcat("unix:", vnc, NULL);
        if (platform_flag(vm, "usb_tablet", false)) {
                libxl_defbool_set(&info->u.hvm.usb, true);
                info->u.hvm.usbdevice = g_strdup("tablet");
        }
        if (vm->generation_id)
                fill_generation(vm->generation_id, &info->u.hvm.ms_vm_genid);
        return true;
}

/* ---- processors, memory, names ---- */

static bool fill_vcpus(const Xenlight *xenlight, const XenopsVm *vm, libxl_domain_build_info *info,
                       XenopsError **error)
{
        if (vm->vcpu_max < 1 || vm->vcpus < 1 || vm->vcpus > vm->vcpu_max)
                return xenops_fail_invalid_vcpus(error, vm->vcpus);
        info->max_vcpus = (int)vm->vcpu_max;
        if (libxl_cpu_bitmap_alloc(xenlight->look, &info->avail_vcpus, info->max_vcpus) != 0)
                return xenops_fail_invalid_vcpus(error, vm->vcpu_max);
        libxl_bitmap_set_none(&info->avail_vcpus);
        /* Linux can use those only that it starts with where there is no ACPI hot plug; xl_make takes some back. */
        int64_t n = vm->ty.tag == XENOPS_BUILDER_INFO_PVH ? vm->vcpu_max : vm->vcpus;
        for (int i = 0; i < n; i++)
                libxl_bitmap_set(&info->avail_vcpus, i);
        const XenopsPriority *priority = vm->scheduler_params.priority;
        if (priority) {
                info->sched_params.weight = (int)priority->weight;
                info->sched_params.cap = (int)priority->cap;
        }
        const XenopsIntListList *affinity = &vm->scheduler_params.affinity;
        if (affinity->n == 0)
                return true;
        info->num_vcpu_hard_affinity = info->max_vcpus;
        info->vcpu_hard_affinity = calloc((size_t)info->max_vcpus, sizeof(libxl_bitmap));
        for (int i = 0; i < info->max_vcpus; i++) {
                const BusInts *cpus = &affinity->items[(size_t)i < affinity->n ? (size_t)i : 0];
                libxl_bitmap_init(&info->vcpu_hard_affinity[i]);
                libxl_bitmap_alloc(xenlight->look, &info->vcpu_hard_affinity[i], XL_CPUS_MAX);
                for (size_t k = 0; k < cpus->n; k++)
                        if (cpus->items[k] >= 0 && cpus->items[k] < XL_CPUS_MAX)
                                libxl_bitmap_set(&info->vcpu_hard_affinity[i], (int)cpus->items[k]);
        }
        return true;
}

static void add_pair(libxl_key_value_list *list, size_t *n, char *key, const char *value)
{
        *list = realloc(*list, (*n + 3) * sizeof(char *));
        (*list)[(*n)++] = key;
        (*list)[(*n)++] = g_strdup(value);
        (*list)[*n] = NULL;
}

static void fill_xenstore(const XenopsVm *vm, libxl_domain_create_info *info)
{
        size_t n = 0, n_platform = 0;
        for (size_t i = 0; i < vm->xsdata.n; i++)
                if (g_str_has_prefix(vm->xsdata.items[i].key, "vm-data"))
                        add_pair(&info->xsdata, &n, g_strdup(vm->xsdata.items[i].key),
                                 vm->xsdata.items[i].value);
        for (size_t i = 0; i < vm->bios_strings.n; i++)
                add_pair(&info->xsdata, &n, g_strconcat("bios-strings/", vm->bios_strings.items[i].key, NULL),
                         vm->bios_strings.items[i].value);
        for (size_t i = 0; i < vm->platformdata.n; i++)
                add_pair(&info->platformdata, &n_platform, g_strdup(vm->platformdata.items[i].key),
                         vm->platformdata.items[i].value);
}

static void fill_devices(XlPlan *plan, libxl_domain_config *config)
{
        config->num_disks = (int)plan->n_disks;
        config->disks = g_steal_pointer(&plan->disks);
        config->num_nics = (int)plan->n_nics;
        config->nics = g_steal_pointer(&plan->nics);
        plan->n_disks = plan->n_nics = 0;
}

static bool fill_type(const Xenlight *xenlight, const XenopsVm *vm, libxl_domain_config *config,
                      XenopsError **error)
{
        libxl_domain_build_info *info = &config->b_info;
        libxl_domain_type type = vm->ty.tag == XENOPS_BUILDER_INFO_HVM  ? LIBXL_DOMAIN_TYPE_HVM
                                 : vm->ty.tag == XENOPS_BUILDER_INFO_PV ? LIBXL_DOMAIN_TYPE_PV
                                                                        : LIBXL_DOMAIN_TYPE_PVH;
        config->c_info.type = type;
        libxl_domain_build_info_init_type(info, type);
        g_autofree char *vnc = xl_console_vnc_path(xenlight, vm->id);
        switch (vm->ty.tag) {
        case XENOPS_BUILDER_INFO_HVM:
                libxl_defbool_set(&config->c_info.hap, vm->ty.hvm.hap);
                return fill_hvm(vm, info, vnc, error);
        case XENOPS_BUILDER_INFO_PV:
                return fill_boot(xenlight, vm, &vm->ty.pv.boot, PV_BOOT_IMAGE, info, error);
        case XENOPS_BUILDER_INFO_PVINPVH:
                libxl_defbool_set(&info->u.pvh.pvshim, true);
                return fill_boot(xenlight, vm, &vm->ty.pvinpvh.boot, PV_BOOT_IMAGE, info, error);
        case XENOPS_BUILDER_INFO_PVH:
                return fill_boot(xenlight, vm, &vm->ty.pvh.boot, PVH_BOOT_IMAGE, info, error);
        }
        return false;
}

bool xl_plan_config(Xenlight *xenlight, const XenopsVm *vm, XlPlan *plan, libxl_domain_config *ret,
                    XenopsError **error)
{
        libxl_domain_create_info *create = &ret->c_info;
        libxl_domain_build_info *build = &ret->b_info;
        fill_devices(plan, ret);
        if (!fill_type(xenlight, vm, ret, error) || !fill_vcpus(xenlight, vm, build, error))
                return false;
        xl_uuid(vm->id, &create->uuid);
        /* A VM's name need not be its own, a domain's has to be. */
        create->name = g_strdup(vm->id);
        create->ssidref = (uint32_t)vm->ssidref;
        fill_xenstore(vm, create);
        build->max_memkb = (uint64_t)vm->memory_static_max / 1024;
        build->target_memkb = (uint64_t)plan->target_kib;
        build->event_channels = 0;
        return true;
}
