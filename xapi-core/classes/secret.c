/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classes.h"
#include "rows.h"
#include "xenapi.h"

static bool introduce(Call *call, const SecretIntroduceParams *p, XapiError **error)
{
        SecretRow *secret;

        if (txn_get_by_uuid(call_txn(call), &CLASS_SECRET, p->uuid))
                return xapi_fail_internal(
                    error, "Db_exn.Uniqueness_constraint_violation(\"secret\", \"uuid\", \"%s\")", p->uuid);
        secret = (SecretRow *)txn_create(call->txn, &CLASS_SECRET, NULL, p->uuid);
        slot_str(&secret->value, p->value);
        slot_map(&secret->other_config, map_ref(p->other_config));
        return call_return_str(call, secret->row.ref);
}

const SecretHandlers secret_handlers = {
        .introduce = { PLACE_LOOP, introduce },
};
