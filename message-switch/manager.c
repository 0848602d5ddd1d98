/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.h"
#include "peer.h"
#include "queue.h"

#define MANAGER_BACKLOG           4096 /* connections not accepted yet: all clients come back at once */
#define MANAGER_ACCEPT_MAX        64   /* connections taken at a time, so that the others get their turn */
#define MANAGER_ACCEPT_PAUSE_MSEC 100  /* after running out of descriptors */

static void manager_on_connection(uv_poll_t *listener, int status, int events);

void manager_flush(Manager *manager)
{
        Peer *peer;
        while ((peer = TAILQ_FIRST(&manager->dirty)))
                peer_flush(peer);
        manager->space_used = 0;
}

static void manager_before_poll(uv_prepare_t *handle)
{
        manager_flush(handle->data);
}

static void manager_after_poll(uv_check_t *handle)
{
        manager_flush(handle->data);
}

static void manager_accept_again(uv_timer_t *timer)
{
        Manager *manager = timer->data;
        uv_poll_start(&manager->listener, UV_READABLE, manager_on_connection);
}

static void manager_on_connection(uv_poll_t *listener, int status, int events)
{
        Manager *manager = listener->data;
        for (size_t i = 0; i < MANAGER_ACCEPT_MAX; i++) {
                int fd = accept4(manager->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0) {
                        peer_new(manager, fd);
                        continue;
                }
                if (errno == EINTR || errno == ECONNABORTED)
                        continue;
                if (errno != EAGAIN) {
                        log_error("Cannot take connections", "ERROR", g_strerror(errno), NULL);
                        uv_poll_stop(&manager->listener);
                        uv_timer_start(&manager->accept_timer, manager_accept_again,
                                       MANAGER_ACCEPT_PAUSE_MSEC, 0);
                }
                return;
        }
}

/* One switch a path: the lock is what tells a socket that is in use from one that was left behind. */
static int manager_lock(Manager *manager)
{
        g_autofree char *path = g_strconcat(manager->path, ".lock", NULL);
        manager->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (manager->lock_fd < 0)
                return -errno;
        return flock(manager->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* Everybody may connect: what a connection may do is the policy's to say, by SO_PEERCRED. */
static int manager_listen(Manager *manager)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(manager->path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        strcpy(address.sun_path, manager->path);
        g_autofree char *folder = g_path_get_dirname(manager->path);
        if (g_mkdir_with_parents(folder, 0755) < 0)
                return -errno;
        int r = manager_lock(manager);
        if (r < 0)
                return r;
        manager->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (manager->socket < 0 || (unlink(manager->path) < 0 && errno != ENOENT) ||
            bind(manager->socket, (struct sockaddr *)&address, sizeof address) < 0 ||
            chmod(manager->path, 0666) < 0 || listen(manager->socket, MANAGER_BACKLOG) < 0)
                return -errno;
        return 0;
}

static void manager_raise_fd_limit(void)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                log_warning("Cannot raise the limit of descriptors", "ERROR", g_strerror(errno), NULL);
}

static void manager_on_grace_end(uv_timer_t *timer)
{
        queue_end_grace(timer->data);
}

static void manager_start_handles(Manager *manager, uint64_t grace_msec)
{
        uv_loop_t *uv = loop_uv(manager->loop);
        uv_poll_init(uv, &manager->listener, manager->socket);
        uv_timer_init(uv, &manager->accept_timer);
        uv_timer_init(uv, &manager->grace_timer);
        uv_prepare_init(uv, &manager->before_poll);
        uv_check_init(uv, &manager->after_poll);
        manager->listener.data = manager->accept_timer.data = manager->grace_timer.data = manager;
        manager->before_poll.data = manager->after_poll.data = manager;
        uv_poll_start(&manager->listener, UV_READABLE, manager_on_connection);
        uv_prepare_start(&manager->before_poll, manager_before_poll);
        uv_check_start(&manager->after_poll, manager_after_poll);
        manager->in_grace = true;
        uv_timer_start(&manager->grace_timer, manager_on_grace_end, grace_msec, 0);
        manager->call_deadlines = deadlines_new(manager->loop, call_on_due, manager);
        manager->peer_deadlines = deadlines_new(manager->loop, peer_on_due, manager);
}

Manager *manager_new(Loop *loop, const ManagerOptions *options, char **ret_error)
{
        Policy *policy = policy_load(options->policy_path, ret_error);
        if (!policy)
                return NULL;
        Manager *manager = g_new0(Manager, 1);
        manager->loop = loop;
        manager->policy = policy;
        manager->path = g_strdup(options->socket_path);
        manager->socket = manager->lock_fd = -1;
        TAILQ_INIT(&manager->peers);
        TAILQ_INIT(&manager->dirty);
        manager->queues = g_hash_table_new_full(queue_name_hash, queue_name_equal, NULL, queue_free);
        manager->trace = trace_new();
        manager->space = g_malloc(MANAGER_SPACE_BYTES);
        manager->started_usec = manager->now_usec = clock_usec();
        manager_raise_fd_limit();
        int r = manager_listen(manager);
        if (r < 0) {
                *ret_error = g_strdup_printf("%s: %s", manager->path,
                                             r == -EWOULDBLOCK ? "another switch is there" : g_strerror(-r));
                manager_free(manager);
                return NULL;
        }
        manager->names = names_open(options->names_path, queue_learn, manager);
        manager_start_handles(manager, options->grace_msec);
        return manager;
}

static void manager_free_memory(Manager *manager)
{
        g_free(manager->space);
        g_free(manager);
}

static void manager_on_closed(uv_handle_t *handle)
{
        Manager *manager = handle->data;
        if (--manager->n_handles == 0)
                manager_free_memory(manager);
}

static void manager_stop_handles(Manager *manager)
{
        uv_handle_t *handles[] = {
                (uv_handle_t *)&manager->listener,    (uv_handle_t *)&manager->accept_timer,
                (uv_handle_t *)&manager->grace_timer, (uv_handle_t *)&manager->before_poll,
                (uv_handle_t *)&manager->after_poll,
        };
        manager->n_handles = G_N_ELEMENTS(handles);
        for (size_t i = 0; i < G_N_ELEMENTS(handles); i++)
                uv_close(handles[i], manager_on_closed);
        deadlines_free(manager->call_deadlines);
        deadlines_free(manager->peer_deadlines);
}

void manager_free(Manager *manager)
{
        if (!manager)
                return;
        bool started = manager->call_deadlines;
        if (started)
                peer_free_all(manager);
        g_hash_table_unref(manager->queues);
        slots_clear(&manager->calls);
        call_free_pool(manager);
        trace_free(manager->trace);
        names_close(manager->names);
        policy_free(manager->policy);
        if (manager->socket >= 0) {
                unlink(manager->path);
                close(manager->socket);
        }
        if (manager->lock_fd >= 0)
                close(manager->lock_fd);
        g_free(manager->path);
        if (started)
                manager_stop_handles(manager);
        else
                manager_free_memory(manager);
}
