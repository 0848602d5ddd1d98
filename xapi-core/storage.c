/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "condition.h"
#include "daemon.h"
#include "shares.h"
#include "storage-internal.h"

#define FOLLOW_SEC        30  /* of one UPDATES.get */
#define FOLLOW_MARGIN_SEC 15  /* and for its answer to come */
#define AGAIN_MSEC        100 /* until sm-daemon is looked for again that has never served */
#define LOCKS             64
#define OWN_DIRECTORY     "sr"

struct Storage {
        Manager *manager;
        pthread_t thread;
        /* Of each repository: whoever attaches or detaches it. Outermost: taken before the store's. */
        pthread_mutex_t sr_locks[LOCKS];
        pthread_mutex_t lock; /* guards what follows; innermost */
        pthread_cond_t stopped;
        bool stopping;
        uint32_t copies; /* bits: datapaths that are taken, or may be attached since a process before this */
        Shares *copy_shares;
        Endings *endings;
        bool settled;      /* what should be plugged was seen to once */
        atomic_bool *done; /* of who waits for that; set before the loop is stopped */
};

char *storage_own_location(Manager *manager)
{
        return g_build_filename(manager->daemon->state_dir, OWN_DIRECTORY, NULL);
}

static pthread_mutex_t *lock_of(Storage *s, const char *uuid)
{
        return &s->sr_locks[g_str_hash(uuid) % LOCKS];
}

void sr_lock(Storage *s, const char *uuid)
{
        pthread_mutex_lock(lock_of(s, uuid));
}

void sr_unlock(Storage *s, const char *uuid)
{
        pthread_mutex_unlock(lock_of(s, uuid));
}

Endings *storage_endings(Storage *s)
{
        return s->endings;
}

bool storage_stopping(Storage *s)
{
        bool stopping;

        pthread_mutex_lock(&s->lock);
        stopping = s->stopping;
        pthread_mutex_unlock(&s->lock);
        return stopping;
}

/* ---- what should be plugged ---- */

typedef struct Wanted {
        Manager *manager;
        Txn *txn;
        GPtrArray *pbds; /* refs, owned */
} Wanted;

/* The host's own repository, before it was ever attached. */
static bool is_new(Manager *manager, const SrRow *sr, const PbdRow *pbd)
{
        const char *location = map_get_str(pbd->device_config, "location");
        g_autofree char *own = storage_own_location(manager);

        return sr->physical_size == 0 && location && strcmp(location, own) == 0;
}

static bool want(const Row *row, void *user)
{
        Wanted *w = user;
        const PbdRow *pbd = (const PbdRow *)row;
        const SrRow *sr = (const SrRow *)txn_get(w->txn, &CLASS_SR, pbd->SR);

        if (sr && strcmp(pbd->host, w->manager->host) == 0 &&
            (pbd->currently_attached || is_new(w->manager, sr, pbd)))
                g_ptr_array_add(w->pbds, (gpointer)str_ref(row->ref));
        return true;
}

static void unref_str(gpointer s)
{
        str_unref(s);
}

static GPtrArray *wanted(Manager *manager)
{
        Wanted w = { .manager = manager, .pbds = g_ptr_array_new_with_free_func(unref_str) };

        w.txn = txn_begin(manager->store);
        txn_each(w.txn, &CLASS_PBD, want, &w);
        txn_abort(w.txn);
        return w.pbds;
}

static void note_unplugged(Manager *manager, const char *ref)
{
        Txn *txn = txn_begin(manager->store);
        PbdRow *pbd = (PbdRow *)txn_edit(txn, &CLASS_PBD, ref);

        if (pbd) {
                pbd->currently_attached = false;
                operation_update(txn, &SR_OPERATION_RULES, pbd->SR);
        }
        txn_commit(txn, NULL, NULL);
}

static Str uuid_of(Manager *manager, const char *ref)
{
        const PbdRow *pbd = STORE_GET(PbdRow, CLASS_PBD, manager->store, ref);
        XapiError *ignored = NULL;
        Str uuid = NULL;

        if (pbd) {
                uuid = sr_uuid(manager->store, pbd->SR, &ignored);
                xapi_error_free(ignored);
                row_unref(&pbd->row);
        }
        return uuid;
}

static bool still_wanted(Manager *manager, const char *ref)
{
        g_autoptr(GPtrArray) pbds = wanted(manager);

        return g_ptr_array_find_with_equal_func(pbds, ref, g_str_equal, NULL);
}

/* Attaching what is attached changes nothing. What cannot be attached is not. */
static void plug(Storage *s, const char *ref)
{
        auto_str uuid = uuid_of(s->manager, ref);
        XapiError *error = NULL;

        if (!uuid)
                return;
        sr_lock(s, uuid);
        if (still_wanted(s->manager, ref) && !pbd_attach(s->manager, "start", ref, &error) &&
            !storage_stopping(s)) {
                g_autofree char *text = xapi_error_text(error);

                log_error("A repository could not be attached", "XAPI_SR", uuid, "XAPI_ERROR", text, NULL);
                note_unplugged(s->manager, ref);
        }
        sr_unlock(s, uuid);
        xapi_error_free(error);
}

static void plug_all(Storage *s)
{
        g_autoptr(GPtrArray) pbds = wanted(s->manager);

        for (guint i = 0; i < pbds->len && !storage_stopping(s); i++)
                plug(s, pbds->pdata[i]);
}

/* ---- copies ---- */

static const char *const COPY_DATAPATHS[] = {
        "xapi-copy-0",  "xapi-copy-1",  "xapi-copy-2",  "xapi-copy-3",  "xapi-copy-4",  "xapi-copy-5",
        "xapi-copy-6",  "xapi-copy-7",  "xapi-copy-8",  "xapi-copy-9",  "xapi-copy-10", "xapi-copy-11",
        "xapi-copy-12", "xapi-copy-13", "xapi-copy-14", "xapi-copy-15",
};
_Static_assert(G_N_ELEMENTS(COPY_DATAPATHS) == STORAGE_COPIES_MAX, "a name each");
#define ALL_COPIES ((UINT32_C(1) << STORAGE_COPIES_MAX) - 1)

static const char *take_datapath(Storage *s)
{
        const char *dp = NULL;

        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < STORAGE_COPIES_MAX && !dp; i++) {
                if (s->copies & (UINT32_C(1) << i))
                        continue;
                s->copies |= UINT32_C(1) << i;
                dp = COPY_DATAPATHS[i];
        }
        pthread_mutex_unlock(&s->lock);
        return dp;
}

const char *storage_copy_begin(Storage *s, const char *session, XapiError **error)
{
        bool allowed = shares_take(s->copy_shares, session);
        const char *dp = allowed ? take_datapath(s) : NULL;

        if (!dp) {
                if (allowed)
                        shares_give_back(s->copy_shares, session);
                xapi_fail(error, ERR_TOO_BUSY, NULL);
        }
        return dp;
}

void storage_copy_end(Storage *s, const char *session, const char *dp)
{
        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < STORAGE_COPIES_MAX; i++)
                if (COPY_DATAPATHS[i] == dp)
                        s->copies &= ~(UINT32_C(1) << i);
        pthread_mutex_unlock(&s->lock);
        shares_give_back(s->copy_shares, session);
}

/* What copies of a process before this one, which was killed, still have attached. */
static void end_old_copies(Storage *s)
{
        for (size_t i = 0; i < STORAGE_COPIES_MAX && !storage_stopping(s); i++) {
                StorageError *e = NULL;

                if (!storage_dp_destroy(s->manager->daemon->bus, NULL, STORAGE_CALL_USEC, "start",
                                        COPY_DATAPATHS[i], true, &e))
                        storage_error_free(e);
        }
        pthread_mutex_lock(&s->lock);
        s->copies = 0;
        pthread_mutex_unlock(&s->lock);
}

/* ---- the thread ---- */

static void say_settled(Storage *s)
{
        pthread_mutex_lock(&s->lock);
        s->settled = true;
        if (s->done) {
                atomic_store(s->done, true);
                loop_stop(s->manager->daemon->loop);
        }
        s->done = NULL;
        pthread_mutex_unlock(&s->lock);
}

/* Until sm-daemon answers no more. Its own changes are none that rows tell of. */
static void follow(Storage *s)
{
        g_autofree char *from = g_strdup("");
        int64_t seconds = FOLLOW_SEC;
        StorageError *e = NULL;
        StorageUpdates updates = { 0 };

        while (!storage_stopping(s) &&
               storage_updates_get(s->manager->daemon->bus,
                                   (FOLLOW_SEC + FOLLOW_MARGIN_SEC) * UINT64_C(1000000), "follow", from,
                                   &seconds, &updates, &e)) {
                g_free(from);
                from = g_strdup(updates.next ? updates.next : "");
                storage_updates_clear(&updates);
        }
        storage_error_free(e);
}

static void wait_a_little(Storage *s)
{
        pthread_mutex_lock(&s->lock);
        if (!s->stopping)
                condition_wait(&s->stopped, &s->lock, clock_usec() + AGAIN_MSEC * 1000);
        pthread_mutex_unlock(&s->lock);
}

static void *run(void *user)
{
        Storage *s = user;

        bool first = true;

        while (!storage_stopping(s)) {
                if (!storage_drivers_update(s->manager)) {
                        wait_a_little(s);
                        continue;
                }
                if (first)
                        end_old_copies(s);
                plug_all(s);
                if (first)
                        storage_remove_leftovers(s->manager);
                first = false;
                if (storage_stopping(s))
                        break;
                say_settled(s);
                follow(s);
        }
        return NULL;
}

Storage *storage_new(Manager *manager)
{
        Storage *s = g_new0(Storage, 1);

        s->manager = manager;
        s->copies = ALL_COPIES;
        s->copy_shares = shares_new(STORAGE_COPIES_MAX);
        s->endings = endings_new();
        pthread_mutex_init(&s->lock, NULL);
        condition_init(&s->stopped);
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_init(&s->sr_locks[i], NULL);
        if (pthread_create(&s->thread, NULL, run, s) != 0)
                abort();
        return s;
}

void storage_run_loop(Manager *manager, atomic_bool *done)
{
        loop_run(manager->daemon->loop);
        if (!atomic_load(done))
                _exit(EXIT_SUCCESS);
}

static bool any_new(Manager *manager)
{
        g_autoptr(GPtrArray) pbds = wanted(manager);
        bool new = false;

        for (guint i = 0; i < pbds->len; i++) {
                const PbdRow *pbd = STORE_GET(PbdRow, CLASS_PBD, manager->store, pbds->pdata[i]);

                new |= pbd && !pbd->currently_attached;
                if (pbd)
                        row_unref(&pbd->row);
        }
        return new;
}

typedef struct Wait {
        atomic_bool done;
        bool closed;
        uv_timer_t timer;
} Wait;

static void on_timeout(uv_timer_t *timer)
{
        Wait *w = timer->data;

        log_warning("The host's own repository is not there yet: sm-daemon does not answer", NULL);
        atomic_store(&w->done, true);
        uv_stop(timer->loop);
}

static void on_timer_closed(uv_handle_t *timer)
{
        Wait *w = timer->data;

        w->closed = true;
        uv_stop(timer->loop);
}

/* False: there is nothing to wait for any more. */
static bool wait_for(Storage *s, atomic_bool *done)
{
        bool settled;

        pthread_mutex_lock(&s->lock);
        settled = s->settled;
        s->done = settled ? NULL : done;
        pthread_mutex_unlock(&s->lock);
        return !settled;
}

void storage_settle(Storage *s, uint64_t msec)
{
        uv_loop_t *uv = loop_uv(s->manager->daemon->loop);
        Wait w = { 0 };

        if ((msec && !any_new(s->manager)) || !wait_for(s, &w.done))
                return;
        uv_timer_init(uv, &w.timer);
        w.timer.data = &w;
        if (msec)
                uv_timer_start(&w.timer, on_timeout, msec, 0);
        storage_run_loop(s->manager, &w.done);
        wait_for(s, NULL);
        uv_close((uv_handle_t *)&w.timer, on_timer_closed);
        while (!w.closed)
                loop_run(s->manager->daemon->loop); /* and a loop_stop that came late is spent */
}

void storage_stop(Storage *s)
{
        pthread_mutex_lock(&s->lock);
        s->stopping = true;
        pthread_cond_broadcast(&s->stopped);
        pthread_mutex_unlock(&s->lock);
}

void storage_free(Storage *s)
{
        if (!s)
                return;
        storage_stop(s);
        pthread_join(s->thread, NULL);
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_destroy(&s->sr_locks[i]);
        pthread_cond_destroy(&s->stopped);
        pthread_mutex_destroy(&s->lock);
        shares_free(s->copy_shares);
        endings_free(s->endings);
        g_free(s);
}
