/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include "xenapi.h"

Txn *call_txn(Call *call)
{
        if (!call->txn)
                call->txn = txn_begin(call->store);
        return call->txn;
}

bool call_return(Call *call, Value taken)
{
        value_unref(call->message->result, call->result);
        call->result = taken;
        return true;
}

bool call_return_str(Call *call, const char *text)
{
        return call_return(call, (Value){ .s = str_new(text) });
}

static bool handle_invalid(const Class *class, const char *ref, XapiError **error)
{
        return xapi_fail(error, ERR_HANDLE_INVALID, class->name, ref, NULL);
}

const Row *txn_require(Txn *txn, const Class *class, const char *ref, XapiError **error)
{
        const Row *row = txn_get(txn, class, ref);

        if (!row)
                handle_invalid(class, ref, error);
        return row;
}

Row *txn_require_edit(Txn *txn, const Class *class, const char *ref, XapiError **error)
{
        Row *row = txn_edit(txn, class, ref);

        if (!row)
                handle_invalid(class, ref, error);
        return row;
}

const Row *store_require(Store *store, const Class *class, const char *ref, XapiError **error)
{
        const Row *row = store_get(store, class, ref);

        if (!row)
                handle_invalid(class, ref, error);
        return row;
}
