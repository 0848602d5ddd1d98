/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changed block tracking, for the drivers that have it. */
#include <stdlib.h>
#include <string.h>

#include "vdi-handlers.h"

/* ---- on and off ---- */

typedef bool (*Ask)(Bus *bus, uint64_t timeout_usec, const char *dbg, const char *sr, const char *vdi,
                    StorageError **error);

typedef struct Tracking {
        SrOperation operation;
        Ask ask;
        void (*note)(Txn *txn, VdiRow *vdi);
} Tracking;

static void note(Txn *txn, void *data)
{
        Tracking *c = data;
        VdiRow *vdi = (VdiRow *)txn_edit(txn, &CLASS_VDI, c->operation.vdi_ref);

        if (vdi)
                c->note(txn, vdi);
}

/* Asked for twice, it is the same. */
static bool change(Tracking *c, XapiError **error)
{
        SrOperation *o = &c->operation;
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        if (!storage_begin(o, error))
                return false;
        do
                ok = c->ask(o->call->manager->daemon->bus, STORAGE_DATA_USEC, o->call->task, o->sr_uuid,
                            o->location, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (!ok)
                storage_fail(o->sr, o->vdi_ref, e, error);
        return storage_end(o, ok, note, c, error);
}

static void note_enabled(Txn *txn, VdiRow *vdi)
{
        vdi->cbt_enabled = true;
}

bool vdi_enable_cbt(Call *call, const VdiEnableCbtParams *p, XapiError **error)
{
        Tracking c = { .operation = { .call = call,
                                      .vdi_ref = p->self,
                                      .sr_operation = STORAGE_OPERATIONS_VDI_ENABLE_CBT,
                                      .vdi_operation = VDI_OPERATIONS_ENABLE_CBT },
                       .ask = storage_vdi_enable_cbt,
                       .note = note_enabled };

        return change(&c, error);
}

static void note_disabled(Txn *txn, VdiRow *vdi)
{
        vdi->cbt_enabled = false;
}

bool vdi_disable_cbt(Call *call, const VdiDisableCbtParams *p, XapiError **error)
{
        Tracking c = { .operation = { .call = call,
                                      .vdi_ref = p->self,
                                      .sr_operation = STORAGE_OPERATIONS_VDI_DISABLE_CBT,
                                      .vdi_operation = VDI_OPERATIONS_DISABLE_CBT },
                       .ask = storage_vdi_disable_cbt,
                       .note = note_disabled };

        return change(&c, error);
}

/* ---- what is left of a snapshot ---- */

static void note_data_gone(Txn *txn, VdiRow *vdi)
{
        vdi->type = VDI_TYPE_CBT_METADATA;
        vdi->physical_utilisation = 0;
        vdi_row_disconnect(txn, vdi);
}

bool vdi_data_destroy(Call *call, const VdiDataDestroyParams *p, XapiError **error)
{
        Tracking c = { .operation = { .call = call,
                                      .vdi_ref = p->self,
                                      .sr_operation = STORAGE_OPERATIONS_VDI_DATA_DESTROY,
                                      .vdi_operation = VDI_OPERATIONS_DATA_DESTROY,
                                      .sizes = true },
                       .ask = storage_vdi_data_destroy,
                       .note = note_data_gone };

        return change(&c, error);
}

/* ---- asking ---- */

static bool ask_changed(SrOperation *from, const SrOperation *to, XapiError **error)
{
        StorageError *e = NULL;
        int attempt = 0;
        char *bitmap = NULL;
        bool ok;

        do
                ok = storage_vdi_list_changed_blocks(from->call->manager->daemon->bus, STORAGE_DATA_USEC,
                                                     from->call->task, from->sr_uuid, from->location,
                                                     to->location, &bitmap, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (!ok)
                return storage_fail(from->sr, from->vdi_ref, e, error);
        str_set(&from->call->result.s, bitmap ? bitmap : "");
        free(bitmap);
        return true;
}

bool vdi_list_changed_blocks(Call *call, const VdiListChangedBlocksParams *p, XapiError **error)
{
        SrOperation from = { .call = call,
                             .vdi_ref = p->vdi_from,
                             .sr_operation = STORAGE_OPERATIONS_VDI_LIST_CHANGED_BLOCKS,
                             .vdi_operation = VDI_OPERATIONS_LIST_CHANGED_BLOCKS };
        SrOperation to = { .call = call, .vdi_ref = p->vdi_to, .sr_operation = -1, .vdi_operation = -1 };
        bool ok;

        if (!storage_begin(&from, error))
                return false;
        ok = storage_begin(&to, error);
        if (ok) {
                ok = ask_changed(&from, &to, error);
                ok = storage_end(&to, ok, NULL, NULL, error);
        }
        return storage_end(&from, ok, NULL, NULL, error);
}
