/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "templates.h"

#include <stdio.h>

#include "rows.h"
#include "uuid.h"
#include "xenapi.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

typedef struct Template {
        const char *label, *description;
        int64_t domain_type;
        int64_t memory_bytes, memory_static_min_bytes;
        int64_t disk_bytes; /* 0: none */
        int vcpus;
        const char *boot_policy, *boot_order;
        const char *kernel; /* PV_kernel */
} Template;

/* GRUB for domains of type pvh, of Debian's package grub-xen-host: reads /boot/grub/grub.cfg of the first disk. */
#define PVH_GRUB "/usr/lib/grub-xen/grub-i386-xen_pvh.bin"

static const Template TEMPLATES[] = {
        { "Debian 12 (Bookworm)", "Debian 12, started by GRUB from the disk that it is on", DOMAIN_TYPE_PVH,
          2 * GIB, GIB, 10 * GIB, 1, "", "", PVH_GRUB },
        { "Other install media", "Any operating system that installs from a CD, with emulated devices",
          DOMAIN_TYPE_HVM, GIB, 256 * MIB, 0, 1, "BIOS order", "dc", "" },
        { "Diskless", "A small domain without disks, for trying things out", DOMAIN_TYPE_PVH, 128 * MIB,
          64 * MIB, 0, 1, "", "", "" },
};

static const char RECOMMENDATIONS[] =
    "<restrictions><restriction field=\"memory-static-max\" max=\"1649267441664\"/>"
    "<restriction field=\"vcpus-max\" max=\"64\"/><restriction property=\"number-of-vbds\" max=\"255\"/>"
    "<restriction property=\"number-of-vifs\" max=\"7\"/></restrictions>";

static void fill_other_config(VmRow *vm, const Template *t)
{
        char uuid[UUID_TEXT_SIZE];
        g_autofree char *disks = NULL;

        uuid_from_name(uuid, "mac seed of a template", t->label);
        SLOT_STRINGS(vm->other_config, "mac_seed", uuid);
        if (!t->disk_bytes)
                return;
        disks = g_strdup_printf(
            "<provision><disk device=\"0\" size=\"%lld\" sr=\"\" bootable=\"true\" type=\"system\"/>"
            "</provision>",
            (long long)t->disk_bytes);
        slot_map(&vm->other_config, map_with_str(vm->other_config, "disks", disks));
}

static void fill_memory(VmRow *vm, const Template *t)
{
        vm->memory_static_min = t->memory_static_min_bytes;
        vm->memory_dynamic_min = vm->memory_dynamic_max = vm->memory_static_max = t->memory_bytes;
        vm->memory_target = t->memory_bytes;
}

static void create(Txn *txn, const Template *t)
{
        char uuid[UUID_TEXT_SIZE];
        VmRow *vm;

        uuid_make(uuid);
        vm = (VmRow *)txn_create(txn, &CLASS_VM, NULL, uuid);
        slot_str(&vm->name_label, t->label);
        slot_str(&vm->name_description, t->description);
        slot_str(&vm->reference_label, t->label);
        vm->is_a_template = vm->is_default_template = true;
        vm->power_state = VM_POWER_STATE_HALTED;
        vm->domid = -1;
        vm->domain_type = t->domain_type;
        vm->user_version = 1;
        vm->HVM_shadow_multiplier = 1.0;
        vm->VCPUs_max = vm->VCPUs_at_startup = t->vcpus;
        vm->actions_after_shutdown = ON_NORMAL_EXIT_DESTROY;
        vm->actions_after_reboot = ON_NORMAL_EXIT_RESTART;
        vm->actions_after_crash = ON_CRASH_BEHAVIOUR_RESTART;
        slot_str(&vm->PV_kernel, t->kernel);
        slot_str(&vm->HVM_boot_policy, t->boot_policy);
        if (*t->boot_order)
                SLOT_STRINGS(vm->HVM_boot_params, "order", t->boot_order);
        SLOT_STRINGS(vm->platform, "acpi", "1", "apic", "true", "pae", "true", "nx", "true", "viridian",
                     "false", "device-model", "qemu-upstream-compat", "videoram", "8", "vga", "std");
        slot_str(&vm->recommendations, RECOMMENDATIONS);
        fill_memory(vm, t);
        fill_other_config(vm, t);
}

void templates_create(Txn *txn)
{
        for (size_t i = 0; i < G_N_ELEMENTS(TEMPLATES); i++)
                create(txn, &TEMPLATES[i]);
}
