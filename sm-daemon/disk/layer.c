/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sm-daemon/plugins/directory/qcow2.h"

static const char *const format_names[] = { [LAYER_RAW] = "raw", [LAYER_QCOW2] = "qcow2" };

const char *layer_format_name(LayerFormat format)
{
        return format_names[format];
}

int layer_uri_parse(const char *uri, char **ret_path, LayerFormat *ret_format)
{
        for (size_t i = 0; i < G_N_ELEMENTS(format_names); i++) {
                size_t len = strlen(format_names[i]);
                char *path;

                if (!g_str_has_prefix(uri, format_names[i]) || !g_str_has_prefix(uri + len, "+file:///"))
                        continue;
                path = g_filename_from_uri(uri + len + 1, NULL, NULL);
                if (path == NULL)
                        return -EINVAL;
                *ret_path = path;
                *ret_format = (LayerFormat)i;
                return 0;
        }
        return -EINVAL;
}

bool layer_uri_served(const char *uri)
{
        g_autofree char *path = NULL;
        LayerFormat format;

        return layer_uri_parse(uri, &path, &format) == 0;
}

static void layer_free(gpointer data)
{
        Layer *layer = data;

        g_free(layer->path);
        g_free(layer);
}

/* The image of that name in the other format. Returns owned; NULL: the name has no ending. */
static char *sibling(const char *path, LayerFormat format)
{
        g_autofree char *stem = NULL;
        const char *ending = format == LAYER_RAW ? ".raw" : ".qcow2";

        if (!g_str_has_suffix(path, ending))
                return NULL;
        stem = g_strndup(path, strlen(path) - strlen(ending));
        return g_strconcat(stem, format == LAYER_RAW ? ".qcow2" : ".raw", NULL);
}

/* Which of the two has the name now: the qcow2 one, if there is one. Returns owned. */
static char *resolve(const char *path, LayerFormat *format)
{
        g_autofree char *other = sibling(path, *format);
        const char *qcow2 = *format == LAYER_QCOW2 ? path : other;
        const char *raw = *format == LAYER_RAW ? path : other;

        if (other == NULL)
                return g_strdup(path);
        if (access(qcow2, F_OK) < 0 && access(raw, F_OK) == 0) {
                *format = LAYER_RAW;
                return g_strdup(raw);
        }
        if (access(qcow2, F_OK) == 0) {
                *format = LAYER_QCOW2;
                return g_strdup(qcow2);
        }
        return g_strdup(path);
}

static int raw_bytes(int fd, const struct stat *st, int64_t *ret)
{
        off_t end;

        if (S_ISREG(st->st_mode)) {
                *ret = st->st_size;
                return 0;
        }
        end = lseek(fd, 0, SEEK_END);
        if (end < 0)
                return -errno;
        *ret = end;
        return 0;
}

/* Fills in the layer, and what its header says of the one below it (*ret_below NULL: there is none). */
static int read_layer(int fd, Layer *layer, char **ret_below, LayerFormat *ret_below_format)
{
        g_autofree char *folder = NULL;
        Qcow2Header header;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return -EOPNOTSUPP;
        layer->device = st.st_dev;
        layer->inode = st.st_ino;
        *ret_below = NULL;
        if (layer->format == LAYER_RAW)
                return raw_bytes(fd, &st, &layer->virtual_bytes);
        r = qcow2_read(fd, &header);
        if (r < 0)
                return r;
        layer->virtual_bytes = header.virtual_bytes;
        if (header.backing[0] == '\0')
                return 0;
        if (strchr(header.backing, '/') != NULL)
                return -EBADMSG;
        folder = g_path_get_dirname(layer->path);
        *ret_below = g_build_filename(folder, header.backing, NULL);
        *ret_below_format = header.backing_is_raw ? LAYER_RAW : LAYER_QCOW2;
        return 0;
}

/* Takes `path`. */
static int add_layer(GPtrArray *layers, char *path, LayerFormat format, char **ret_below,
                     LayerFormat *ret_below_format)
{
        Layer *layer = g_new0(Layer, 1);
        int fd, r;

        layer->path = path;
        layer->format = format;
        g_ptr_array_add(layers, layer);
        fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = read_layer(fd, layer, ret_below, ret_below_format);
        close(fd);
        return r;
}

int layer_chain(const char *path, LayerFormat format, GPtrArray **ret)
{
        g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(layer_free);
        char *next = resolve(path, &format);
        int r;

        while (next != NULL) {
                char *below = NULL;

                if (layers->len == LAYERS_MAX) {
                        g_free(next);
                        return -EMLINK;
                }
                r = add_layer(layers, next, format, &below, &format);
                if (r < 0)
                        return r;
                next = below;
        }
        *ret = g_steal_pointer(&layers);
        return 0;
}
