/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "leftovers.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "disk.h"
#include "memory.h"
#include "message-switch/lib/condition.h"
#include "message-switch/lib/daemon.h"

#define TRY_USEC   (10u * 1000000u) /* that one is waited for, before the next one's turn */
#define RETRY_USEC (1u * 1000000u)  /* between rounds in which nobody answered */
#define DISK       "leftover/disk/" /* VM/DEVICE; a key of the ledger */
#define MEMORY                                                                                               \
        "leftover/memory/" /* VM; nowhere else than here, for squeezed forgets it when xenopsd is another */

struct Leftovers {
        Ledger *ledger;
        Bus *bus;
        pthread_mutex_t lock; /* of what follows; not held while somebody is asked */
        pthread_cond_t changed;
        GQueue keys;   /* char *, owned; the next one first */
        char *current; /* the one that is being asked for, in `keys` no more; NULL: none */
        bool claimed;  /* the current one */
        Cancel cancel; /* of the current one's call */
        bool stopping, running;
        pthread_t thread;
};

static bool is_disk(const char *key)
{
        return g_str_has_prefix(key, DISK);
}

/* Without the lock. True: it is one no more. */
static bool ask(Leftovers *leftovers, const char *key)
{
        if (!is_disk(key))
                return memory_reclaim(leftovers->bus, &leftovers->cancel, TRY_USEC, key + strlen(MEMORY));
        g_auto(GStrv) names = g_strsplit(key + strlen(DISK), "/", 2);
        return disk_reclaim(leftovers->bus, &leftovers->cancel, TRY_USEC, names[0], names[1]);
}

/* With the lock, as what follows. */
static void forget(Leftovers *leftovers, const char *key)
{
        int r = is_disk(key) ? ledger_remove(leftovers->ledger, key) : 0;
        if (r < 0)
                log_error("A leftover cannot be forgotten", "KEY", key, "ERROR", g_strerror(-r), NULL);
}

/* True: somebody answered. */
static bool ask_first(Leftovers *leftovers)
{
        leftovers->current = g_queue_pop_head(&leftovers->keys);
        leftovers->claimed = false;
        cancel_init(&leftovers->cancel);
        pthread_mutex_unlock(&leftovers->lock);
        bool gone = ask(leftovers, leftovers->current);
        pthread_mutex_lock(&leftovers->lock);
        cancel_destroy(&leftovers->cancel);
        char *key = g_steal_pointer(&leftovers->current);
        if (gone && !leftovers->claimed)
                forget(leftovers, key);
        if (gone || leftovers->claimed)
                g_free(key);
        else
                g_queue_push_tail(&leftovers->keys, key);
        pthread_cond_broadcast(&leftovers->changed);
        return gone || leftovers->claimed;
}

static void *leftovers_main(void *data)
{
        Leftovers *leftovers = data;
        guint silent = 0; /* so many in a row did not answer */
        pthread_mutex_lock(&leftovers->lock);
        while (!leftovers->stopping) {
                if (g_queue_is_empty(&leftovers->keys)) {
                        pthread_cond_wait(&leftovers->changed, &leftovers->lock);
                        continue;
                }
                silent = ask_first(leftovers) ? 0 : silent + 1;
                uint64_t until = clock_usec() + RETRY_USEC;
                while (silent >= g_queue_get_length(&leftovers->keys) && silent > 0 && !leftovers->stopping &&
                       condition_wait(&leftovers->changed, &leftovers->lock, until) == 0)
                        ;
                if (silent >= g_queue_get_length(&leftovers->keys))
                        silent = 0;
        }
        pthread_mutex_unlock(&leftovers->lock);
        return NULL;
}

static void run(Leftovers *leftovers)
{
        if (leftovers->running || leftovers->stopping)
                return;
        int r = pthread_create(&leftovers->thread, NULL, leftovers_main, leftovers);
        leftovers->running = r == 0;
        if (r != 0)
                log_error("Leftovers wait for a thread", "ERROR", g_strerror(r), NULL);
}

static GList *find(Leftovers *leftovers, const char *key)
{
        return g_queue_find_custom(&leftovers->keys, key, (GCompareFunc)strcmp);
}

static bool is_current(Leftovers *leftovers, const char *key)
{
        return leftovers->current && g_str_equal(leftovers->current, key);
}

/* Takes the key. */
static void add(Leftovers *leftovers, char *key)
{
        pthread_mutex_lock(&leftovers->lock);
        bool known = find(leftovers, key) || is_current(leftovers, key);
        int r = known || !is_disk(key) ? 0 : ledger_put(leftovers->ledger, key, "1");
        if (r < 0)
                log_error("A leftover cannot be written down", "KEY", key, "ERROR", g_strerror(-r), NULL);
        if (!known && leftovers->bus)
                g_queue_push_tail(&leftovers->keys, g_steal_pointer(&key));
        run(leftovers);
        pthread_cond_broadcast(&leftovers->changed);
        pthread_mutex_unlock(&leftovers->lock);
        g_free(key);
}

/* Takes the key. */
static void claim(Leftovers *leftovers, char *key)
{
        pthread_mutex_lock(&leftovers->lock);
        GList *link = find(leftovers, key);
        bool current = is_current(leftovers, key);
        if (link || current)
                forget(leftovers, key);
        if (link) {
                g_free(link->data);
                g_queue_delete_link(&leftovers->keys, link);
        }
        if (current) {
                leftovers->claimed = true;
                cancel_ask(&leftovers->cancel);
        }
        while (is_current(leftovers, key))
                pthread_cond_wait(&leftovers->changed, &leftovers->lock);
        pthread_mutex_unlock(&leftovers->lock);
        g_free(key);
}

Leftovers *leftovers_new(Ledger *ledger, Bus *bus)
{
        Leftovers *leftovers = g_new0(Leftovers, 1);
        leftovers->ledger = ledger;
        leftovers->bus = bus;
        pthread_mutex_init(&leftovers->lock, NULL);
        condition_init(&leftovers->changed);
        g_queue_init(&leftovers->keys);
        g_auto(GStrv) keys = ledger_keys(ledger, DISK);
        pthread_mutex_lock(&leftovers->lock);
        for (char **key = keys; bus && *key; key++)
                g_queue_push_tail(&leftovers->keys, g_strdup(*key));
        if (!g_queue_is_empty(&leftovers->keys))
                run(leftovers);
        pthread_mutex_unlock(&leftovers->lock);
        return leftovers;
}

void leftovers_stop(Leftovers *leftovers)
{
        pthread_mutex_lock(&leftovers->lock);
        bool join = leftovers->running;
        leftovers->stopping = true;
        leftovers->running = false;
        if (leftovers->current)
                cancel_ask(&leftovers->cancel);
        pthread_cond_broadcast(&leftovers->changed);
        pthread_mutex_unlock(&leftovers->lock);
        if (join)
                pthread_join(leftovers->thread, NULL);
}

void leftovers_free(Leftovers *leftovers)
{
        if (!leftovers)
                return;
        leftovers_stop(leftovers);
        g_queue_clear_full(&leftovers->keys, g_free);
        pthread_cond_destroy(&leftovers->changed);
        pthread_mutex_destroy(&leftovers->lock);
        g_free(leftovers);
}

void leftovers_add_disk(Leftovers *leftovers, const char *vm, const char *device)
{
        add(leftovers, g_strconcat(DISK, vm, "/", device, NULL));
}

void leftovers_add_memory(Leftovers *leftovers, const char *vm)
{
        add(leftovers, g_strconcat(MEMORY, vm, NULL));
}

void leftovers_claim_disk(Leftovers *leftovers, const char *vm, const char *device)
{
        claim(leftovers, g_strconcat(DISK, vm, "/", device, NULL));
}

void leftovers_claim_memory(Leftovers *leftovers, const char *vm)
{
        claim(leftovers, g_strconcat(MEMORY, vm, NULL));
}

bool leftovers_has_disk(Leftovers *leftovers, const char *vm, const char *device)
{
        g_autofree char *key = g_strconcat(DISK, vm, "/", device, NULL);
        pthread_mutex_lock(&leftovers->lock);
        bool has = find(leftovers, key) || is_current(leftovers, key);
        pthread_mutex_unlock(&leftovers->lock);
        return has;
}

size_t leftovers_length(Leftovers *leftovers)
{
        pthread_mutex_lock(&leftovers->lock);
        size_t length = g_queue_get_length(&leftovers->keys) + (leftovers->current != NULL);
        pthread_mutex_unlock(&leftovers->lock);
        return length;
}
