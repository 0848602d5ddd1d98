/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
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
        void (*on_ready)(void *data);
        void *on_ready_data;
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

/* ---- the thread ---- */

static void say_ready(Storage *s)
{
        void (*function)(void *data);
        void *data;

        pthread_mutex_lock(&s->lock);
        function = s->on_ready;
        data = s->on_ready_data;
        s->on_ready = NULL;
        pthread_mutex_unlock(&s->lock);
        if (function)
                function(data);
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
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += AGAIN_MSEC * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&s->lock);
        if (!s->stopping)
                pthread_cond_timedwait(&s->stopped, &s->lock, &until);
        pthread_mutex_unlock(&s->lock);
}

static void *run(void *user)
{
        Storage *s = user;

        while (!storage_stopping(s)) {
                if (!storage_drivers_update(s->manager)) {
                        wait_a_little(s);
                        continue;
                }
                plug_all(s);
                if (storage_stopping(s))
                        break;
                say_ready(s);
                follow(s);
        }
        return NULL;
}

Storage *storage_new(Manager *manager)
{
        Storage *s = g_new0(Storage, 1);

        s->manager = manager;
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->stopped, NULL);
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_init(&s->sr_locks[i], NULL);
        if (pthread_create(&s->thread, NULL, run, s) != 0)
                abort();
        return s;
}

void storage_on_first_ready(Storage *s, void (*function)(void *data), void *data)
{
        pthread_mutex_lock(&s->lock);
        s->on_ready = function;
        s->on_ready_data = data;
        pthread_mutex_unlock(&s->lock);
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
        g_free(s);
}
