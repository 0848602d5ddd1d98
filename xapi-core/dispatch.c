/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dispatch.h"

#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "event.h"
#include "handlers.h"
#include "job.h"
#include "manager.h"
#include "role.h"
#include "xenapi.h"

static const Type STRING = { .kind = TYPE_STRING };
static const Type STRINGS = { .kind = TYPE_SET, .element = &STRING };

typedef struct Dispatch {
        Manager *manager;
        const DispatchRequest *request;
        DispatchDone done;
        void *data;
        const char *name; /* of the method, without Async. */
        bool async;
        const Message *message;
        Str session; /* as the client sent it, a secret; owned */
        SessionInfo info;
        Value *params; /* owned until a job takes them */
} Dispatch;

/* ---- answers ---- */

static void answer_error(const Dispatch *d, XapiError *taken)
{
        d->done(&(DispatchAnswer){ .error = taken }, d->data);
        xapi_error_free(taken);
}

typedef struct Pending {
        DispatchDone done;
        void *data;
        bool async;
} Pending;

static void job_done(Job *job, const XapiError *error, void *user)
{
        Pending *p = user;
        const Call *call = job_call(job);
        DispatchAnswer answer = { .error = error, .type = call->message->result, .value = call->result };

        if (p->async) {
                answer.type = &STRING;
                answer.value.s = call->task;
        }
        if (error)
                answer.delay_usec = call->delay_usec;
        p->done(&answer, p->data);
        g_free(p);
}

/* ---- what comes before a message ---- */

static void answer_list_methods(const Dispatch *d)
{
        const char **names = g_new0(const char *, model_n_messages + 1);
        DispatchAnswer answer = { .type = &STRINGS };
        size_t n = 0;

        for (size_t i = 0; i < model_n_messages; i++)
                names[n++] = model_messages[i].name;
        answer.value.set = set_of_strings(&STRING, names);
        d->done(&answer, d->data);
        set_unref(answer.value.set);
        g_free(names);
}

static bool take_session(Dispatch *d, XapiError **error)
{
        Value v;

        if (!value_read(&STRING, json_array_get(d->request->params, 0), &v, error))
                return false;
        d->session = v.s;
        return sessions_check(d->manager->sessions, d->session, &d->info, error);
}

/* A method that does not exist may be an extension's, so upstream looks at the session first. */
static void answer_unknown(Dispatch *d)
{
        XapiError *error = NULL;

        if (json_array_size(d->request->params) && !take_session(d, &error)) {
                if (xapi_error_is(error, ERR_SESSION_INVALID) && strchr(d->name, ':')) {
                        d->done(&(DispatchAnswer){ .error = error, .broken = true }, d->data);
                        xapi_error_free(error);
                } else {
                        answer_error(d, error);
                }
                return;
        }
        answer_error(d, xapi_error_new(ERR_MESSAGE_METHOD_UNKNOWN, d->name, NULL));
}

/* ---- checks, in upstream's order ---- */

static bool check_count(const Dispatch *d, XapiError **error)
{
        const Message *m = d->message;
        long sent = (long)json_array_size(d->request->params) - (m->session ? 1 : 0);
        char expected[24], received[24];

        if (sent >= (long)m->n_required && (m->n_required < m->n_params || sent == (long)m->n_params))
                return true;
        snprintf(expected, sizeof(expected), "%zu", m->n_required);
        snprintf(received, sizeof(received), "%ld", sent);
        return xapi_fail(error, ERR_MESSAGE_PARAMETER_COUNT_MISMATCH, m->name, expected, received, NULL);
}

static bool check_message(const Dispatch *d, XapiError **error)
{
        const Message *m = d->message;

        if (m->pool_internal)
                return xapi_fail_internal(
                    error, "Internal API \"%s\" call attempted with non-pool (external) session", m->name);
        if (m->removed)
                return xapi_fail(error, ERR_MESSAGE_REMOVED, NULL);
        if (d->async && !m->async) {
                g_autofree char *text =
                    g_strdup_printf("No async mode for this operation (rpc: %s)", m->name);

                return xapi_fail(error, "Fault", text, NULL);
        }
        return true;
}

/* A defaulted parameter that is missing or does not fit becomes its default. */
static bool read_param(const Message *m, size_t i, const json_t *tree, Value *ret, XapiError **error)
{
        const Param *p = &m->params[i];
        XapiError *ignored = NULL;
        bool ok;

        if (m->tag == MESSAGE_CTOR)
                return record_read(m, tree, &ret->row, error);
        if (!p->default_json)
                return value_read(p->type, tree, ret, error);
        if (!tree) {
                *ret = value_ref(p->type, p->initial);
                return true;
        }
        ok = value_read(p->type, tree, ret, &ignored);
        if (!ok && m->session)
                *ret = value_ref(p->type, p->initial);
        else if (!ok)
                *error = g_steal_pointer(&ignored);
        xapi_error_free(ignored);
        return ok || m->session;
}

/* What clients know a session by is its secret. */
static void find_session(Store *store, const Type *type, Value *value)
{
        char ref[SESSION_REF_SIZE];
        const Row *row;

        if (type->kind != TYPE_REF || type->class != &CLASS_SESSION)
                return;
        session_ref(ref, value->s);
        row = store_get(store, &CLASS_SESSION, ref);
        if (!row)
                return;
        str_set(&value->s, ref);
        row_unref(row);
}

static bool read_params(Dispatch *d, XapiError **error)
{
        const Message *m = d->message;
        size_t first = m->session ? 1 : 0;

        d->params = g_new0(Value, m->n_params + 1);
        for (size_t i = 0; i < m->n_params; i++) {
                if (read_param(m, i, json_array_get(d->request->params, first + i), &d->params[i], error)) {
                        find_session(d->manager->store, m->params[i].type, &d->params[i]);
                        continue;
                }
                while (i-- > 0)
                        value_unref(m->params[i].type, d->params[i]);
                g_clear_pointer(&d->params, g_free);
                return false;
        }
        return true;
}

static bool check(Dispatch *d, XapiError **error)
{
        const Message *m = d->message;

        if (!check_count(d, error))
                return false;
        if (m->session && !take_session(d, error))
                return false;
        if (!check_message(d, error))
                return false;
        if (!read_params(d, error))
                return false;
        if (!role_check(m, d->params, d->info.roles, d->info.local_root, error))
                return false;
        if (handler_missing(m))
                return xapi_fail(error, ERR_NOT_IMPLEMENTED, m->name, NULL);
        return true;
}

static void free_params(Dispatch *d)
{
        if (!d->params)
                return;
        for (size_t i = 0; i < d->message->n_params; i++)
                value_unref(d->message->params[i].type, d->params[i]);
        g_free(d->params);
}

static void run(Dispatch *d)
{
        Pending *p = g_new0(Pending, 1);
        Job *job = job_new(d->manager, d->message, g_steal_pointer(&d->params));
        Call *call = job_call(job);

        p->done = d->done;
        p->data = d->data;
        p->async = d->async;
        if (d->session)
                str_set(&call->session, d->info.ref);
        call->roles = d->info.roles;
        call->local_root = d->info.local_root;
        call->local_socket = d->request->local_socket;
        job_run(job, d->async, job_done, p);
}

void dispatch(Manager *manager, const DispatchRequest *request, HttpExchange *exchange, DispatchDone done,
              void *data)
{
        Dispatch d = { .manager = manager, .request = request, .done = done, .data = data };
        XapiError *error = NULL;

        d.name = request->method;
        if (g_str_has_prefix(d.name, "Async.")) {
                d.async = true;
                d.name += strlen("Async.");
        } else if (g_str_has_prefix(d.name, "InternalAsync.")) {
                d.async = true;
                d.name += strlen("InternalAsync.");
        }
        d.message = model_message(d.name);
        if (strcmp(request->method, "system.listMethods") == 0)
                answer_list_methods(&d);
        else if (!d.message)
                answer_unknown(&d);
        else if (!check(&d, &error))
                answer_error(&d, error);
        else if (!event_dispatch(manager, d.message, d.session, d.info.ref, d.params, exchange, done, data))
                run(&d);
        free_params(&d);
        str_unref(d.session);
}
