/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of class event that do not wait; event.c beside dispatch.c has those that do. */
#include "event.h"

#include <stdio.h>

#include "classes.h"
#include "manager.h"
#include "watch.h"
#include "xenapi.h"

static bool registers(Call *call, const EventRegisterParams *p, XapiError **error)
{
        return watches_register(call->manager->watches, call->session, p->classes, error);
}

static bool unregisters(Call *call, const EventUnregisterParams *p, XapiError **error)
{
        watches_unregister(call->manager->watches, call->session, p->classes);
        return true;
}

static bool get_current_id(Call *call, const EventGetCurrentIdParams *p, XapiError **error)
{
        call->result.i = (int64_t)store_generation(call->store);
        return true;
}

/* The token stands just before the change that this makes, whose generation is at least the next. */
static bool inject(Call *call, const EventInjectParams *p, XapiError **error)
{
        const Class *class = model_class(p->class);
        uint64_t before = store_generation(call->store);
        char token[EVENT_TOKEN_SIZE];

        if (!class || !class->in_database || !txn_get(call_txn(call), class, p->ref))
                return xapi_fail(error, ERR_HANDLE_INVALID, p->class, p->ref, NULL);
        txn_touch(call->txn, class, p->ref);
        event_token_write(token, before);
        return call_return_str(call, token);
}

/* event.from and event.next wait without a thread: event_dispatch takes them before any handler is looked for. */
static bool taken_before(Call *call, XapiError **error)
{
        return xapi_fail_internal(error, "%s cannot be called this way", call->message->name);
}

static bool from(Call *call, const EventFromParams *p, XapiError **error)
{
        return taken_before(call, error);
}

static bool next(Call *call, const EventNextParams *p, XapiError **error)
{
        return taken_before(call, error);
}

const EventHandlers event_handlers = {
        .from = { PLACE_LOOP, from },
        .next = { PLACE_LOOP, next },
        .register_ = { PLACE_LOOP, registers },
        .unregister = { PLACE_LOOP, unregisters },
        .get_current_id = { PLACE_LOOP, get_current_id },
        .inject = { PLACE_LOOP, inject },
};
