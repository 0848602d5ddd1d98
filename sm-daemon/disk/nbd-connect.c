/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nbd-connect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libnbd.h>
#include <linux/nbd.h>

#include "message-switch/lib/condition.h"
#include "message-switch/lib/loop.h"
#include "nbd-device.h"
#include "server-command.h"

#define PROBE_BYTES  4096u
#define ATTEMPT_USEC (50u * 1000u) /* between attempts to connect */
#define HURRY_USEC   (100u * 1000u)
#define CONNECT_USEC (20u * 1000000u) /* for all attempts; systemd's or sm-daemon's next start tries again */

char *nbd_backend_name(const DiskRecord *record)
{
        g_autofree char *disks = g_path_get_dirname(record->folder),
                        *name =
                            g_strconcat(NBD_BACKEND_PREFIX, record->sr, "/", record->vdi, "@", disks, NULL);

        return g_strndup(name, NBD_BACKEND_MAX);
}

bool nbd_backend_parse(const char *backend, char **ret_sr, char **ret_vdi)
{
        const char *sr = backend + strlen(NBD_BACKEND_PREFIX), *slash, *at;

        if (!g_str_has_prefix(backend, NBD_BACKEND_PREFIX))
                return false;
        slash = strchr(sr, '/');
        at = strrchr(sr, '@');
        if (slash == NULL || at == NULL || at < slash)
                return false;
        *ret_sr = g_strndup(sr, (gsize)(slash - sr));
        *ret_vdi = g_strndup(slash + 1, (gsize)(at - slash - 1));
        return true;
}

typedef struct Probe {
        int device;
        int refs; /* under the mutex, as all below */
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        bool done;
        int result;
} Probe;

static void probe_unref(Probe *probe)
{
        bool last;

        pthread_mutex_lock(&probe->mutex);
        last = --probe->refs == 0;
        pthread_mutex_unlock(&probe->mutex);
        if (!last)
                return;
        pthread_cond_destroy(&probe->changed);
        pthread_mutex_destroy(&probe->mutex);
        g_free(probe);
}

static int read_sector(int device)
{
        g_autofree char *path = g_strdup_printf("/dev/nbd%d", device);
        void *bytes = aligned_alloc(PROBE_BYTES, PROBE_BYTES);
        ssize_t n;
        int fd, r;

        fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                free(bytes);
                return r;
        }
        n = pread(fd, bytes, PROBE_BYTES, 0);
        r = n < 0 ? -errno : 0;
        close(fd);
        free(bytes);
        return r;
}

static void *probe_run(void *data)
{
        Probe *probe = data;
        int r = read_sector(probe->device);

        pthread_mutex_lock(&probe->mutex);
        probe->done = true;
        probe->result = r;
        pthread_cond_broadcast(&probe->changed);
        pthread_mutex_unlock(&probe->mutex);
        probe_unref(probe);
        return NULL;
}

static Probe *probe_new(int device)
{
        Probe *probe = g_new0(Probe, 1);
        pthread_t thread;

        probe->device = device;
        probe->refs = 2;
        pthread_mutex_init(&probe->mutex, NULL);
        condition_init(&probe->changed);
        if (pthread_create(&thread, NULL, probe_run, probe) == 0) {
                pthread_detach(thread);
        } else {
                probe->done = true;
                probe->result = -EAGAIN;
                probe->refs--;
        }
        return probe;
}

static int probe_wait(Probe *probe, uint64_t deadline_usec)
{
        int r = 0;

        pthread_mutex_lock(&probe->mutex);
        while (!probe->done && r == 0)
                r = condition_wait(&probe->changed, &probe->mutex, deadline_usec);
        r = probe->done ? probe->result : -ETIMEDOUT;
        pthread_mutex_unlock(&probe->mutex);
        return r;
}

int nbd_probe_device(int device, uint64_t timeout_usec)
{
        Probe *probe = probe_new(device);
        int r = probe_wait(probe, clock_usec() + timeout_usec);

        probe_unref(probe);
        return r;
}

/* What the kernel does can be had only if it is told. */
static uint64_t flags_of(struct nbd_handle *nbd)
{
        uint64_t flags = NBD_FLAG_HAS_FLAGS;

        if (nbd_is_read_only(nbd) == 1)
                flags |= NBD_FLAG_READ_ONLY;
        if (nbd_can_flush(nbd) == 1)
                flags |= NBD_FLAG_SEND_FLUSH;
        if (nbd_can_fua(nbd) == 1)
                flags |= NBD_FLAG_SEND_FUA;
        if (nbd_can_trim(nbd) == 1)
                flags |= NBD_FLAG_SEND_TRIM;
        return flags;
}

/* The handshake, in the plain form that the kernel understands. 0 or negative errno. */
static int shake_hands(struct nbd_handle *nbd, const DiskRecord *record)
{
        int fd, r;

        fd = server_connect(record, DISK_SOCKET);
        if (fd < 0)
                return fd;
        r = nbd_connect_socket(nbd, fd); /* which has the descriptor from now on, whatever it answers */
        return r == 0 ? 0 : nbd_get_errno() > 0 ? -nbd_get_errno() : -EPROTO;
}

static int open_server(const DiskRecord *record, struct nbd_handle **ret)
{
        struct nbd_handle *nbd = nbd_create();
        int r;

        if (nbd == NULL)
                return -ENOMEM;
        nbd_set_export_name(nbd, DISK_EXPORT);
        nbd_set_request_structured_replies(nbd, false);
        r = shake_hands(nbd, record);
        if (r < 0)
                nbd_close(nbd);
        else
                *ret = nbd;
        return r;
}

/* The kernel gives a socket that it takes its own time for sending; else nothing tells who has it. */
static bool is_the_kernels(int socket)
{
        struct timeval time = { 0 };
        socklen_t n = sizeof(time);

        return getsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, &n) == 0 && time.tv_sec > 0;
}

static bool is_broken(int socket)
{
        struct pollfd poll_fd = { .fd = socket, .events = POLLRDHUP };

        return poll(&poll_fd, 1, 0) != 0;
}

/* A connection replaces one that the kernel has found dead, which it may be about to: so until it is taken. The device
 * itself is not asked, for who reads from it cannot be ended before it answers. */
static int reconnect(const DiskRecord *record, const NbdConnection *connection, uint64_t deadline_usec)
{
        for (;;) {
                int r = nbd_device_reconnect(record->device, connection);

                if (r < 0 || is_the_kernels(connection->socket))
                        return r;
                if (is_broken(connection->socket))
                        return -EPIPE;
                if (clock_usec() > deadline_usec)
                        return -ETIMEDOUT;
                g_usleep(ATTEMPT_USEC);
        }
}

static int attempt(const DiskRecord *record, const NbdConnection *connection, uint64_t deadline_usec)
{
        g_autofree char *taken = nbd_device_backend(record->device);

        if (taken == NULL)
                return nbd_device_connect(record->device, connection);
        if (strcmp(taken, connection->backend) != 0)
                return -EADDRINUSE;
        return reconnect(record, connection, deadline_usec);
}

/* A device that was disconnected a moment ago is still going away, and neither connected nor free. */
static int connect_with(const DiskRecord *record, struct nbd_handle *nbd)
{
        uint64_t deadline_usec = clock_usec() + CONNECT_USEC;
        g_autofree char *backend = nbd_backend_name(record);
        NbdConnection connection = { .socket = nbd_aio_get_fd(nbd),
                                     .bytes = nbd_get_size(nbd),
                                     .flags = flags_of(nbd),
                                     .backend = backend };
        int flags = fcntl(connection.socket, F_GETFL), r;

        /* The kernel's threads wait in it; libnbd wanted it otherwise. */
        if (flags < 0 || fcntl(connection.socket, F_SETFL, flags & ~O_NONBLOCK) < 0)
                return -errno;
        for (;;) {
                r = attempt(record, &connection, deadline_usec);
                if ((r != -EBUSY && r != -EINVAL && r != -EEXIST) || clock_usec() > deadline_usec)
                        return r;
                g_usleep(ATTEMPT_USEC);
        }
}

int nbd_connect_device(const DiskRecord *record, const char **ret_why)
{
        struct nbd_handle *nbd;
        int r;

        if (record->device == DISK_NO_DEVICE)
                return 0;
        *ret_why = "the server's handshake";
        r = open_server(record, &nbd);
        if (r < 0)
                return r;
        *ret_why = "the kernel's device";
        r = connect_with(record, nbd);
        nbd_close(nbd); /* this end's descriptor; the connection is the kernel's now */
        return r;
}

typedef struct Search {
        const char *backend;
        int device;
} Search;

static void compare(int device, const char *backend, void *data)
{
        Search *search = data;

        if (strcmp(backend, search->backend) == 0)
                search->device = device;
}

int nbd_find_device(const DiskRecord *record)
{
        g_autofree char *backend = nbd_backend_name(record);
        Search search = { .backend = backend, .device = DISK_NO_DEVICE };

        nbd_device_each(compare, &search);
        return search.device;
}

void nbd_hurry_device(const DiskRecord *record)
{
        g_autofree char *backend = nbd_backend_name(record);

        /* What was asked for earlier has been answered when that time is over, as a rule. */
        if (record->device != DISK_NO_DEVICE && nbd_device_hurry(record->device, backend) == 0)
                g_usleep(HURRY_USEC);
}

int nbd_disconnect_device(const DiskRecord *record)
{
        g_autofree char *backend = nbd_backend_name(record);
        int device = record->device != DISK_NO_DEVICE ? record->device : nbd_find_device(record);

        return device == DISK_NO_DEVICE ? 0 : nbd_device_disconnect(device, backend);
}
