/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that wait for events: no thread each, only an entry here. Everything on the loop. */
#pragma once

#include "event-batch.h"
#include "loop.h"

#define WATCH_CLASSES_MAX     16384 /* classes and objects of one client */
#define WATCH_TIMEOUT_MAX_SEC 86400 /* also what a negative or absurd timeout means */

typedef struct Watches Watches;
typedef struct Watch Watch;

/* Follows the store (store_on_change). */
Watches *watches_new(Store *store, Loop *loop);
/* Ends those that still wait, with an error. Before store_close and loop_free. */
void watches_free(Watches *watches);

/* How a wait ends: batch or error, both borrowed; the other is NULL. Called exactly once unless it is cancelled. */
typedef void (*WatchDone)(const EventBatch *batch, const XapiError *error, void *data);

/* event.from: ends with the first events that match `classes` (of strings) and are newer than `token`, or with an empty
 * batch after timeout_sec. Errors: EVENT_FROM_TOKEN_PARSE_FAILURE [token], INVALID_VALUE [classes; text], EVENTS_LOST [], SESSION_INVALID [session]
 * once the session ends. Calls done now, and returns NULL, or later; then it returns what watch_cancel takes, borrowed
 * until done is called. */
Watch *watches_from(Watches *watches, const char *session, const Set *classes, const char *token,
                    double timeout_sec, WatchDone done, void *data);
/* The client has gone: done is not called any more. */
void watch_cancel(Watch *watch);
/* Ends what the session waits for with SESSION_INVALID and forgets what it registered. For sessions that are no objects
 * of the store; of those it hears by itself. */
void watches_end_session(Watches *watches, const char *session);

/* event.register, event.unregister, event.next: one cursor a session. Without a registration next fails with
 * SESSION_NOT_REGISTERED [track_id]; it waits without end. Past WATCH_CLASSES_MAX of a session's nothing is registered:
 * INVALID_VALUE [classes; text]. */
bool watches_register(Watches *watches, const char *session, const Set *classes, XapiError **error);
void watches_unregister(Watches *watches, const char *session, const Set *classes);
Watch *watches_next(Watches *watches, const char *session, const char *track_id, WatchDone done, void *data);
