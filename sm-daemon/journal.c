/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

struct Journal {
        char *path;
        pthread_mutex_t mutex; /* of what follows */
        int fd;
        GHashTable *lines; /* key -> its last line, without what is removed */
        size_t n_lines;    /* in the file */
        size_t n_damaged;  /* of these, when it was opened */
};

/* One line: ["key", value], with value null for what is removed. Returns owned (g_free). */
static char *line_new(const char *key, const json_t *value)
{
        json_t *pair = json_pack("[s, o]", key, value != NULL ? json_incref((json_t *)value) : json_null());
        char *text = json_dumps(pair, JSON_COMPACT), *line = g_strconcat(text, "\n", NULL);

        json_decref(pair);
        free(text);
        return line;
}

static void take_line(Journal *journal, const char *line)
{
        json_t *pair = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const char *key = json_string_value(json_array_get(pair, 0));
        bool good = key != NULL && json_array_size(pair) == 2;

        if (good && json_is_null(json_array_get(pair, 1)))
                g_hash_table_remove(journal->lines, key);
        else if (good)
                g_hash_table_replace(journal->lines, g_strdup(key), g_strdup(line));
        journal->n_lines++;
        journal->n_damaged += !good;
        json_decref(pair);
}

/* Cuts off a last line that is not whole. */
static int load(Journal *journal)
{
        FILE *file = fopen(journal->path, "re");
        char *line = NULL;
        size_t room = 0;
        ssize_t n;
        off_t end = 0;

        if (file == NULL)
                return -errno;
        while ((n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n') {
                take_line(journal, line);
                end += n;
        }
        free(line);
        fclose(file);
        return ftruncate(journal->fd, end) < 0 ? -errno : 0;
}

int journal_open(const char *path, Journal **ret)
{
        Journal *journal = g_new0(Journal, 1);
        int r;

        journal->path = g_strdup(path);
        pthread_mutex_init(&journal->mutex, NULL);
        journal->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        journal->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = journal->fd < 0 ? -errno : load(journal);
        if (r < 0) {
                journal_close(journal);
                return r;
        }
        *ret = journal;
        return 0;
}

void journal_close(Journal *journal)
{
        if (journal == NULL)
                return;
        if (journal->fd >= 0)
                close(journal->fd);
        g_hash_table_unref(journal->lines);
        pthread_mutex_destroy(&journal->mutex);
        g_free(journal->path);
        g_free(journal);
}

/* All of it or nothing. */
static int append(int fd, const char *text, size_t len)
{
        off_t end = lseek(fd, 0, SEEK_END);
        ssize_t n;

        if (end < 0)
                return -errno;
        n = write(fd, text, len);
        if (n == (ssize_t)len)
                return 0;
        if (n < 0)
                return -errno;
        return ftruncate(fd, end) < 0 ? -errno : -ENOSPC;
}

static int write_live(Journal *journal, int fd)
{
        g_autoptr(GString) text = g_string_new(NULL);
        GHashTableIter lines;
        gpointer line;

        g_hash_table_iter_init(&lines, journal->lines);
        while (g_hash_table_iter_next(&lines, NULL, &line))
                g_string_append(text, line);
        return append(fd, text->str, text->len);
}

/* Where it fails, the longer file stays in use. */
static void rewrite(Journal *journal)
{
        g_autofree char *fresh = g_strconcat(journal->path, ".new", NULL);
        int fd;

        fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return;
        if (write_live(journal, fd) < 0 || rename(fresh, journal->path) < 0) {
                unlink(fresh);
                close(fd);
                return;
        }
        close(journal->fd);
        journal->fd = fd;
        journal->n_lines = g_hash_table_size(journal->lines);
}

int journal_set(Journal *journal, const char *key, const json_t *value)
{
        char *line = line_new(key, value);
        int r = 0;

        pthread_mutex_lock(&journal->mutex);
        if (value != NULL || g_hash_table_contains(journal->lines, key))
                r = append(journal->fd, line, strlen(line));
        if (r == 0 && value != NULL)
                g_hash_table_replace(journal->lines, g_strdup(key), g_steal_pointer(&line));
        else if (r == 0)
                g_hash_table_remove(journal->lines, key);
        journal->n_lines += r == 0;
        if (journal->n_lines > 2 * g_hash_table_size(journal->lines) + JOURNAL_SLACK)
                rewrite(journal);
        pthread_mutex_unlock(&journal->mutex);
        g_free(line);
        return r;
}

void journal_each(Journal *journal, void (*each)(const char *key, const json_t *value, void *data),
                  void *data)
{
        GHashTableIter lines;
        gpointer key, line;

        pthread_mutex_lock(&journal->mutex);
        g_hash_table_iter_init(&lines, journal->lines);
        while (g_hash_table_iter_next(&lines, &key, &line)) {
                json_t *pair = json_loads(line, 0, NULL);

                each(key, json_array_get(pair, 1), data);
                json_decref(pair);
        }
        pthread_mutex_unlock(&journal->mutex);
}

size_t journal_damaged(Journal *journal)
{
        return journal->n_damaged;
}

size_t journal_lines(Journal *journal)
{
        size_t n;

        pthread_mutex_lock(&journal->mutex);
        n = journal->n_lines;
        pthread_mutex_unlock(&journal->mutex);
        return n;
}
