/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#define TEMPORARY_MARK '~' /* in no name that is asked for: ends what is being written */

static int write_all(int fd, const char *data, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, data, len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

int file_replace(int dir_fd, const char *name, const void *data, size_t len)
{
        static atomic_uint counter;
        char temporary[NAME_MAX + 1];
        int n = snprintf(temporary, sizeof temporary, "%s.%u%c", name, atomic_fetch_add(&counter, 1),
                         TEMPORARY_MARK);
        if (n < 0 || (size_t)n >= sizeof temporary)
                return -ENAMETOOLONG;
        int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        int r = write_all(fd, data, len);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(dir_fd, temporary, 0);
        return r;
}

int file_replace_json(int dir_fd, const char *name, const json_t *json)
{
        char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!text)
                return -EINVAL;
        int r = file_replace(dir_fd, name, text, strlen(text));
        free(text);
        return r;
}

int file_read(int dir_fd, const char *name, char **ret_text, size_t *ret_len)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        g_autofree char *text = NULL;
        size_t len = 0, room = 0;
        int r;
        for (;;) {
                if (room - len < 2)
                        text = g_realloc(text, room = MAX(2 * room, 4096));
                ssize_t n = read(fd, text + len, room - len - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        r = -errno;
                        goto out;
                }
                if (n == 0)
                        break;
                len += (size_t)n;
                if (len > FILE_BYTES_MAX) {
                        r = -EFBIG;
                        goto out;
                }
        }
        text[len] = '\0';
        *ret_text = g_steal_pointer(&text);
        if (ret_len)
                *ret_len = len;
        r = 0;
out:
        close(fd);
        return r;
}

int file_read_json(int dir_fd, const char *name, json_t **ret_json)
{
        g_autofree char *text = NULL;
        size_t len;
        int r = file_read(dir_fd, name, &text, &len);
        if (r < 0)
                return r;
        json_t *json = json_loadb(text, len, JSON_DECODE_ANY, NULL);
        if (!json)
                return -EBADMSG;
        *ret_json = json;
        return 0;
}

int file_remove(int dir_fd, const char *name)
{
        return unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}

int folder_open(const char *base, const char *name)
{
        g_autofree char *path = g_build_filename(base, name, NULL);
        if (g_mkdir_with_parents(path, 0700) < 0)
                return -errno;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

char **folder_list(int dir_fd)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        DIR *dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return NULL;
        }
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        struct dirent *entry;
        while ((entry = readdir(dir))) {
                size_t len = strlen(entry->d_name);
                if (entry->d_name[0] == '.')
                        continue;
                if (entry->d_name[len - 1] == TEMPORARY_MARK)
                        unlinkat(dir_fd, entry->d_name, 0);
                else
                        g_strv_builder_add(names, entry->d_name);
        }
        closedir(dir);
        return g_strv_builder_end(names);
}
