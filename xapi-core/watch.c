/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>

#include "hash.h"
#include "xenapi.h"

/* Different answers that a round keeps for others who wait. */
#define WATCHES_SHARED_MAX 8

/* What a session has registered for event.next. */
typedef struct Registration {
        GHashTable *classes; /* texts, as the client sent them */
        Subscriptions *subscriptions;
        uint64_t since;
        bool in_store; /* the session is an object of the store */
} Registration;

struct Watch {
        Watches *watches;
        Watch *previous, *next; /* in Watches.waiting, or in the list of those whose turn comes */
        Str session;
        bool in_store;                /* the session is an object of the store */
        Registration *registration;   /* event.next; else NULL */
        Subscriptions *subscriptions; /* event.from; else NULL */
        uint64_t since;               /* nothing up to here matches; event.from */
        uint64_t deadline_usec;       /* UINT64_MAX: none */
        WatchDone done;
        void *data;
};

struct Watches {
        Store *store;
        Loop *loop;
        uv_timer_t *timer; /* runs while something that waits has a deadline */
        uint64_t timer_usec;
        Watch waiting;             /* the list's own link */
        GHashTable *registrations; /* session -> Registration */
        uint64_t sessions_seen;    /* generation of the session class up to which ended ones are dealt with */
        uint64_t *generations;     /* room for those of all classes */
        bool in_round;             /* all who wait are looked at, one after the other */
        EventBatch *shared[WATCHES_SHARED_MAX]; /* collected in this round */
        size_t n_shared;
        atomic_bool posted; /* watches_changed is on its way to the loop */
        bool freed;         /* only that is still to come */
};

static void list_init(Watch *list)
{
        list->previous = list->next = list;
}

static void list_append(Watch *list, Watch *watch)
{
        watch->previous = list->previous;
        watch->next = list;
        watch->previous->next = watch;
        list->previous = watch;
}

static void list_remove(Watch *watch)
{
        watch->previous->next = watch->next;
        watch->next->previous = watch->previous;
}

/* Calls function for each that waits now. It may end or cancel any of them, and begin others. */
static void watches_each(Watches *watches, void (*function)(Watch *watch, const void *data), const void *data)
{
        Watch turn, *watch;
        list_init(&turn);
        while ((watch = watches->waiting.next) != &watches->waiting) {
                list_remove(watch);
                list_append(&turn, watch);
        }
        while ((watch = turn.next) != &turn) {
                list_remove(watch);
                list_append(&watches->waiting, watch);
                function(watch, data);
        }
}

static void registration_free(void *data)
{
        Registration *registration = data;
        g_hash_table_unref(registration->classes);
        subscriptions_unref(registration->subscriptions);
        g_free(registration);
}

static bool session_in_store(Watches *watches, const char *session)
{
        const Row *row = store_get(watches->store, &CLASS_SESSION, session);
        row_unref(row);
        return row != NULL;
}

static void watch_free(Watch *watch)
{
        str_unref(watch->session);
        subscriptions_unref(watch->subscriptions);
        g_free(watch);
}

/* Ends it; takes batch. */
static void watch_end(Watch *watch, EventBatch *batch, const XapiError *error)
{
        list_remove(watch);
        watch->done(batch, error, watch->data);
        event_batch_unref(batch);
        watch_free(watch);
}

static void watch_fail(Watch *watch, const char *code, const char *parameter)
{
        g_autoptr(XapiError) error = xapi_error_new(code, parameter, NULL);
        watch_end(watch, NULL, error);
}

void watch_cancel(Watch *watch)
{
        list_remove(watch);
        watch_free(watch);
}

static Subscriptions *watch_subscriptions(const Watch *watch)
{
        return watch->registration != NULL ? watch->registration->subscriptions : watch->subscriptions;
}

static uint64_t *watch_since(Watch *watch)
{
        return watch->registration != NULL ? &watch->registration->since : &watch->since;
}

/* Most clients that wait have heard the same and want the same: in a round of answers what was collected for one serves the
 * others, and is written once. */
static EventBatch *watches_collect(Watches *watches, Subscriptions *subscriptions, uint64_t since)
{
        for (size_t i = 0; i < watches->n_shared; i++)
                if (event_batch_answers(watches->shared[i], subscriptions, since))
                        return event_batch_ref(watches->shared[i]);
        EventBatch *batch = event_batch_collect(watches->store, subscriptions, since);
        if (batch != NULL && watches->in_round && watches->n_shared < WATCHES_SHARED_MAX)
                watches->shared[watches->n_shared++] = event_batch_ref(batch);
        return batch;
}

static void watches_end_round(Watches *watches)
{
        watches->in_round = false;
        while (watches->n_shared > 0)
                event_batch_unref(watches->shared[--watches->n_shared]);
}

/* Ends the wait if there is something to tell, or `now`. False: it goes on waiting. */
static bool watch_try(Watch *watch, bool now)
{
        uint64_t *since = watch_since(watch);
        EventBatch *batch = watches_collect(watch->watches, watch_subscriptions(watch), *since);
        if (batch == NULL) {
                *since = store_generation(watch->watches->store);
                watch_fail(watch, ERR_EVENTS_LOST, NULL);
                return true;
        }
        *since = event_batch_generation(batch);
        if (event_batch_n(batch) == 0 && !now) {
                event_batch_unref(batch);
                return false;
        }
        watch_end(watch, batch, NULL);
        return true;
}

static bool watch_concerned(Watch *watch)
{
        const bool *wanted = subscriptions_wanted(watch_subscriptions(watch));
        uint64_t since = *watch_since(watch);
        for (size_t i = 0; i < model_n_classes; i++)
                if (wanted[i] && watch->watches->generations[i] > since)
                        return true;
        return false;
}

static gboolean registration_is_stale(void *session, void *data, void *user)
{
        const Registration *registration = data;
        return registration->in_store && !session_in_store(user, session);
}

static void watch_drop_ended(Watch *watch, const void *data)
{
        if (watch->in_store && !session_in_store(watch->watches, watch->session))
                watch_fail(watch, ERR_SESSION_INVALID, watch->session);
}

static void watches_drop_ended_sessions(Watches *watches)
{
        if (watches->generations[CLASS_INDEX_SESSION] == watches->sessions_seen)
                return;
        watches->sessions_seen = watches->generations[CLASS_INDEX_SESSION];
        watches_each(watches, watch_drop_ended, NULL);
        g_hash_table_foreach_remove(watches->registrations, registration_is_stale, watches);
}

static void watch_try_if_concerned(Watch *watch, const void *data)
{
        if (watch_concerned(watch))
                watch_try(watch, false);
}

static void watches_changed(void *data)
{
        Watches *watches = data;
        if (watches->freed) {
                g_free(watches);
                return;
        }
        atomic_store(&watches->posted, false);
        store_class_generations(watches->store, watches->generations);
        watches_drop_ended_sessions(watches);
        watches->in_round = true;
        watches_each(watches, watch_try_if_concerned, NULL);
        watches_end_round(watches);
}

/* On the writer's thread. */
static void watches_notice(uint64_t generation, void *data)
{
        Watches *watches = data;
        if (!atomic_exchange(&watches->posted, true))
                loop_post(watches->loop, watches_changed, watches);
}

static void watches_set_timer(Watches *watches);

static void watch_end_if_due(Watch *watch, const void *now)
{
        if (watch->deadline_usec <= *(const uint64_t *)now)
                watch_try(watch, true);
}

static void watches_time_out(uv_timer_t *timer)
{
        Watches *watches = timer->data;
        uint64_t now = clock_usec();
        watches->timer_usec = UINT64_MAX;
        watches_each(watches, watch_end_if_due, &now);
        watches_set_timer(watches);
}

/* Runs the timer at the first deadline. It is left running when that one is cancelled. */
static void watches_set_timer(Watches *watches)
{
        uint64_t first = UINT64_MAX, now = clock_usec();
        for (Watch *watch = watches->waiting.next; watch != &watches->waiting; watch = watch->next)
                first = MIN(first, watch->deadline_usec);
        if (first >= watches->timer_usec)
                return;
        watches->timer_usec = first;
        /* The timer's clock is the loop's, of when its turn began. */
        uv_update_time(loop_uv(watches->loop));
        uv_timer_start(watches->timer, watches_time_out, first <= now ? 0 : (first - now + 999) / 1000, 0);
}

Watches *watches_new(Store *store, Loop *loop)
{
        Watches *watches = g_new0(Watches, 1);
        watches->store = store;
        watches->loop = loop;
        list_init(&watches->waiting);
        watches->registrations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, registration_free);
        watches->generations = g_new0(uint64_t, model_n_classes);
        watches->timer = g_new0(uv_timer_t, 1);
        watches->timer->data = watches;
        watches->timer_usec = UINT64_MAX;
        uv_timer_init(loop_uv(loop), watches->timer);
        store_on_change(store, watches_notice, watches);
        return watches;
}

static void timer_closed(uv_handle_t *handle)
{
        g_free(handle);
}

void watches_free(Watches *watches)
{
        if (watches == NULL)
                return;
        store_on_change(watches->store, NULL, NULL);
        g_autoptr(XapiError) error = NULL;
        xapi_fail_internal(&error, "The server is stopping");
        while (watches->waiting.next != &watches->waiting)
                watch_end(watches->waiting.next, NULL, error);
        uv_close((uv_handle_t *)watches->timer, timer_closed);
        g_hash_table_unref(watches->registrations);
        g_free(watches->generations);
        if (atomic_load(&watches->posted))
                watches->freed = true;
        else
                g_free(watches);
}

static Watch *watch_new(Watches *watches, const char *session, WatchDone done, void *data)
{
        Watch *watch = g_new0(Watch, 1);
        watch->watches = watches;
        watch->session = str_new(session);
        watch->in_store = session_in_store(watches, session);
        watch->deadline_usec = UINT64_MAX;
        watch->done = done;
        watch->data = data;
        list_append(&watches->waiting, watch);
        return watch;
}

static uint64_t timeout_deadline(double timeout_sec)
{
        if (!isfinite(timeout_sec) || timeout_sec < 0 || timeout_sec > WATCH_TIMEOUT_MAX_SEC)
                timeout_sec = WATCH_TIMEOUT_MAX_SEC;
        return clock_usec() + (uint64_t)(timeout_sec * 1e6);
}

static bool check_n_classes(size_t n, XapiError **error)
{
        return n <= WATCH_CLASSES_MAX ||
               xapi_fail(error, ERR_INVALID_VALUE, "classes", "There are more than can be followed", NULL);
}

Watch *watches_from(Watches *watches, const char *session, const Set *classes, const char *token,
                    double timeout_sec, WatchDone done, void *data)
{
        g_autoptr(XapiError) error = NULL;
        uint64_t since;
        if (!event_token_parse(token, &since, &error) || !check_n_classes(classes->n, &error)) {
                done(NULL, error, data);
                return NULL;
        }
        Watch *watch = watch_new(watches, session, done, data);
        watch->subscriptions = subscriptions_new(classes);
        watch->since = since;
        watch->deadline_usec = timeout_deadline(timeout_sec);
        if (watch_try(watch, timeout_sec == 0))
                return NULL;
        watches_set_timer(watches);
        return watch;
}

static void watch_end_if_session(Watch *watch, const void *session)
{
        if (strcmp(watch->session, session) == 0)
                watch_fail(watch, ERR_SESSION_INVALID, session);
}

void watches_end_session(Watches *watches, const char *session)
{
        watches_each(watches, watch_end_if_session, session);
        g_hash_table_remove(watches->registrations, session);
}

static void registration_changed(Registration *registration)
{
        g_autofree const char **texts =
            (const char **)g_hash_table_get_keys_as_array(registration->classes, NULL);
        Set *classes = set_of_strings(&type_string, texts);
        subscriptions_unref(registration->subscriptions);
        registration->subscriptions = subscriptions_new(classes);
        set_unref(classes);
}

static Registration *registration_new(Watches *watches, const char *session)
{
        Registration *registration = g_new0(Registration, 1);
        registration->since = store_generation(watches->store);
        registration->in_store = session_in_store(watches, session);
        registration->classes = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
        g_hash_table_insert(watches->registrations, g_strdup(session), registration);
        return registration;
}

bool watches_register(Watches *watches, const char *session, const Set *classes, XapiError **error)
{
        Registration *registration = g_hash_table_lookup(watches->registrations, session);
        size_t n = registration == NULL ? 0 : g_hash_table_size(registration->classes);
        for (uint32_t i = 0; i < classes->n; i++)
                if (registration == NULL ||
                    !g_hash_table_contains(registration->classes, classes->items[i].s))
                        n++;
        if (!check_n_classes(n, error))
                return false;
        if (registration == NULL)
                registration = registration_new(watches, session);
        for (uint32_t i = 0; i < classes->n; i++)
                g_hash_table_add(registration->classes, g_strdup(classes->items[i].s));
        registration_changed(registration);
        return true;
}

void watches_unregister(Watches *watches, const char *session, const Set *classes)
{
        Registration *registration = g_hash_table_lookup(watches->registrations, session);
        if (registration == NULL)
                return;
        for (uint32_t i = 0; i < classes->n; i++)
                g_hash_table_remove(registration->classes, classes->items[i].s);
        registration_changed(registration);
}

Watch *watches_next(Watches *watches, const char *session, const char *track_id, WatchDone done, void *data)
{
        Registration *registration = g_hash_table_lookup(watches->registrations, session);
        if (registration == NULL) {
                g_autoptr(XapiError) error = xapi_error_new(ERR_SESSION_NOT_REGISTERED, track_id, NULL);
                done(NULL, error, data);
                return NULL;
        }
        Watch *watch = watch_new(watches, session, done, data);
        watch->registration = registration;
        return watch_try(watch, false) ? NULL : watch;
}
