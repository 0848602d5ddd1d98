/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMs that clients made known, with their devices: immutable versions in memory, and in the ledger. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "ledger.h"
#include "xenops.h"

/* One version of one VM. Never changed once it is in the store. */
typedef struct VmConfig {
        atomic_uint refs;
        bool suspended; /* its state stands on a suspend disk */
        XenopsMetadata metadata;
} VmConfig;
VmConfig *vm_config_ref(VmConfig *config);
void vm_config_unref(VmConfig *config); /* NULL is legal */
static inline void vm_config_unref_p(VmConfig **config)
{
        vm_config_unref(*config);
}
#define auto_vm_config __attribute__((cleanup(vm_config_unref_p))) VmConfig

/* NULL: no such device. Borrowed from the version. */
XenopsVbd *vm_config_vbd(const VmConfig *config, const char *device);
XenopsVif *vm_config_vif(const VmConfig *config, const char *device);

typedef struct VmStore VmStore;

#define VM_ID_MAX      64u  /* bytes of a VM's or a device's id: of A-Z a-z 0-9 . _ -, the first no dot */
#define VM_VCPUS_MAX   8192 /* as Xen has it, of a PV domain */
#define VM_DEVICES_MAX 256u /* of a kind */
/* Beyond any machine, and so that what is added to it does not overflow. */
#define VM_MEMORY_BYTES_MAX (INT64_C(1) << 52)
bool vm_id_valid(const char *id);

/* Reads what the ledger, which is borrowed, has. What cannot be read any more is dropped. */
VmStore *vm_store_new(Ledger *ledger);
void vm_store_free(VmStore *store);

/* NULL, with Does_not_exist ["VM", id]: no such VM. Returns owned. */
VmConfig *vm_store_get(VmStore *store, const char *id, XenopsError **error);
bool vm_store_has(VmStore *store, const char *id);
/* All versions; returns owned, NULL-terminated: each by vm_config_unref, the array by g_free. */
VmConfig **vm_store_list(VmStore *store);

/* Changes a copy of the VM and puts it in the old one's place. `edit` returns false, with *error set, to leave all as
 * it was; it runs under the store's lock of writers and must not wait. */
typedef bool (*VmEdit)(VmConfig *config, void *data, XenopsError **error);
bool vm_store_edit(VmStore *store, const char *id, VmEdit edit, void *data, XenopsError **error);
/* Adds the VM, or replaces what is known of one while its devices stay. Borrows vm. */
bool vm_store_add(VmStore *store, const XenopsVm *vm, XenopsError **error);
/* The same with all devices. Borrows metadata. */
bool vm_store_import(VmStore *store, const XenopsMetadata *metadata, XenopsError **error);
bool vm_store_remove(VmStore *store, const char *id, XenopsError **error);

/* A VM as text, and back: what VM.export_metadata gives. */
char *vm_metadata_text(const XenopsMetadata *metadata); /* owned (free) */
bool vm_metadata_parse(const char *text, XenopsMetadata *ret, XenopsError **error);
