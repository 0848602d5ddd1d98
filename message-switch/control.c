/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "config.h"
#include "peer.h"

static json_t *control_server(const Peer *server)
{
        if (!server)
                return json_null();
        return json_pack("{s:s, s:i, s:I}", "name", server->name, "pid", (int)server->pid, "uid",
                         (json_int_t)server->uid);
}

static json_t *control_list(Peer *peer, const Frame *frame, const json_t *options)
{
        GHashTableIter iter;
        void *value;
        json_t *queues = json_array();
        g_hash_table_iter_init(&iter, peer->manager->queues);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Queue *queue = value;
                if (queue->ever_served)
                        json_array_append_new(queues, json_pack("{s:s, s:b}", "name", queue->text, "served",
                                                                queue->server != NULL));
        }
        return json_pack("{s:o}", "queues", queues);
}

static json_t *control_queues(Manager *manager)
{
        GHashTableIter iter;
        void *value;
        json_t *queues = json_array();
        g_hash_table_iter_init(&iter, manager->queues);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Queue *queue = value;
                json_array_append_new(queues, json_pack("{s:s, s:o, s:I, s:I}", "name", queue->text, "server",
                                                        control_server(queue->server), "waiting",
                                                        (json_int_t)queue->n_waiting, "delivered",
                                                        (json_int_t)queue->n_calls));
        }
        return queues;
}

static json_t *control_peers(Manager *manager)
{
        const Peer *peer;
        json_t *peers = json_array();
        TAILQ_FOREACH(peer, &manager->peers, link)
        {
                json_array_append_new(
                    peers, json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:I}", "name", peer->name, "pid",
                                     (int)peer->pid, "uid", (json_int_t)peer->uid, "calling",
                                     (json_int_t)peer->n_calls, "serving", (json_int_t)peer->n_deliveries,
                                     "charged_bytes", (json_int_t)peer->charged_bytes, "unsent_bytes",
                                     (json_int_t)frame_writer_unsent(&peer->writer)));
        }
        return peers;
}

static json_t *control_counts(const ManagerCounts *counts)
{
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "calls", (json_int_t)counts->calls,
                         "replies", (json_int_t)counts->replies, "errors", (json_int_t)counts->errors,
                         "cancels", (json_int_t)counts->cancels, "refused", (json_int_t)counts->refused,
                         "late", (json_int_t)counts->late, "peers", (json_int_t)counts->peers, "frames",
                         (json_int_t)counts->frames, "bytes", (json_int_t)counts->bytes);
}

static json_t *control_diagnostics(Peer *peer, const Frame *frame, const json_t *options)
{
        Manager *manager = peer->manager;
        return json_pack("{s:s, s:i, s:I, s:o, s:o, s:I, s:I, s:o}", "version", XAPI_VERSION, "pid",
                         (int)getpid(), "uptime_usec",
                         (json_int_t)(manager->now_usec - manager->started_usec), "queues",
                         control_queues(manager), "peers", control_peers(manager), "calls",
                         (json_int_t)manager->calls.n_used, "held_bytes", (json_int_t)manager->held_bytes,
                         "counts", control_counts(&manager->counts));
}

static json_t *control_tail(Peer *peer, const Frame *frame, const json_t *options)
{
        Trace *trace = peer->manager->trace;
        if (json_is_true(json_object_get(options, "follow")))
                trace_follow(trace, peer, frame->header.id, json_is_true(json_object_get(options, "bodies")));
        return json_pack("{s:o}", "events", trace_events(trace));
}

static json_t *control_shutdown(Peer *peer, const Frame *frame, const json_t *options)
{
        if (!peer->trusted)
                return NULL;
        loop_stop(peer->manager->loop);
        return json_object();
}

static const struct {
        const char *name;
        json_t *(*function)(Peer *peer, const Frame *frame, const json_t *options);
} controls[] = {
        { "list", control_list },
        { "diagnostics", control_diagnostics },
        { "tail", control_tail },
        { "shutdown", control_shutdown },
};

static void control_reply(Peer *peer, uint64_t id, const json_t *answer)
{
        char *text = json_dumps(answer, JSON_COMPACT);
        size_t len = strlen(text);
        if (len <= FRAME_BODY_MAX)
                peer_send_own(peer, FRAME_REPLY, id, BUS_OK, text, len);
        else
                peer_send_error(peer, id, BUS_TOO_LARGE, "The answer is too large");
        free(text);
}

void control_answer(Peer *peer, const Frame *frame)
{
        uint64_t id = frame->header.id;
        if (!policy_allows_control(peer->manager->policy, peer->uid, peer->gid)) {
                peer_send_error(peer, id, BUS_DENIED, "The policy does not let you ask this");
                return;
        }
        if (frame_writer_unsent(&peer->writer) > PEER_CHARGE_MAX) {
                peer_send_error(peer, id, BUS_OVER_QUOTA, "Earlier answers are not read");
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(controls); i++) {
                if (strlen(controls[i].name) != frame->header.name_len ||
                    memcmp(controls[i].name, frame->name, frame->header.name_len) != 0)
                        continue;
                json_t *options = json_loadb(frame->body, frame->header.body_len, 0, NULL);
                json_t *answer = controls[i].function(peer, frame, options);
                if (answer)
                        control_reply(peer, id, answer);
                else
                        peer_send_error(peer, id, BUS_DENIED,
                                        "Only root and the switch's own user may do this");
                json_decref(answer);
                json_decref(options);
                return;
        }
        peer_send_error(peer, id, BUS_NO_SUCH_QUEUE, "There is no such control call");
}
