/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus-private.h"
#include "daemon.h"

#define BUS_SPACE_BYTES        (64u << 10) /* received at a time */
#define BUS_RECONNECT_MIN_MSEC 1u
#define BUS_RECONNECT_MAX_MSEC 100u

static void bus_connect(Bus *bus);

bool bus_is_corked_here(Bus *bus)
{
        return bus->corked && loop_is_here(bus->loop);
}

static void bus_on_event(uv_poll_t *poll, int status, int events);

static void bus_update_poll(Bus *bus)
{
        if (bus->poll)
                uv_poll_start(bus->poll, UV_READABLE | (bus->wants_write ? UV_WRITABLE : 0), bus_on_event);
}

/* A socket that failed is left to the reading side, which learns the same and has the loop to itself. */
static void bus_flush(Bus *bus)
{
        bool full = frame_writer_flush(&bus->writer, bus->socket) == -EAGAIN;
        bus_calls_flushed(bus);
        if (full == bus->wants_write)
                return;
        bus->wants_write = full;
        if (loop_is_here(bus->loop))
                bus_update_poll(bus);
        else if (full)
                uv_async_send(&bus->wake);
}

void bus_send(Bus *bus, const Buffer *frame, const int *fds, size_t n_fds)
{
        frame_writer_add_fds(&bus->writer, fds, n_fds);
        frame_writer_add(&bus->writer, frame->data, frame->len);
        if (bus_is_corked_here(bus) || bus->wants_write)
                frame_writer_keep(&bus->writer);
        else
                bus_flush(bus);
}

static void bus_send_named(Bus *bus, FrameKind kind, uint64_t id, const char *name)
{
        auto_buffer frame = { 0 };
        FrameHeader header = { .kind = (uint8_t)kind, .id = id };
        bus_message_begin(&frame, name);
        bus_message_end(&frame, &header, name);
        bus_send(bus, &frame, NULL, 0);
}

void bus_send_short(Bus *bus, FrameKind kind, uint64_t id)
{
        bus_send_named(bus, kind, id, "");
}

static void bus_tell_state(Bus *bus, bool connected)
{
        if (bus->on_state)
                bus->on_state(connected, bus->on_state_data);
}

static void bus_on_hello(Bus *bus)
{
        pthread_mutex_lock(&bus->lock);
        bus->connected = true;
        bus_calls_connected(bus);
        pthread_mutex_unlock(&bus->lock);
        bus->reconnect_msec = BUS_RECONNECT_MIN_MSEC;
        bus->reported = false;
        bus_tell_state(bus, true);
}

/* An error that is no call's: about HELLO, or about a queue that we want to serve. */
static void bus_on_complaint(Bus *bus, const Frame *frame)
{
        uint64_t place = frame->header.id - BUS_ID_SERVE;
        g_autofree char *text = g_strndup(frame->body, frame->header.body_len);
        if (frame->header.id >= BUS_ID_SERVE && place < bus->serves->len) {
                const BusServe *serve = bus->serves->pdata[place];
                log_warning("Queue is not ours to serve", "QUEUE", serve->queue, "REASON", text, NULL);
        } else {
                log_warning("The switch complains", "REASON", text, NULL);
        }
}

static void bus_on_frame(Bus *bus, Frame *frame)
{
        switch (frame->header.kind) {
        case FRAME_CALL:
                bus_requests_on_call(bus, frame);
                break;
        case FRAME_CANCEL:
                bus_requests_cancel(bus, frame->header.id);
                break;
        case FRAME_OK:
                if (frame->header.id == BUS_ID_HELLO && !bus->connected)
                        bus_on_hello(bus);
                break;
        case FRAME_REPLY:
        case FRAME_ERROR:
                if (frame->header.id > UINT32_MAX)
                        bus_calls_on_answer(bus, frame);
                else
                        bus_on_complaint(bus, frame);
                break;
        default:
                break; /* a newer switch's */
        }
        frame_close_fds(frame);
}

static void bus_cork(Bus *bus)
{
        pthread_mutex_lock(&bus->lock);
        bus->corked = true;
        pthread_mutex_unlock(&bus->lock);
}

/* Threads whose calls ended are woken all at once, when the loop is done with what it received. */
static void bus_uncork(Bus *bus)
{
        BusPendings ended = TAILQ_HEAD_INITIALIZER(ended);
        pthread_mutex_lock(&bus->lock);
        bus->corked = false;
        if (bus->socket >= 0 && frame_writer_unsent(&bus->writer))
                bus_flush(bus);
        bus_calls_take_ended(bus, &ended);
        pthread_mutex_unlock(&bus->lock);
        bus_calls_wake(&ended);
}

/* A callback may close the bus, which clears the reader: then there is no next frame. */
static int bus_walk(Bus *bus)
{
        int r;
        Frame frame;
        bus_cork(bus);
        while ((r = frame_reader_next(&bus->reader, &frame)) > 0)
                bus_on_frame(bus, &frame);
        bus_uncork(bus);
        if (r == 0)
                r = frame_reader_end(&bus->reader);
        return r;
}

static void bus_free_handle(uv_handle_t *handle)
{
        g_free(handle);
}

/* On the loop, with the lock held. */
static void bus_drop_socket(Bus *bus)
{
        uv_poll_stop(bus->poll);
        uv_close((uv_handle_t *)bus->poll, bus_free_handle);
        bus->poll = NULL;
        close(bus->socket);
        bus->socket = -1;
        bus->connected = bus->wants_write = false;
        bus_calls_flushed(bus);
        frame_writer_clear(&bus->writer);
        bus_calls_disconnected(bus);
        bus_requests_disconnected(bus);
}

static void bus_on_reconnect_timer(uv_timer_t *timer)
{
        bus_connect(timer->data);
}

/* Waits longer each time, until a HELLO is answered. */
static void bus_connect_later(Bus *bus, int error)
{
        if (!bus->reported)
                log_info("Waiting for the switch", "PATH", bus->path, "REASON", g_strerror(error), NULL);
        bus->reported = true;
        uv_timer_start(&bus->reconnect_timer, bus_on_reconnect_timer, bus->reconnect_msec, 0);
        bus->reconnect_msec = MIN(bus->reconnect_msec * 2, BUS_RECONNECT_MAX_MSEC);
}

static void bus_disconnect(Bus *bus, const char *why)
{
        if (bus->socket < 0)
                return; /* closed by a callback */
        bool connected = bus->connected;
        BusPendings ended = TAILQ_HEAD_INITIALIZER(ended);
        pthread_mutex_lock(&bus->lock);
        bus_drop_socket(bus);
        bus_calls_take_ended(bus, &ended);
        pthread_mutex_unlock(&bus->lock);
        bus_calls_wake(&ended);
        frame_reader_clear(&bus->reader);
        if (connected) {
                log_warning("Lost the switch", "REASON", why, NULL);
                bus->reported = true;
                bus_tell_state(bus, false);
        }
        bus_calls_run_finished(bus);
        if (!bus->closed)
                bus_connect_later(bus, ECONNRESET);
}

static void bus_receive(Bus *bus)
{
        ssize_t n = frame_reader_receive(&bus->reader, bus->socket, bus->space, BUS_SPACE_BYTES);
        if (n == -EAGAIN)
                return;
        int r = n > 0 ? bus_walk(bus) : (int)n;
        if (n <= 0 || r < 0)
                bus_disconnect(bus, n == 0 ? "The switch has closed the connection" : g_strerror(-r));
}

static void bus_on_event(uv_poll_t *poll, int status, int events)
{
        Bus *bus = poll->data;
        if (events & UV_WRITABLE) {
                pthread_mutex_lock(&bus->lock);
                bus_flush(bus);
                pthread_mutex_unlock(&bus->lock);
        }
        if (status < 0 || events & ~UV_WRITABLE)
                bus_receive(bus);
        /* On an error libuv has stopped the poll; what the switch had sent before is read before its end is. */
        if (status < 0)
                bus_update_poll(bus);
}

static int bus_open_socket(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

static void bus_connect(Bus *bus)
{
        int fd = bus_open_socket(bus->path);
        if (fd < 0) {
                bus_connect_later(bus, -fd);
                return;
        }
        uv_poll_t *poll = g_new0(uv_poll_t, 1);
        int r = uv_poll_init(loop_uv(bus->loop), poll, fd);
        if (r < 0) {
                g_free(poll);
                close(fd);
                bus_connect_later(bus, -r);
                return;
        }
        poll->data = bus;
        bus->poll = poll;
        pthread_mutex_lock(&bus->lock);
        bus->socket = fd;
        bus->connection++;
        bus_send_named(bus, FRAME_HELLO, BUS_ID_HELLO, bus->name);
        for (guint i = 0; i < bus->serves->len; i++)
                bus_send_named(bus, FRAME_SERVE, BUS_ID_SERVE + i,
                               ((BusServe *)bus->serves->pdata[i])->queue);
        bus_update_poll(bus);
        pthread_mutex_unlock(&bus->lock);
}

/* Another thread found the socket full, or ended a call of the loop's. */
static void bus_on_wake(uv_async_t *wake)
{
        Bus *bus = wake->data;
        pthread_mutex_lock(&bus->lock);
        bus_update_poll(bus);
        pthread_mutex_unlock(&bus->lock);
        bus_calls_run_finished(bus);
}

static void bus_free_serve(void *data)
{
        BusServe *serve = data;
        g_free(serve->queue);
        g_free(serve);
}

Bus *bus_new(Loop *loop, const char *socket_path, const char *name)
{
        assert(frame_name_valid(name, strlen(name)));
        Bus *bus = g_new0(Bus, 1);
        bus->loop = loop;
        bus->path = g_strdup(socket_path);
        bus->name = g_strdup(name);
        bus->socket = -1;
        pthread_mutex_init(&bus->lock, NULL);
        TAILQ_INIT(&bus->unsent);
        TAILQ_INIT(&bus->ended);
        TAILQ_INIT(&bus->finished);
        LIST_INIT(&bus->requests);
        bus->space = g_malloc(BUS_SPACE_BYTES);
        bus->serves = g_ptr_array_new_with_free_func(bus_free_serve);
        bus->reconnect_msec = BUS_RECONNECT_MIN_MSEC;
        bus->deadlines = deadlines_new(loop, bus_calls_on_due, bus);
        uv_timer_init(loop_uv(loop), &bus->reconnect_timer);
        uv_async_init(loop_uv(loop), &bus->wake, bus_on_wake);
        bus->n_handles = 2;
        bus->reconnect_timer.data = bus->wake.data = bus;
        bus_connect(bus);
        return bus;
}

bool bus_connected(Bus *bus)
{
        pthread_mutex_lock(&bus->lock);
        bool connected = bus->connected;
        pthread_mutex_unlock(&bus->lock);
        return connected;
}

void bus_on_state(Bus *bus, void (*function)(bool connected, void *data), void *data)
{
        bus->on_state = function;
        bus->on_state_data = data;
}

void bus_serve(Bus *bus, const char *queue, void (*function)(BusRequest *request, void *data), void *data)
{
        assert(frame_name_valid(queue, strlen(queue)));
        BusServe *serve = g_new(BusServe, 1);
        *serve = (BusServe){ .queue = g_strdup(queue), .function = function, .data = data };
        g_ptr_array_add(bus->serves, serve);
        pthread_mutex_lock(&bus->lock);
        if (bus->socket >= 0)
                bus_send_named(bus, FRAME_SERVE, BUS_ID_SERVE + bus->serves->len - 1, queue);
        pthread_mutex_unlock(&bus->lock);
}

void bus_close(Bus *bus)
{
        BusPendings ended = TAILQ_HEAD_INITIALIZER(ended);
        pthread_mutex_lock(&bus->lock);
        bus->closed = true;
        if (bus->socket >= 0)
                bus_drop_socket(bus);
        else
                bus_calls_disconnected(bus);
        bus_calls_take_ended(bus, &ended);
        pthread_mutex_unlock(&bus->lock);
        bus_calls_wake(&ended);
        frame_reader_clear(&bus->reader);
        uv_timer_stop(&bus->reconnect_timer);
        bus_calls_run_finished(bus);
}

static void bus_on_handle_closed(uv_handle_t *handle)
{
        Bus *bus = handle->data;
        if (--bus->n_handles > 0)
                return;
        pthread_mutex_destroy(&bus->lock);
        g_free(bus);
}

void bus_free(Bus *bus)
{
        if (!bus)
                return;
        bus_close(bus);
        bus_requests_orphan(bus);
        slots_clear(&bus->slots);
        deadlines_free(bus->deadlines);
        g_ptr_array_unref(bus->serves);
        g_free(bus->space);
        g_free(bus->path);
        g_free(bus->name);
        uv_close((uv_handle_t *)&bus->reconnect_timer, bus_on_handle_closed);
        uv_close((uv_handle_t *)&bus->wake, bus_on_handle_closed);
}
