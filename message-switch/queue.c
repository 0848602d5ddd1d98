/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <assert.h>
#include <string.h>

#include "daemon.h"
#include "peer.h"

guint queue_name_hash(const void *data)
{
        const QueueName *name = data;
        guint hash = 5381;
        for (size_t i = 0; i < name->len; i++)
                hash = hash * 33 + (unsigned char)name->bytes[i];
        return hash;
}

gboolean queue_name_equal(const void *a, const void *b)
{
        const QueueName *x = a, *y = b;
        return x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0;
}

Queue *queue_find(Manager *manager, QueueName name)
{
        return g_hash_table_lookup(manager->queues, &name);
}

Queue *queue_get(Manager *manager, QueueName name)
{
        Queue *queue = queue_find(manager, name);
        if (queue)
                return queue;
        if (g_hash_table_size(manager->queues) >= MANAGER_QUEUES_MAX)
                return NULL;
        queue = g_new0(Queue, 1);
        queue->manager = manager;
        memcpy(queue->text, name.bytes, name.len);
        queue->name = (QueueName){ .bytes = queue->text, .len = name.len };
        TAILQ_INIT(&queue->waiting);
        g_hash_table_insert(manager->queues, &queue->name, queue);
        return queue;
}

void queue_free(void *data)
{
        Queue *queue = data;
        assert(TAILQ_EMPTY(&queue->waiting) && !queue->server);
        g_free(queue);
}

static void queue_tell_replaced(Queue *queue, const Peer *by)
{
        g_autofree char *text = g_strdup_printf("Process %d now serves %s", (int)by->pid, queue->text);
        log_warning("Another server has taken over", "QUEUE", queue->text, "OLD", queue->server->name, "NEW",
                    by->name, NULL);
        peer_send_error(queue->server, queue->serve_id, BUS_DENIED, text);
}

void queue_serve(Queue *queue, Peer *peer, uint64_t serve_id)
{
        if (queue->server) {
                if (queue->server != peer)
                        queue_tell_replaced(queue, peer);
                queue_lose_server(queue);
        }
        queue->server = peer;
        queue->serve_id = serve_id;
        LIST_INSERT_HEAD(&peer->served, queue, served_link);
        if (!queue->ever_served) {
                queue->ever_served = true;
                names_add(queue->manager->names, queue->text);
        }
        Call *call;
        while ((call = TAILQ_FIRST(&queue->waiting)))
                call_deliver(call, peer);
}

void queue_lose_server(Queue *queue)
{
        LIST_REMOVE(queue, served_link);
        queue->server = NULL;
}

static gboolean queue_is_unknown(void *key, void *value, void *data)
{
        Queue *queue = value;
        if (queue->ever_served)
                return FALSE;
        Call *call;
        while ((call = TAILQ_FIRST(&queue->waiting)))
                call_fail(call, BUS_NO_SUCH_QUEUE, "Nobody has ever served this queue");
        return TRUE;
}

void queue_end_grace(Manager *manager)
{
        Peer *peer;
        manager->in_grace = false;
        TAILQ_FOREACH(peer, &manager->peers, link)
        {
                peer->last_queue = NULL;
        }
        g_hash_table_foreach_remove(manager->queues, queue_is_unknown, NULL);
}

void queue_learn(const char *text, void *data)
{
        Queue *queue = queue_get(data, (QueueName){ .bytes = text, .len = strlen(text) });
        if (queue)
                queue->ever_served = true;
}
