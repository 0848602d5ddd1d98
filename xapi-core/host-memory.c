/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bus/memory.h"
#include "condition.h"
#include "daemon.h"
#include "xenapi.h"

#define FOLLOW_SEC 5
#define CALL_USEC  (UINT64_C(10) * 1000000)
#define NEWS_KIB   1024 /* less is not worth an event */

struct HostMemory {
        Manager *manager;
        pthread_t thread;
        pthread_mutex_t lock; /* of what follows; innermost */
        pthread_cond_t changed;
        bool stopping;
};

static bool is_news(int64_t before_bytes, int64_t now_kib)
{
        return llabs(before_bytes / 1024 - now_kib) >= NEWS_KIB;
}

static void fold(Manager *m, const MemoryHostMemory *memory)
{
        g_autoptr(XapiError) error = NULL;
        Txn *txn = txn_begin(m->store);
        const HostRow *host = (const HostRow *)txn_get(txn, &CLASS_HOST, m->host);
        const HostMetricsRow *old =
            host ? (const HostMetricsRow *)txn_get(txn, &CLASS_HOST_METRICS, host->metrics) : NULL;

        if (!old || (!is_news(old->memory_total, memory->total_kib) &&
                     !is_news(old->memory_free, memory->free_kib))) {
                txn_abort(txn);
                return;
        }
        HostMetricsRow *metrics = (HostMetricsRow *)txn_edit(txn, &CLASS_HOST_METRICS, host->metrics);
        metrics->memory_total = memory->total_kib * 1024;
        metrics->memory_free = memory->free_kib * 1024;
        metrics->last_updated = time(NULL);
        txn_commit(txn, NULL, NULL);
}

static void *follow(void *data)
{
        HostMemory *h = data;
        bool stopping = false;

        while (!stopping) {
                MemoryHostMemory memory;
                MemoryError *e = NULL;
                uint64_t until_usec;

                if (!memory_get_host_memory(h->manager->daemon->bus, CALL_USEC, "host memory", &memory, &e))
                        memory_error_free(e);
                else if (memory.total_kib > 0)
                        fold(h->manager, &memory);
                until_usec = clock_usec() + FOLLOW_SEC * UINT64_C(1000000);
                pthread_mutex_lock(&h->lock);
                while (!h->stopping && condition_wait(&h->changed, &h->lock, until_usec) != ETIMEDOUT)
                        ;
                stopping = h->stopping;
                pthread_mutex_unlock(&h->lock);
        }
        return NULL;
}

HostMemory *host_memory_new(Manager *manager)
{
        HostMemory *h = g_new0(HostMemory, 1);

        h->manager = manager;
        pthread_mutex_init(&h->lock, NULL);
        condition_init(&h->changed);
        if (pthread_create(&h->thread, NULL, follow, h) != 0)
                abort();
        return h;
}

void host_memory_stop(HostMemory *h)
{
        pthread_mutex_lock(&h->lock);
        h->stopping = true;
        pthread_cond_broadcast(&h->changed);
        pthread_mutex_unlock(&h->lock);
}

void host_memory_free(HostMemory *h)
{
        if (!h)
                return;
        host_memory_stop(h);
        pthread_join(h->thread, NULL);
        pthread_cond_destroy(&h->changed);
        pthread_mutex_destroy(&h->lock);
        g_free(h);
}
