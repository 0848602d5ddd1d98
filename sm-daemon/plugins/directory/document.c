/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_whole(int fd, char **ret_text, size_t *ret_len)
{
        struct stat st;
        char *text;
        size_t len = 0;
        ssize_t n = 0;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > DOCUMENT_SIZE_MAX)
                return -EBADMSG;
        text = malloc((size_t)st.st_size + 1);
        if (text == NULL)
                return -ENOMEM;
        while (len < (size_t)st.st_size && (n = read(fd, text + len, (size_t)st.st_size - len)) > 0)
                len += (size_t)n;
        if (n < 0) {
                int r = -errno;

                free(text);
                return r;
        }
        *ret_text = text;
        *ret_len = len;
        return 0;
}

int document_read(int directory, const char *name, json_t **ret)
{
        json_t *document;
        char *text = NULL;
        size_t len = 0;
        int fd, r;

        fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = read_whole(fd, &text, &len);
        close(fd);
        if (r < 0)
                return r;
        document = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        free(text);
        if (!json_is_object(document)) {
                json_decref(document);
                return -EBADMSG;
        }
        *ret = document;
        return 0;
}

static int write_whole(int fd, const char *text)
{
        size_t len = strlen(text), done = 0;

        if (len > DOCUMENT_SIZE_MAX)
                return -EFBIG;
        while (done < len) {
                ssize_t n = write(fd, text + done, len - done);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        done += (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(int directory, const char *name, json_t *document)
{
        char *text;
        int fd, r;

        text = json_dumps(document, JSON_INDENT(1) | JSON_SORT_KEYS);
        if (text == NULL)
                return -ENOMEM;
        fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) {
                r = -errno;
        } else {
                r = write_whole(fd, text);
                if (close(fd) < 0 && r == 0)
                        r = -errno;
        }
        free(text);
        return r;
}

int document_write(int directory, const char *name, json_t *document)
{
        char new_name[NAME_MAX + 1];
        int r;

        if (snprintf(new_name, sizeof(new_name), "%s" DOCUMENT_PART, name) >= (int)sizeof(new_name))
                return -ENAMETOOLONG;
        r = write_new(directory, new_name, document);
        if (r == 0 && renameat(directory, new_name, directory, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(directory, new_name, 0);
                return r;
        }
        return fsync(directory) < 0 ? -errno : 0;
}
