/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xenstore tells of a domain's devices and of the guest's ends of them (xen/io/xenbus.h; the folder /libxl of the
 * domain, where libxl keeps what a guest cannot write). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>
#include <xen/io/xenbus.h>
#include <xenstore.h>

#include "message-switch/lib/daemon.h"
#include "xenlight.h"

typedef struct Store {
        struct xs_handle *xs;
        uint32_t domid;
        const char *kind;
} Store;

/* A number in decimal; -1: there is none. */
static int read_number(struct xs_handle *xs, const char *folder, const char *key)
{
        g_autofree char *path = g_strdup_printf("%s/%s", folder, key);
        unsigned len;
        gint64 number;
        char *text = xs_read(xs, XBT_NULL, path, &len);
        bool good = text && g_ascii_string_to_signed(text, 10, 0, INT16_MAX, &number, NULL);
        free(text);
        return good ? (int)number : -1;
}

static char *read_text(struct xs_handle *xs, const char *folder, const char *key)
{
        g_autofree char *path = g_strdup_printf("%s/%s", folder, key);
        unsigned len;
        char *text = xs_read(xs, XBT_NULL, path, &len), *copy = g_strdup(text);
        free(text);
        return copy;
}

/* Folders of the domain's devices of that kind, of libxl's own; empty: it has none. NULL, with errno: cannot be told. */
static GPtrArray *list_devices(const Store *store)
{
        g_autofree char *folder = g_strdup_printf("/libxl/%u/device/%s", store->domid, store->kind);
        unsigned n = 0;
        char **names = xs_directory(store->xs, XBT_NULL, folder, &n);
        if (!names && errno != ENOENT)
                return NULL;
        GPtrArray *devices = g_ptr_array_new_with_free_func(g_free);
        for (unsigned i = 0; i < n; i++)
                g_ptr_array_add(devices, g_build_filename(folder, names[i], NULL));
        free(names);
        return devices;
}

/* A disk has its name in a key, an interface is named by its number. */
static bool is_device(const Store *store, const char *folder, const char *node)
{
        if (g_str_equal(store->kind, "vif"))
                return g_str_has_suffix(folder, node) && folder[strlen(folder) - strlen(node) - 1] == '/';
        g_autofree char *name = read_text(store->xs, folder, "dev");
        return g_strcmp0(name, node) == 0;
}

int xl_device_there(uint32_t domid, const char *kind, const char *node)
{
        Store store = { xs_open(0), domid, kind };
        if (!store.xs)
                return -errno;
        g_autoptr(GPtrArray) devices = list_devices(&store);
        int r = devices ? 0 : -errno;
        for (guint i = 0; devices && r == 0 && i < devices->len; i++)
                r = is_device(&store, devices->pdata[i], node);
        xs_close(store.xs);
        return r;
}

/* The back end's state is connected once both ends are. */
static bool is_connected(const Store *store, const char *back_end)
{
        return back_end && read_number(store->xs, back_end, "state") == XenbusStateConnected;
}

/* The device's back end, where another device of its kind shows that the guest has a driver for it. NULL: no guest is to
 * be waited for. Owned. */
static char *find_back_end(const Store *store, const char *node)
{
        g_autoptr(GPtrArray) devices = list_devices(store);
        g_autofree char *found = NULL;
        bool has_driver = false;
        for (guint i = 0; devices && i < devices->len; i++) {
                g_autofree char *back_end = read_text(store->xs, devices->pdata[i], "backend");
                if (is_device(store, devices->pdata[i], node))
                        found = g_steal_pointer(&back_end);
                else
                        has_driver = has_driver || is_connected(store, back_end);
        }
        return has_driver ? g_steal_pointer(&found) : NULL;
}

static void on_cancel(void *data)
{
        eventfd_write(*(int *)data, 1);
}

static int wait_connected(const Store *store, const char *back_end, int wake_fd, Cancel *cancel,
                          uint64_t deadline_usec)
{
        struct pollfd fds[] = { { xs_fileno(store->xs), POLLIN, 0 }, { wake_fd, POLLIN, 0 } };
        for (;;) {
                uint64_t now = clock_usec();
                char **event;
                while ((event = xs_check_watch(store->xs)))
                        free(event);
                if (is_connected(store, back_end))
                        return 0;
                if (cancel_asked(cancel))
                        return -ECANCELED;
                if (now >= deadline_usec)
                        return -ETIME;
                poll(fds, G_N_ELEMENTS(fds), (int)((deadline_usec - now + 999) / 1000));
        }
}

/* 0, or what went wrong. */
static int await_connected(BackendContext *context, const Store *store, const char *node)
{
        g_autofree char *back_end = find_back_end(store, node);
        if (!back_end)
                return 0;
        g_autofree char *state = g_strdup_printf("%s/state", back_end);
        uint64_t deadline_usec = clock_usec() + (uint64_t)xl_of(context)->plug_timeout_ms * 1000;
        int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (wake_fd < 0 || !xs_watch(store->xs, state, state)) {
                int r = -errno;
                if (wake_fd >= 0)
                        close(wake_fd);
                return r;
        }
        cancel_listen(context->cancel, on_cancel, &wake_fd);
        int r = wait_connected(store, back_end, wake_fd, context->cancel, deadline_usec);
        cancel_listen(context->cancel, NULL, NULL);
        close(wake_fd);
        return r;
}

bool xl_await_taken(BackendContext *context, uint32_t domid, const char *kind, const char *node,
                    XenopsError **error)
{
        libxl_dominfo info;
        const char *class = g_str_equal(kind, "vif") ? "VIF" : "VBD";
        if (xl_domain_info(xl_of(context), domid, &info) != 0)
                return xenops_fail_internal(error, "the domain has gone");
        bool runs = !info.paused && !info.shutdown;
        libxl_dominfo_dispose(&info);
        if (!runs)
                return true;
        Store store = { xs_open(0), domid, kind };
        int r = store.xs ? await_connected(context, &store, node) : -errno;
        if (store.xs)
                xs_close(store.xs);
        if (r == -ETIME)
                return xenops_fail_device_attach_timeout(error, class, node);
        if (r == -ECANCELED)
                return xenops_fail_cancelled(error, node);
        return r == 0 || xl_fail_errno(error, "cannot tell whether the guest has taken the device", r);
}
