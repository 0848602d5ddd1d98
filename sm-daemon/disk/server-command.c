/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server-command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* QEMU's limit for a node's name is 31 bytes. */
char *server_node(const Layer *layer)
{
        return g_strdup_printf("n%" PRIx64 "-%" PRIx64, layer->device & UINT32_MAX, layer->inode);
}

char *server_file_node(const Layer *layer)
{
        return g_strdup_printf("f%" PRIx64 "-%" PRIx64, layer->device & UINT32_MAX, layer->inode);
}

/* Linux guests take a flush that fails for one that is not supported, and go on: so it is each write that has to fail where
 * the medium does, and none may be held in the host's page cache. Not every file system can; of a chain with qcow2 see
 * server_writes_through. */
static bool passes_by_cache(const Layer *layer)
{
        int fd =
            layer->format == LAYER_RAW ? open(layer->path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY) : -1;

        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

json_t *server_file_options(const Layer *layer, bool read_only)
{
        g_autofree char *node = server_file_node(layer);

        /* Auto: a lower layer's file is opened for reading, until a merge writes to it. */
        return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:{s:b}}", "driver", "file", "node-name", node,
                         "filename", layer->path, "discard", "unmap", "read-only", 0, "auto-read-only",
                         read_only, "cache", "direct", passes_by_cache(layer));
}

json_t *server_node_options(const Layer *layer, const char *below, bool read_only)
{
        g_autofree char *node = server_node(layer), *file = server_file_node(layer);
        json_t *options =
            json_pack("{s:s, s:s, s:s, s:s, s:b}", "driver", layer_format_name(layer->format), "node-name",
                      node, "file", file, "discard", "unmap", "read-only", read_only);

        if (layer->format == LAYER_QCOW2)
                json_object_set_new(options, "backing", below != NULL ? json_string(below) : json_null());
        return options;
}

static const struct {
        const char *id, *name;
        bool writable, through;
} exports[SERVER_EXPORTS] = {
        [SERVER_DISK] = { "rw", DISK_EXPORT, .writable = true, .through = true },
        [SERVER_READ] = { "ro", DISK_EXPORT_READ_ONLY, .writable = false, .through = false },
        [SERVER_FILL] = { "fill", DISK_EXPORT_FILL, .writable = true, .through = false },
};

const char *server_export_id(ServerExport export)
{
        return exports[export].id;
}

json_t *server_export_options(const DiskRecord *record, const char *node, bool writes_must_reach,
                              ServerExport export)
{
        bool writable = record->writable && exports[export].writable;

        return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "type", "nbd", "id", exports[export].id,
                         "node-name", node, "name", exports[export].name, "writable", writable,
                         "writethrough", writable && writes_must_reach && exports[export].through);
}

bool server_writes_through(GPtrArray *layers)
{
        const Layer *top = g_ptr_array_index(layers, 0);

        return layers->len > 1 || !passes_by_cache(top);
}

static void add(GPtrArray *argv, const char *option, char *value)
{
        g_ptr_array_add(argv, g_strdup(option));
        g_ptr_array_add(argv, value);
}

/* Takes `options`. A list of its own, and a copy of the text, because jansson's memory is not GLib's to free. */
static void add_json(GPtrArray *argv, const char *option, json_t *options)
{
        char *text = json_dumps(options, JSON_COMPACT);

        add(argv, option, g_strdup(text));
        free(text);
        json_decref(options);
}

/* From the lowest layer up, since each names the one below. */
static void add_layers(GPtrArray *argv, const DiskRecord *record, GPtrArray *layers)
{
        g_autofree char *below = NULL;

        for (guint i = layers->len; i-- > 0;) {
                const Layer *layer = g_ptr_array_index(layers, i);
                bool read_only = i > 0 || !record->writable;

                add_json(argv, "--blockdev", server_file_options(layer, read_only));
                add_json(argv, "--blockdev", server_node_options(layer, below, read_only));
                g_free(below);
                below = server_node(layer);
        }
}

/* Commas in option values are doubled, which is how QEMU takes them for what they are. */
static char *socket_value(const DiskRecord *record, const char *prefix, const char *name, const char *suffix)
{
        g_autofree char *path = disk_server_file(record, name);
        g_auto(GStrv) parts = g_strsplit(path, ",", -1);
        g_autofree char *escaped = g_strjoinv(",,", parts);

        return g_strconcat(prefix, escaped, suffix, NULL);
}

int server_command(const DiskRecord *record, char ***ret_argv)
{
        g_autoptr(GPtrArray) layers = NULL, argv = NULL;
        g_autofree char *top = NULL;
        bool through;
        int r;

        r = layer_chain(record->path, record->format, &layers);
        if (r < 0)
                return r;
        argv = g_ptr_array_new_with_free_func(g_free);
        top = server_node(g_ptr_array_index(layers, 0));
        through = server_writes_through(layers);
        g_ptr_array_add(argv, g_strdup(SERVER_PROGRAM));
        g_ptr_array_add(argv, g_strdup("--daemonize"));
        add(argv, "--pidfile", disk_server_file(record, DISK_PID));
        add(argv, "--chardev",
            socket_value(record, "socket,id=" DISK_CONTROL ",server=on,wait=off,path=", DISK_CONTROL, ""));
        add(argv, "--monitor", g_strdup("chardev=" DISK_CONTROL));
        add_layers(argv, record, layers);
        add(argv, "--nbd-server", socket_value(record, "addr.type=unix,addr.path=", DISK_SOCKET, ""));
        for (ServerExport i = 0; i < SERVER_EXPORTS; i++)
                add_json(argv, "--export", server_export_options(record, top, through, i));
        g_ptr_array_add(argv, NULL);
        *ret_argv = (char **)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
        return 0;
}

/* The server could have put a link to another's socket in the place of its own: so it is found first, and looked at. */
int server_connect(const DiskRecord *record, const char *name)
{
        g_autofree char *path = disk_server_file(record, name);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat st;
        int place, fd, r;

        place = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0)
                return -errno;
        if (fstat(place, &st) < 0 || !S_ISSOCK(st.st_mode)) {
                close(place);
                return -ENOTSOCK;
        }
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        r = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
        close(place);
        if (r == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return r;
}
