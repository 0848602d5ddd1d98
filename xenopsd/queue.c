/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include <glib.h>

/* Exists while a job of the VM runs or waits. */
typedef struct Queue {
        Queues *queues;
        char *vm;
        Job *running;
        Job *head, *tail; /* urgent ones first */
        Job *last_urgent;
        size_t n_waiting;
        bool idle; /* no thread was free for it */
        struct Queue *next_idle;
} Queue;

struct Queues {
        Workers *workers;
        pthread_mutex_t lock;
        GHashTable *by_vm; /* Queue.vm -> Queue */
        Queue *idle, *last_idle;
        size_t length;
};

Queues *queues_new(Workers *workers)
{
        Queues *queues = g_new0(Queues, 1);
        queues->workers = workers;
        pthread_mutex_init(&queues->lock, NULL);
        queues->by_vm = g_hash_table_new(g_str_hash, g_str_equal);
        return queues;
}

void queues_free(Queues *queues)
{
        if (!queues)
                return;
        assert(g_hash_table_size(queues->by_vm) == 0);
        g_hash_table_destroy(queues->by_vm);
        pthread_mutex_destroy(&queues->lock);
        g_free(queues);
}

static void queue_append(Queue *queue, Job *job)
{
        Job **place = job->urgent ? (queue->last_urgent ? &queue->last_urgent->next : &queue->head)
                                  : (queue->tail ? &queue->tail->next : &queue->head);
        job->next = *place;
        *place = job;
        if (!job->next)
                queue->tail = job;
        if (job->urgent)
                queue->last_urgent = job;
        else
                queue->n_waiting++;
}

static Job *queue_take(Queue *queue)
{
        Job *job = queue->head;
        if (!job)
                return NULL;
        queue->head = job->next;
        if (queue->tail == job)
                queue->tail = NULL;
        if (queue->last_urgent == job)
                queue->last_urgent = NULL;
        if (!job->urgent)
                queue->n_waiting--;
        return job;
}

/* With the lock, as what follows. */
static void idle_append(Queues *queues, Queue *queue)
{
        queue->idle = true;
        if (queues->idle)
                queues->last_idle->next_idle = queue;
        else
                queues->idle = queue;
        queues->last_idle = queue;
}

static void idle_remove(Queues *queues, Queue *queue)
{
        Queue *before = NULL;
        for (Queue *other = queues->idle; other != queue; other = other->next_idle)
                before = other;
        if (before)
                before->next_idle = queue->next_idle;
        else
                queues->idle = queue->next_idle;
        if (queues->last_idle == queue)
                queues->last_idle = before;
        queue->idle = false;
        queue->next_idle = NULL;
}

/* Until there is none left. */
static void queue_work(Queues *queues, Queue *queue)
{
        Job *job;
        while ((job = queue_take(queue))) {
                queue->running = job;
                pthread_mutex_unlock(&queues->lock);
                job->run(job);
                pthread_mutex_lock(&queues->lock);
                queue->running = NULL;
                queues->length--;
                pthread_mutex_unlock(&queues->lock);
                job->free(job);
                pthread_mutex_lock(&queues->lock);
        }
        g_hash_table_remove(queues->by_vm, queue->vm);
        g_free(queue->vm);
        g_free(queue);
}

static void queue_run(void *data)
{
        Queue *queue = data;
        Queues *queues = queue->queues;
        pthread_mutex_lock(&queues->lock);
        for (; queue; queue = queues->idle) {
                if (queue->idle)
                        idle_remove(queues, queue);
                queue_work(queues, queue);
        }
        pthread_mutex_unlock(&queues->lock);
}

/* With the lock: for one that waits for a thread, or is new. */
static bool queue_begin(Queue *queue, bool urgent)
{
        if (!workers_run(queue->queues->workers, urgent, queue_run, queue))
                return false;
        if (queue->idle)
                idle_remove(queue->queues, queue);
        return true;
}

void queues_kick(Queues *queues)
{
        pthread_mutex_lock(&queues->lock);
        while (queues->idle && queue_begin(queues->idle, false))
                ;
        pthread_mutex_unlock(&queues->lock);
}

int queues_push(Queues *queues, const char *vm, Job *job)
{
        pthread_mutex_lock(&queues->lock);
        Queue *queue = g_hash_table_lookup(queues->by_vm, vm);
        int r;
        if (queue) {
                if (!job->urgent && !job->owed && queue->n_waiting >= QUEUE_JOBS_MAX) {
                        r = -EAGAIN;
                        goto out;
                }
                queue_append(queue, job);
                if (job->urgent && queue->running && queue->running->overtake)
                        queue->running->overtake(queue->running);
                if (job->urgent && queue->idle)
                        queue_begin(queue, true);
        } else {
                queue = g_new0(Queue, 1);
                queue->queues = queues;
                queue->vm = g_strdup(vm);
                queue_append(queue, job);
                bool begun = queue_begin(queue, job->urgent);
                if (!begun && !job->owed) {
                        g_free(queue->vm);
                        g_free(queue);
                        r = -EAGAIN;
                        goto out;
                }
                g_hash_table_insert(queues->by_vm, queue->vm, queue);
                if (!begun)
                        idle_append(queues, queue);
        }
        queues->length++;
        r = 0;
out:
        pthread_mutex_unlock(&queues->lock);
        return r;
}

size_t queues_length(Queues *queues)
{
        pthread_mutex_lock(&queues->lock);
        size_t length = queues->length;
        pthread_mutex_unlock(&queues->lock);
        return length;
}
