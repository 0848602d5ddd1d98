/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"

#include "manager.h"
#include "session.h"
#include "watch.h"
#include "xenapi-handlers.h"
#include "xenapi.h"

typedef struct Poll {
        Str secret; /* the session, as the client knows it */
        DispatchDone done;
        void *data;
        HttpExchange *exchange;
        Watch *watch;
        bool ended;
        void (*write)(Buffer *b, Dialect dialect, const void *batch);
} Poll;

static void write_from(Buffer *b, Dialect dialect, const void *batch)
{
        event_batch_write(b, dialect, batch);
}

static void write_next(Buffer *b, Dialect dialect, const void *batch)
{
        event_batch_write_events(b, dialect, batch);
}

static void poll_free(Poll *poll)
{
        str_unref(poll->secret);
        g_free(poll);
}

static void poll_done(const EventBatch *batch, const XapiError *error, void *user)
{
        Poll *poll = user;
        g_autoptr(XapiError) ended = NULL;

        if (xapi_error_is(error, ERR_SESSION_INVALID))
                error = ended = xapi_error_new(ERR_SESSION_INVALID, poll->secret, NULL);
        poll->done(&(DispatchAnswer){ .error = error, .write = poll->write, .written = batch }, poll->data);
        poll->ended = true;
        if (poll->watch)
                poll_free(poll);
}

/* Nobody reads the answer any more; it is still made, so that whoever holds the exchange can let go of it. */
static void client_gone(void *user)
{
        Poll *poll = user;
        g_autoptr(XapiError) error = xapi_error_new(ERR_EVENTS_LOST, NULL);

        watch_cancel(poll->watch);
        poll->done(&(DispatchAnswer){ .error = error }, poll->data);
        poll_free(poll);
}

static Watch *begin(Manager *m, const Message *message, const char *session, const Value *params, Poll *poll)
{
        if (message == model_message("event.from")) {
                const EventFromParams *p = (const EventFromParams *)params;

                poll->write = write_from;
                return watches_from(m->watches, session, p->classes, p->token, p->timeout, poll_done, poll);
        } else {
                auto_str track_id = session_track_id(session);

                poll->write = write_next;
                return watches_next(m->watches, session, track_id, poll_done, poll);
        }
}

bool event_dispatch(Manager *m, const Message *message, const char *secret, const char *session,
                    const Value *params, HttpExchange *exchange, DispatchDone done, void *data)
{
        Poll *poll;
        Watch *watch;

        if (message->class != &CLASS_EVENT ||
            (strcmp(message->name, "event.from") != 0 && strcmp(message->name, "event.next") != 0))
                return false;
        poll = g_new0(Poll, 1);
        poll->secret = str_new(secret);
        poll->done = done;
        poll->data = data;
        poll->exchange = exchange;
        watch = begin(m, message, session, params, poll);
        if (poll->ended) {
                poll_free(poll);
                return true;
        }
        poll->watch = watch;
        http_exchange_on_close(exchange, client_gone, poll);
        return true;
}
