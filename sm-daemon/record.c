/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#define RECORD_PLAIN_NAME_MAX 64 /* bytes */

char *record_name(const char *text)
{
        g_autofree char *digest = NULL;
        size_t plain = strspn(text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_");

        if (plain > 0 && text[plain] == '\0' && plain <= RECORD_PLAIN_NAME_MAX)
                return g_strdup(text);
        digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
        return g_strconcat("=", digest, NULL);
}

static int write_file(const char *path, const char *text)
{
        size_t len = strlen(text);
        ssize_t n;
        int fd, r;

        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, text, len);
        r = n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
        close(fd);
        return r;
}

int record_write(const char *path, const json_t *record)
{
        g_autofree char *fresh = g_strconcat(path, ".new", NULL);
        char *text;
        int r;

        text = json_dumps(record, JSON_COMPACT);
        if (text == NULL)
                return -ENOMEM;
        r = write_file(fresh, text);
        free(text);
        if (r == 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r < 0)
                unlink(fresh);
        return r;
}

int record_read(const char *path, json_t **ret)
{
        struct stat st;
        json_t *record;
        FILE *file;

        file = fopen(path, "re");
        if (file == NULL)
                return -errno;
        if (fstat(fileno(file), &st) < 0 || st.st_size > RECORD_SIZE_MAX) {
                fclose(file);
                return -EBADMSG;
        }
        record = json_loadf(file, JSON_REJECT_DUPLICATES, NULL);
        fclose(file);
        if (!json_is_object(record)) {
                json_decref(record);
                return -EBADMSG;
        }
        *ret = record;
        return 0;
}

int record_remove(const char *path)
{
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
