/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A context of libxl's on the loop, which hears of the ends of domains and of what guests eject. All of it runs on the loop's thread. */
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <fcntl.h>
#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "xenlight.h"

struct XlEvents {
        Xenlight *xenlight;
        XlLog *log;
        libxl_ctx *ctx;
        GHashTable *watched; /* domid -> Watched */
};

/* What a domain's events are generated from. */
typedef struct Watched {
        XlEvents *events;
        libxl_evgen_domain_death *death; /* NULL: it could not be made */
        GPtrArray *ejects;               /* of libxl_evgen_disk_eject */
} Watched;

typedef struct Poll {
        uv_poll_t handle; /* first */
        XlEvents *events;
        int fd;     /* libxl's */
        int own_fd; /* the same, because libxl may want one twice, which libuv would refuse */
        void *for_libxl;
} Poll;

typedef struct Timeout {
        uv_timer_t handle; /* first */
        XlEvents *events;
        void *for_libxl;
} Timeout;

/* ---- file descriptors ---- */

static void on_poll(uv_poll_t *handle, int status, int happened)
{
        Poll *poll = (Poll *)handle;
        short revents = 0;
        if (happened & UV_READABLE)
                revents |= POLLIN;
        if (happened & UV_WRITABLE)
                revents |= POLLOUT;
        if (happened & UV_PRIORITIZED)
                revents |= POLLPRI;
        if (status < 0)
                revents |= POLLERR;
        libxl_osevent_occurred_fd(poll->events->ctx, poll->for_libxl, poll->fd, POLLIN | POLLOUT | POLLPRI,
                                  revents);
}

static void poll_arm(Poll *poll, short events)
{
        int wanted = (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0) |
                     (events & POLLPRI ? UV_PRIORITIZED : 0);
        if (wanted)
                uv_poll_start(&poll->handle, wanted, on_poll);
        else
                uv_poll_stop(&poll->handle);
}

static void on_poll_closed(uv_handle_t *handle)
{
        Poll *poll = (Poll *)handle;
        close(poll->own_fd);
        g_free(poll);
}

static int fd_register(void *user, int fd, void **registration, short wanted, void *for_libxl)
{
        XlEvents *events = user;
        int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (own_fd < 0)
                return ERROR_OSEVENT_REG_FAIL;
        Poll *poll = g_new0(Poll, 1);
        *poll = (Poll){ .events = events, .fd = fd, .own_fd = own_fd, .for_libxl = for_libxl };
        if (uv_poll_init(loop_uv(events->xenlight->backend.loop), &poll->handle, own_fd) < 0) {
                close(own_fd);
                g_free(poll);
                return ERROR_OSEVENT_REG_FAIL;
        }
        poll_arm(poll, wanted);
        *registration = poll;
        return 0;
}

static int fd_modify(void *user, int fd, void **registration, short wanted)
{
        poll_arm(*registration, wanted);
        return 0;
}

static void fd_deregister(void *user, int fd, void *registration)
{
        uv_close(registration, on_poll_closed);
}

/* ---- times ---- */

static void on_timeout_closed(uv_handle_t *handle)
{
        g_free(handle);
}

static void on_timeout(uv_timer_t *handle)
{
        Timeout *timeout = (Timeout *)handle;
        XlEvents *events = timeout->events;
        void *for_libxl = timeout->for_libxl;
        uv_close((uv_handle_t *)handle, on_timeout_closed);
        libxl_osevent_occurred_timeout(events->ctx, for_libxl);
}

static int timeout_register(void *user, void **registration, struct timeval at, void *for_libxl)
{
        XlEvents *events = user;
        Timeout *timeout = g_new0(Timeout, 1);
        timeout->events = events;
        timeout->for_libxl = for_libxl;
        uint64_t now = clock_real_usec(), then = (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_usec;
        uv_timer_init(loop_uv(events->xenlight->backend.loop), &timeout->handle);
        uv_timer_start(&timeout->handle, on_timeout, then > now ? (then - now + 999) / 1000 : 0, 0);
        *registration = timeout;
        return 0;
}

/* Only ever means: as soon as possible. */
static int timeout_modify(void *user, void **registration, struct timeval at)
{
        Timeout *timeout = *registration;
        uv_timer_start(&timeout->handle, on_timeout, 0, 0);
        return 0;
}

static void timeout_deregister(void *user, void *registration)
{
        uv_close(registration, on_timeout_closed);
}

static const libxl_osevent_hooks osevent_hooks = {
        .fd_register = fd_register,
        .fd_modify = fd_modify,
        .fd_deregister = fd_deregister,
        .timeout_register = timeout_register,
        .timeout_modify = timeout_modify,
        .timeout_deregister = timeout_deregister,
};

/* ---- what Xen tells ---- */

/* A guest with drivers says so in xenstore, of any disk that it has. Of which, libxl 4.17 does not tell (it looks for the name
 * where the guest's side of the disk would have it), so that the name is what it hands through. */
static void on_eject(Xenlight *xenlight, const libxl_event *event)
{
        char node[sizeof event->for_user + 1] = "";
        g_autofree char *vm = NULL, *device = NULL;
        memcpy(node, &event->for_user, sizeof event->for_user);
        vm = xl_table_disk(xenlight->table, event->domid, node, &device);
        if (vm)
                xenlight->backend.events.ejected(vm, device, xenlight->backend.events.data);
}

static void on_event(void *user, libxl_event *event)
{
        XlEvents *events = user;
        Xenlight *xenlight = events->xenlight;
        if (event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN || event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH) {
                g_autofree char *vm = xl_table_shut_down(xenlight->table, event->domid);
                if (vm)
                        xenlight->backend.events.shut_down(vm, xenlight->backend.events.data);
        } else if (event->type == LIBXL_EVENT_TYPE_DISK_EJECT) {
                on_eject(xenlight, event);
        }
        libxl_event_free(events->ctx, event);
}

static void on_disaster(void *user, libxl_event_type type, const char *message, int errnoval)
{
        log_error("libxl cannot tell of events any more", "TEXT", message, "ERROR", g_strerror(errnoval),
                  NULL);
        abort(); /* the next xenopsd hears again */
}

static const libxl_event_hooks event_hooks = {
        .event_occurs_mask = LIBXL_EVENTMASK_ALL,
        .event_occurs = on_event,
        .disaster = on_disaster,
};

typedef struct Watch {
        Xenlight *xenlight;
        uint32_t domid;
} Watch;

static void watched_free(void *data)
{
        Watched *watched = data;
        if (watched->death)
                libxl_evdisable_domain_death(watched->events->ctx, watched->death);
        for (guint i = 0; i < watched->ejects->len; i++)
                libxl_evdisable_disk_eject(watched->events->ctx, watched->ejects->pdata[i]);
        g_ptr_array_unref(watched->ejects);
        g_free(watched);
}

static void log_deaf(XlEvents *events, const char *text)
{
        g_autofree char *reason = xl_log_first_error(events->log);
        log_error(text, "ERROR", reason ? reason : "", NULL);
}

static void watch_disks(XlEvents *events, uint32_t domid, GPtrArray *ejects)
{
        g_autoptr(GPtrArray) nodes = xl_table_disks(events->xenlight->table, domid);
        for (guint i = 0; i < nodes->len; i++) {
                const char *node = nodes->pdata[i];
                libxl_evgen_disk_eject *eject;
                libxl_ev_user user = 0;
                if (strlen(node) > sizeof user)
                        continue; /* of no drive: "xvdaa15" is the longest */
                memcpy(&user, node, strlen(node));
                if (libxl_evenable_disk_eject(events->ctx, domid, node, user, &eject) == 0)
                        g_ptr_array_add(ejects, eject);
                else
                        log_deaf(events, "What a guest ejects will not be heard of");
        }
}

static void do_watch(void *data)
{
        Watch *watch = data;
        XlEvents *events = watch->xenlight->events;
        if (events) {
                Watched *watched = g_new0(Watched, 1);
                *watched = (Watched){ events, NULL, g_ptr_array_new() };
                g_hash_table_remove(events->watched, GUINT_TO_POINTER(watch->domid));
                if (libxl_evenable_domain_death(events->ctx, watch->domid, 0, &watched->death) != 0) {
                        watched->death = NULL;
                        log_deaf(events, "The end of a domain will not be heard of");
                }
                watch_disks(events, watch->domid, watched->ejects);
                g_hash_table_insert(events->watched, GUINT_TO_POINTER(watch->domid), watched);
        }
        g_free(watch);
}

static void do_forget(void *data)
{
        Watch *watch = data;
        if (watch->xenlight->events)
                g_hash_table_remove(watch->xenlight->events->watched, GUINT_TO_POINTER(watch->domid));
        g_free(watch);
}

static void post(Xenlight *xenlight, uint32_t domid, LoopFunction function)
{
        Watch *watch = g_new(Watch, 1);
        *watch = (Watch){ xenlight, domid };
        loop_post(xenlight->backend.loop, function, watch);
}

void xl_events_watch(Xenlight *xenlight, uint32_t domid)
{
        post(xenlight, domid, do_watch);
}

void xl_events_forget(Xenlight *xenlight, uint32_t domid)
{
        post(xenlight, domid, do_forget);
}

XlEvents *xl_events_new(Xenlight *xenlight, char **ret_error)
{
        XlEvents *events = g_new0(XlEvents, 1);
        events->xenlight = xenlight;
        events->watched = g_hash_table_new_full(NULL, NULL, NULL, watched_free);
        events->log = xl_log_new();
        events->ctx = xl_ctx_new(events->log, &osevent_hooks, events);
        if (!events->ctx) {
                g_autofree char *reason = xl_log_first_error(events->log);
                *ret_error = g_strdup_printf("cannot reach Xen: %s", reason ? reason : "is this a dom0?");
                xl_events_free(events);
                return NULL;
        }
        libxl_event_register_callbacks(events->ctx, &event_hooks, events);
        return events;
}

void xl_events_free(XlEvents *events)
{
        if (!events)
                return;
        g_hash_table_destroy(events->watched);
        libxl_ctx_free(events->ctx);
        xl_log_free(events->log);
        g_free(events);
}
