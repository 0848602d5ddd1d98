/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM.provision: the disks that a template asks for, and a VM instead of a template. */
#include "manager.h"
#include "provision.h"
#include "rows.h"
#include "vbd.h"
#include "vdi.h"
#include "vm-handlers.h"
#include "xenapi.h"

typedef struct Provision {
        Call *call;
        const char *vm;
        Str label;     /* of the VM */
        GArray *disks; /* of ProvisionDisk; NULL: none are asked for */
        Str *vdis;     /* that were made, one a disk */
} Provision;

static bool read_template(Provision *p, Txn *txn, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, p->vm);
        const char *text = map_get_str(vm->other_config, "disks");

        p->label = str_ref(vm->name_label);
        if (!text)
                return true;
        p->disks = provision_parse(text, error);
        return p->disks;
}

static bool begin(Provision *p, XapiError **error)
{
        Txn *txn = txn_begin(p->call->store);

        if (!operation_begin(txn, &VM_OPERATION_RULES, p->vm, VM_OPERATIONS_PROVISION, p->call->task,
                             error) ||
            !read_template(p, txn, error)) {
                txn_abort(txn);
                return false;
        }
        txn_commit(txn, NULL, NULL);
        return true;
}

/* ---- disks ---- */

/* Returns owned; NULL with DEFAULT_SR_NOT_FOUND or UUID_INVALID. */
static Str sr_of(Provision *p, const char *uuid, XapiError **error)
{
        const PoolRow *pool = STORE_GET(PoolRow, CLASS_POOL, p->call->store, p->call->manager->pool);
        auto_str default_sr = str_ref(pool->default_SR);
        const Row *sr = *uuid ? store_get_by_uuid(p->call->store, &CLASS_SR, uuid)
                              : store_get(p->call->store, &CLASS_SR, default_sr);
        Str ref = NULL;

        row_unref(&pool->row);
        if (sr)
                ref = str_ref(sr->ref);
        else if (*uuid)
                xapi_fail(error, ERR_UUID_INVALID, "SR", uuid, NULL);
        else
                xapi_fail(error, ERR_DEFAULT_SR_NOT_FOUND, default_sr, NULL);
        if (sr)
                row_unref(sr);
        return ref;
}

static Str make_disk(Provision *p, const ProvisionDisk *disk, XapiError **error)
{
        auto_str sr = sr_of(p, disk->sr, error);
        auto_str label = str_printf("%s %s", p->label, disk->device);

        return sr ? vdi_create_in(p->call, sr, label, disk->size_bytes, disk->type, error) : NULL;
}

static bool make_disks(Provision *p, XapiError **error)
{
        guint n = p->disks ? p->disks->len : 0;

        p->vdis = g_new0(Str, n + 1);
        for (guint i = 0; i < n; i++) {
                p->vdis[i] = make_disk(p, &g_array_index(p->disks, ProvisionDisk, i), error);
                if (!p->vdis[i])
                        return false;
                call_progress(p->call, (i + 1.0) / (n + 1.0));
        }
        return true;
}

static void remove_disks(Provision *p)
{
        for (Str *vdi = p->vdis; *vdi; vdi++) {
                XapiError *error = NULL;

                if (!vdi_destroy_quietly(p->call, *vdi, &error))
                        log_warning("A disk that is not needed could not be removed", "XAPI_VDI", *vdi, NULL);
                xapi_error_free(error);
        }
}

/* ---- the VM ---- */

static bool attach(Txn *txn, VmRow *vm, const ProvisionDisk *disk, const char *vdi, XapiError **error)
{
        VbdRow *vbd = (VbdRow *)row_new(&CLASS_VBD, "");

        slot_str(&vbd->VM, vm->row.ref);
        slot_str(&vbd->VDI, vdi);
        slot_str(&vbd->userdevice, disk->device);
        SLOT_STRINGS(vbd->other_config, "owner", "");
        vbd->bootable = disk->bootable;
        vbd->mode = VBD_MODE_RW;
        vbd->type = VBD_TYPE_DISK;
        vbd->unpluggable = true;
        if (!vbd_choose_device(txn, vm, vbd, error)) {
                row_unref(&vbd->row);
                return false;
        }
        vbd = vbd_insert(txn, vbd);
        /* The store does that by itself, but not before the next disk looks for its place. */
        slot_set(&vm->VBDs, set_with(vm->VBDs, (Value){ .s = vbd->row.ref }));
        return true;
}

static bool become_vm(Provision *p, Txn *txn, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(txn, &CLASS_VM, p->vm, error);

        if (!vm)
                return false;
        for (guint i = 0; p->disks && i < p->disks->len; i++)
                if (!attach(txn, vm, &g_array_index(p->disks, ProvisionDisk, i), p->vdis[i], error))
                        return false;
        vm->is_a_template = false;
        slot_map(&vm->other_config, map_without_str(vm->other_config, "disks"));
        operation_end(txn, &VM_OPERATION_RULES, p->vm, p->call->task);
        return true;
}

static bool finish(Provision *p, XapiError **error)
{
        Txn *txn = txn_begin(p->call->store);

        if (become_vm(p, txn, error))
                return txn_commit_wait(txn, error);
        txn_abort(txn);
        return false;
}

static void give_up(Provision *p)
{
        Txn *txn = txn_begin(p->call->store);
        XapiError *ignored = NULL;

        operation_end(txn, &VM_OPERATION_RULES, p->vm, p->call->task);
        if (!txn_commit_wait(txn, &ignored))
                xapi_error_free(ignored);
        remove_disks(p);
}

static void clear(Provision *p)
{
        for (Str *vdi = p->vdis; vdi && *vdi; vdi++)
                str_unref(*vdi);
        g_free(p->vdis);
        g_clear_pointer(&p->disks, g_array_unref);
        str_unref(p->label);
}

bool vm_provision(Call *call, const VmProvisionParams *params, XapiError **error)
{
        Provision p = { .call = call, .vm = params->vm };
        bool ok = begin(&p, error);

        if (ok) {
                ok = make_disks(&p, error) && finish(&p, error);
                if (!ok)
                        give_up(&p);
        }
        clear(&p);
        return ok;
}
