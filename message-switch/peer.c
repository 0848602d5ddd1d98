/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "http-dialect.h"

#define PEER_RECEIVE_BYTES (64u << 10) /* at a time, so that the others get their turn */

static void peer_on_event(uv_poll_t *poll, int status, int events);

static void peer_update_poll(Peer *peer, bool is_writing)
{
        peer->is_writing = is_writing;
        uv_poll_start(&peer->poll, UV_READABLE | (is_writing ? UV_WRITABLE : 0), peer_on_event);
}

static void peer_mark_dirty(Peer *peer)
{
        if (peer->dirty)
                return;
        peer->dirty = true;
        TAILQ_INSERT_TAIL(&peer->manager->dirty, peer, dirty_link);
}

static void peer_unmark_dirty(Peer *peer)
{
        if (peer->dirty)
                TAILQ_REMOVE(&peer->manager->dirty, peer, dirty_link);
        peer->dirty = false;
}

void peer_send(Peer *peer, const char *frame, size_t length, const int *fds, size_t n_fds)
{
        if (peer->state == PEER_GONE) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
                return;
        }
        frame_writer_add_fds(&peer->writer, fds, n_fds);
        frame_writer_add(&peer->writer, frame, length);
        peer->fds_unread += n_fds;
        peer_mark_dirty(peer);
}

void peer_send_own(Peer *peer, FrameKind kind, uint64_t id, BusOutcome outcome, const char *body,
                   size_t body_len)
{
        FrameHeader header = { .magic = FRAME_MAGIC,
                               .kind = (uint8_t)kind,
                               .outcome = (uint8_t)outcome,
                               .body_len = (uint32_t)body_len,
                               .id = id };
        char bytes[FRAME_HEADER_SIZE];
        if (peer->state == PEER_GONE)
                return;
        frame_header_encode(&header, bytes);
        peer_send(peer, bytes, sizeof bytes, NULL, 0);
        if (body_len)
                peer_send(peer, body, body_len, NULL, 0);
        frame_writer_keep(&peer->writer);
}

/* Nobody is charged for refusals: who asks on and on without reading them is cut off. */
void peer_send_error(Peer *peer, uint64_t id, BusOutcome outcome, const char *text)
{
        if (frame_writer_unsent(&peer->writer) > PEER_CHARGE_MAX + PEER_BACKLOG_MAX)
                peer_close(peer, "It does not read what it asked for");
        peer_send_own(peer, FRAME_ERROR, id, outcome, text, strlen(text));
}

/* Descriptors that wait in a socket hold files open and count against everybody's limit, so they are counted until the
 * other side is known to have read all. */
bool peer_has_room_for_fds(Peer *peer, size_t n_fds)
{
        int unread;
        if (peer->fds_unread + n_fds <= PEER_FDS_MAX)
                return true;
        if (frame_writer_unsent(&peer->writer) > 0 || ioctl(peer->socket, SIOCOUTQ, &unread) < 0 ||
            unread > 0)
                return false;
        peer->fds_unread = 0;
        return true;
}

void peer_flush(Peer *peer)
{
        peer_unmark_dirty(peer);
        if (peer->is_writing) {
                frame_writer_keep(&peer->writer);
        } else {
                int r = frame_writer_flush(&peer->writer, peer->socket);
                if (r == -EAGAIN) {
                        peer_update_poll(peer, true);
                } else if (r < 0) {
                        peer_close(peer, g_strerror(-r));
                        return;
                }
        }
        size_t unsent = frame_writer_unsent(&peer->writer);
        peer->manager->held_bytes += unsent - peer->held_bytes;
        peer->held_bytes = unsent;
}

static void peer_on_closed(uv_handle_t *handle)
{
        Peer *peer = handle->data;
        frame_reader_clear(&peer->reader);
        frame_writer_clear(&peer->writer);
        http_dialect_free(peer->http);
        g_free(peer);
}

void peer_close(Peer *peer, const char *why)
{
        if (peer->state == PEER_GONE)
                return;
        Manager *manager = peer->manager;
        Queue *queue;
        log_debug("Connection closed", "PEER", peer->name, "REASON", why, NULL);
        peer->state = PEER_GONE;
        while ((queue = LIST_FIRST(&peer->served)))
                queue_lose_server(queue);
        call_forget_peer(peer);
        trace_forget_peer(manager->trace, peer);
        peer_unmark_dirty(peer);
        deadlines_remove(manager->peer_deadlines, &peer->deadline);
        TAILQ_REMOVE(&manager->peers, peer, link);
        manager->n_peers--;
        manager->n_foreign -= !peer->trusted;
        manager->held_bytes -= peer->held_bytes;
        uv_poll_stop(&peer->poll);
        close(peer->socket);
        uv_close((uv_handle_t *)&peer->poll, peer_on_closed);
}

/* Says why before closing. */
static void peer_fail(Peer *peer, uint64_t id, BusOutcome outcome, const char *text)
{
        log_warning("Connection refused", "PEER", peer->name, "REASON", text, NULL);
        peer_send_error(peer, id, outcome, text);
        if (peer->state != PEER_GONE)
                peer_flush(peer);
        peer_close(peer, text);
}

static void peer_on_hello(Peer *peer, const Frame *frame)
{
        if (peer->state != PEER_SILENT || !frame_name_valid(frame->name, frame->header.name_len)) {
                peer_fail(peer, frame->header.id, BUS_PROTOCOL, "HELLO is not right here");
                return;
        }
        memcpy(peer->name, frame->name, frame->header.name_len);
        g_strlcpy(peer->label, peer->name, sizeof peer->label);
        peer->state = PEER_READY;
        deadlines_remove(peer->manager->peer_deadlines, &peer->deadline);
        peer_send_own(peer, FRAME_OK, frame->header.id, BUS_OK, NULL, 0);
}

/* The newest server of a user is the one: the old one may be stuck, or a socket that has not noticed its owner's end. A
 * name that another user serves is not given away, except to who may do all. */
static void peer_on_serve(Peer *peer, const Frame *frame)
{
        Manager *manager = peer->manager;
        uint64_t id = frame->header.id;
        QueueName name = { .bytes = frame->name, .len = frame->header.name_len };
        char text[FRAME_NAME_MAX + 1] = "";
        memcpy(text, name.bytes, name.len);
        if (!frame_name_valid(name.bytes, name.len)) {
                peer_send_error(peer, id, BUS_PROTOCOL, "This is no name of a queue");
                return;
        }
        Queue *queue = queue_find(manager, name);
        bool taken = queue && queue->server && queue->server->uid != peer->uid && !peer->trusted;
        if (taken || !policy_allows(manager->policy, POLICY_SERVE, text, peer->uid, peer->gid)) {
                log_warning("Claim of a queue denied", "QUEUE", text, "PEER", peer->name, NULL);
                peer_send_error(peer, id, BUS_DENIED,
                                taken ? "Another user serves this queue"
                                      : "The policy does not let you serve this");
                return;
        }
        queue = queue_get(manager, name);
        if (!queue) {
                peer_send_error(peer, id, BUS_OVER_QUOTA, "There are too many queues");
                return;
        }
        peer_send_own(peer, FRAME_OK, id, BUS_OK, NULL, 0);
        queue_serve(queue, peer, id);
}

static void peer_on_frame(Peer *peer, Frame *frame)
{
        uint8_t kind = frame->header.kind;
        if (peer->state == PEER_SILENT && kind != FRAME_HELLO) {
                peer_fail(peer, frame->header.id, BUS_PROTOCOL, "HELLO must come first");
                return;
        }
        switch (kind) {
        case FRAME_CALL:
                call_route(peer, frame);
                break;
        case FRAME_ERROR:
                if (frame->header.outcome == BUS_OK || frame->header.outcome > BUS_PROTOCOL) {
                        peer_fail(peer, frame->header.id, BUS_PROTOCOL, "There is no such outcome");
                        break;
                }
                /* fall through */
        case FRAME_REPLY:
                call_answer(peer, frame);
                break;
        case FRAME_CANCEL:
                call_cancel(peer, frame->header.id);
                break;
        case FRAME_HELLO:
                peer_on_hello(peer, frame);
                break;
        case FRAME_SERVE:
                peer_on_serve(peer, frame);
                break;
        case FRAME_CONTROL:
                control_answer(peer, frame);
                break;
        default:
                peer_fail(peer, frame->header.id, BUS_PROTOCOL, "This kind of frame is not for the switch");
        }
}

/* The frames may lie in the reader's own memory, which is about to move: then they are sent on at once. */
static void peer_walk(Peer *peer)
{
        Frame frame;
        int r = 0;
        while (peer->state != PEER_GONE && (r = frame_reader_next(&peer->reader, &frame)) > 0) {
                peer->manager->counts.frames++;
                peer_on_frame(peer, &frame);
                frame_close_fds(&frame);
        }
        if (peer->state == PEER_GONE)
                return;
        if (r == -EMSGSIZE) {
                peer_fail(peer, frame.header.id, BUS_TOO_LARGE, "The frame is over the limits");
                return;
        }
        if (frame_reader_is_kept(&peer->reader))
                manager_flush(peer->manager);
        if (peer->state == PEER_GONE)
                return;
        if (r == 0)
                r = frame_reader_end(&peer->reader);
        if (r < 0)
                peer_fail(peer, 0, BUS_PROTOCOL, "This is no frame");
}

/* The first byte tells the dialect: no method of HTTP begins as frames do. */
static void peer_sniff(Peer *peer, char first)
{
        peer->state = first == (char)(FRAME_MAGIC & 0xff) ? PEER_SILENT : PEER_HTTP;
        if (peer->state == PEER_HTTP)
                peer->http = http_dialect_new(peer);
}

static void peer_receive(Peer *peer)
{
        Manager *manager = peer->manager;
        if (MANAGER_SPACE_BYTES - manager->space_used < FRAME_READER_SPACE)
                manager_flush(manager);
        if (peer->state == PEER_GONE)
                return;
        size_t room = MIN(MANAGER_SPACE_BYTES - manager->space_used, PEER_RECEIVE_BYTES);
        FrameReader *reader = &peer->reader;
        ssize_t n = frame_reader_receive(reader, peer->socket, manager->space + manager->space_used, room);
        if (n == -EAGAIN)
                return;
        if (n == -EPROTO) {
                peer_fail(peer, 0, BUS_PROTOCOL, "Too many descriptors");
                return;
        }
        if (n <= 0) {
                peer_close(peer, n < 0 ? g_strerror((int)-n) : "It has ended");
                return;
        }
        manager->now_usec = clock_usec();
        manager->counts.bytes += (uint64_t)n;
        if (peer->state == PEER_NEW)
                peer_sniff(peer, reader->bytes[0]);
        if (peer->state == PEER_HTTP) {
                http_dialect_receive(peer->http, reader->bytes, reader->len);
                reader->bytes = NULL;
                return;
        }
        if (!frame_reader_is_kept(reader))
                manager->space_used += (size_t)n;
        peer_walk(peer);
}

static void peer_on_event(uv_poll_t *poll, int status, int events)
{
        Peer *peer = poll->data;
        if (events & UV_WRITABLE) {
                peer_update_poll(peer, false);
                peer_flush(peer);
        }
        if (peer->state != PEER_GONE && (status < 0 || events & ~UV_WRITABLE))
                peer_receive(peer);
        /* On an error libuv has stopped the poll; what the peer had sent before is read before its end is. */
        if (peer->state != PEER_GONE && status < 0)
                peer_update_poll(peer, peer->is_writing);
}

void peer_on_due(Deadline *deadline, void *data)
{
        Peer *peer = (Peer *)((char *)deadline - offsetof(Peer, deadline));
        peer_close(peer, "It did not say what it wants");
}

static bool peer_has_place(const Manager *manager, const struct ucred *who)
{
        return manager->n_peers < MANAGER_PEERS_MAX &&
               (policy_trusts(manager->policy, who->uid) || manager->n_foreign < MANAGER_PEERS_FOREIGN_MAX);
}

void peer_new(Manager *manager, int socket)
{
        struct ucred who;
        socklen_t size = sizeof who;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || !peer_has_place(manager, &who)) {
                log_warning("Connection refused: there are too many", NULL);
                close(socket);
                return;
        }
        Peer *peer = g_new0(Peer, 1);
        int r = uv_poll_init(loop_uv(manager->loop), &peer->poll, socket);
        if (r < 0) {
                log_error("Connection refused", "ERROR", uv_strerror(r), NULL);
                close(socket);
                g_free(peer);
                return;
        }
        peer->manager = manager;
        peer->socket = socket;
        peer->number = ++manager->last_peer_number;
        peer->uid = who.uid;
        peer->gid = who.gid;
        peer->pid = who.pid;
        peer->trusted = policy_trusts(manager->policy, who.uid);
        TAILQ_INIT(&peer->calls);
        TAILQ_INIT(&peer->deliveries);
        LIST_INIT(&peer->served);
        TAILQ_INSERT_TAIL(&manager->peers, peer, link);
        manager->n_peers++;
        manager->n_foreign += !peer->trusted;
        manager->counts.peers++;
        peer->poll.data = peer;
        peer_update_poll(peer, false);
        deadlines_add(manager->peer_deadlines, &peer->deadline, clock_usec() + PEER_HELLO_USEC);
}

void peer_free_all(Manager *manager)
{
        Peer *peer;
        while ((peer = TAILQ_FIRST(&manager->peers)))
                peer_close(peer, "The switch stops");
}
