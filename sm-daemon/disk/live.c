/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "live-private.h"
#include "nbd-connect.h"

#define EXPORT_POLL_USEC 1000u

int live_open(const DiskRecord *record, uint64_t deadline_usec, Qmp **ret)
{
        return qmp_open(record, deadline_usec, ret);
}

char *live_failed(const Qmp *qmp, const char *what)
{
        return g_strdup_printf("%s: %s", what, qmp_why(qmp));
}

char *live_failed_errno(const char *what, int r)
{
        return g_strdup_printf("%s: %s", what, g_strerror(-r));
}

/* The member that the object with that value of `key` has. Borrowed; NULL. */
static json_t *find_by(json_t *array, const char *key, const char *value)
{
        for (size_t i = 0; i < json_array_size(array); i++) {
                json_t *object = json_array_get(array, i);

                if (g_strcmp0(json_string_value(json_object_get(object, key)), value) == 0)
                        return object;
        }
        return NULL;
}

bool live_has_node(Qmp *qmp, const char *node)
{
        json_t *nodes = NULL;
        bool found;

        if (qmp_call(qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), &nodes) < 0)
                return false;
        found = find_by(nodes, "node-name", node) != NULL;
        json_decref(nodes);
        return found;
}

char *live_exported(Qmp *qmp, const char *id, char **ret_node)
{
        json_t *exports = NULL;
        const json_t *one;

        if (qmp_call(qmp, "query-block-exports", NULL, &exports) < 0)
                return live_failed(qmp, "query-block-exports");
        one = find_by(exports, "id", id);
        *ret_node = g_strdup(json_string_value(json_object_get(one, "node-name")));
        json_decref(exports);
        return NULL;
}

/* Adds the layer's two nodes, unless an earlier attempt has. */
char *live_add_layer(Qmp *qmp, const Layer *layer)
{
        g_autofree char *node = server_node(layer), *file = server_file_node(layer);

        if (!live_has_node(qmp, file) &&
            qmp_call(qmp, "blockdev-add", server_file_options(layer, false), NULL) < 0)
                return live_failed(qmp, layer->path);
        if (!live_has_node(qmp, node) &&
            qmp_call(qmp, "blockdev-add", server_node_options(layer, NULL, false), NULL) < 0)
                return live_failed(qmp, layer->path);
        return NULL;
}

static char *cover(Qmp *qmp, const Layer *below, const Layer *layer)
{
        g_autofree char *under = server_node(below), *over = server_node(layer);
        char *why = live_add_layer(qmp, layer);

        if (why != NULL)
                return why;
        if (qmp_call(qmp, "blockdev-snapshot", json_pack("{s:s, s:s}", "node", under, "overlay", over),
                     NULL) < 0)
                return live_failed(qmp, "blockdev-snapshot");
        return NULL;
}

static char *remove_export(Qmp *qmp, const char *id)
{
        g_autofree char *node = NULL;
        char *why = live_exported(qmp, id, &node);

        if (why != NULL || node == NULL)
                return why;
        if (qmp_call(qmp, "block-export-del", json_pack("{s:s, s:s}", "id", id, "mode", "hard"), NULL) < 0)
                return live_failed(qmp, "block-export-del");
        /* It goes when its last request has been answered; the name is free then. */
        for (;;) {
                g_clear_pointer(&node, g_free);
                why = live_exported(qmp, id, &node);
                if (why != NULL || node == NULL)
                        return why;
                g_usleep(EXPORT_POLL_USEC);
        }
}

char *live_close(Qmp *qmp, const DiskRecord *record)
{
        char *why = NULL;

        nbd_hurry_device(record);
        for (ServerExport i = 0; why == NULL && i < SERVER_EXPORTS; i++)
                why = remove_export(qmp, server_export_id(i));
        return why;
}

static char *add_export(Qmp *qmp, const DiskRecord *record, const char *node, bool through,
                        ServerExport export)
{
        g_autofree char *exported = NULL;
        char *why = live_exported(qmp, server_export_id(export), &exported);

        if (why != NULL || exported != NULL)
                return why;
        if (qmp_call(qmp, "block-export-add", server_export_options(record, node, through, export), NULL) < 0)
                return live_failed(qmp, "block-export-add");
        return NULL;
}

char *live_reopen(Qmp *qmp, const DiskRecord *record, const char *node, bool through)
{
        const char *what = "";
        char *why = NULL;
        int r;

        for (ServerExport i = 0; why == NULL && i < SERVER_EXPORTS; i++)
                why = add_export(qmp, record, node, through, i);
        if (why != NULL)
                return why;
        r = nbd_connect_device(record, &what);
        return r < 0 ? live_failed_errno(what, r) : NULL;
}

bool live_is_layer(GPtrArray *layers, const char *node)
{
        for (guint i = 0; i < layers->len; i++) {
                g_autofree char *name = server_node(g_ptr_array_index(layers, i)),
                                *file = server_file_node(g_ptr_array_index(layers, i));

                if (strcmp(name, node) == 0 || strcmp(file, node) == 0)
                        return true;
        }
        return false;
}

/* The index of the layer that the server exports; -1: none of them, or nothing is exported. */
static int served_layer(GPtrArray *layers, const char *node)
{
        for (guint i = 0; i < layers->len; i++) {
                g_autofree char *name = server_node(g_ptr_array_index(layers, i));

                if (g_strcmp0(name, node) == 0)
                        return (int)i;
        }
        return -1;
}

/* Where exports are gone (we were killed between taking and giving them), the layer whose node lies on all others. */
static int topmost_layer(Qmp *qmp, GPtrArray *layers)
{
        for (guint i = 0; i < layers->len; i++) {
                g_autofree char *name = server_node(g_ptr_array_index(layers, i));

                if (live_has_node(qmp, name))
                        return (int)i;
        }
        return -1;
}

static char *follow(Qmp *qmp, const DiskRecord *record, GPtrArray *layers)
{
        g_autofree char *exported = NULL, *top = server_node(g_ptr_array_index(layers, 0));
        char *why = live_end_merge(qmp);
        bool closed;
        int at;

        if (why == NULL)
                why = live_exported(qmp, server_export_id(SERVER_DISK), &exported);
        if (why != NULL)
                return why;
        at = exported != NULL ? served_layer(layers, exported) : topmost_layer(qmp, layers);
        if (at < 0)
                return g_strdup("The server has another image open than the disk's");
        /* What did not have to write through until now does from now on: that is the export's to know. */
        closed = exported == NULL || (at > 0 && (guint)at + 1 == layers->len &&
                                      ((Layer *)g_ptr_array_index(layers, (guint)at))->format == LAYER_RAW);
        if (closed)
                why = live_close(qmp, record);
        for (int i = at; why == NULL && i > 0; i--)
                why =
                    cover(qmp, g_ptr_array_index(layers, (guint)i), g_ptr_array_index(layers, (guint)i - 1));
        if (why == NULL && closed)
                why = live_reopen(qmp, record, top, server_writes_through(layers));
        return why;
}

char *live_follow(const DiskRecord *record, uint64_t deadline_usec)
{
        g_autoptr(GPtrArray) layers = NULL;
        Qmp *qmp;
        char *why;
        int r;

        r = layer_chain(record->path, record->format, &layers);
        if (r < 0)
                return live_failed_errno(record->path, r);
        r = live_open(record, deadline_usec, &qmp);
        if (r < 0)
                return live_failed_errno("QMP", r);
        why = follow(qmp, record, layers);
        qmp_close(qmp);
        return why;
}

/* So that a size that was said to be there is there after a power cut; of a raw image the server does not see to it. */
static char *sync_image(const Layer *layer)
{
        int fd = open(layer->path, O_RDONLY | O_CLOEXEC);
        int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

        if (fd >= 0)
                close(fd);
        return r < 0 ? live_failed_errno(layer->path, r) : NULL;
}

static char *resize(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, int64_t bytes)
{
        const Layer *layer = g_ptr_array_index(layers, 0);
        g_autofree char *top = server_node(layer), *again = NULL;
        char *why = live_close(qmp, record);
        bool good;

        if (why != NULL)
                return why;
        good = qmp_call(qmp, "block_resize",
                        json_pack("{s:s, s:I}", "node-name", top, "size", (json_int_t)bytes), NULL) == 0;
        why = good ? sync_image(layer) : live_failed(qmp, "block_resize");
        again = live_reopen(qmp, record, top, server_writes_through(layers));
        return why != NULL ? why : g_steal_pointer(&again);
}

char *live_resize(const DiskRecord *record, int64_t bytes, uint64_t deadline_usec)
{
        g_autoptr(GPtrArray) layers = NULL;
        Qmp *qmp;
        char *why;
        int r;

        r = layer_chain(record->path, record->format, &layers);
        if (r < 0)
                return live_failed_errno(record->path, r);
        if (((Layer *)g_ptr_array_index(layers, 0))->virtual_bytes > bytes)
                return g_strdup("A disk does not shrink");
        r = live_open(record, deadline_usec, &qmp);
        if (r < 0)
                return live_failed_errno("QMP", r);
        why = follow(qmp, record, layers);
        if (why == NULL)
                why = resize(qmp, record, layers, bytes);
        qmp_close(qmp);
        return why;
}
