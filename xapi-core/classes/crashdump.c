/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classes.h"
#include "vdi.h"
#include "xenapi.h"

/* The disk that it is kept on goes with it. */
static bool destroy(Call *call, const CrashdumpDestroyParams *p, XapiError **error)
{
        const CrashdumpRow *dump =
            (const CrashdumpRow *)store_require(call->store, &CLASS_CRASHDUMP, p->self, error);
        Txn *txn;
        bool ok;

        if (!dump)
                return false;
        ok = vdi_destroy_quietly(call, dump->VDI, error);
        row_unref(&dump->row);
        if (!ok)
                return false;
        txn = txn_begin(call->store);
        txn_delete(txn, &CLASS_CRASHDUMP, p->self);
        return txn_commit_wait(txn, error);
}

const CrashdumpHandlers crashdump_handlers = {
        .destroy = { PLACE_THREAD, destroy },
};
