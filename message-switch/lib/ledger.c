/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "checksum.h"

/* A line: checksum of what follows it, space, key, space, text, newline. No text: the key is removed. */
#define SUM_CHARS 16
#define BOOT_KEY  "boot" /* of the first line */

#define ROOM_STEP (256 << 10)

/* Where a key's text stands in the file. */
typedef struct Place {
        off_t offset; /* of the line */
        size_t line_len;
        size_t text_offset, text_len; /* in the line */
        char key[];
} Place;

struct Ledger {
        char *path;
        char *boot;
        int fd;
        pthread_mutex_t lock;
        GHashTable *places; /* Place.key -> Place */
        off_t end;
        off_t room; /* the disk has room for so much of the file */
        off_t live; /* bytes of lines that hold */
};

static bool key_valid(const char *key)
{
        size_t len = strlen(key);
        for (size_t i = 0; i < len; i++)
                if (!g_ascii_isgraph(key[i]))
                        return false;
        return len > 0 && len <= LEDGER_KEY_MAX;
}

static GString *make_line(const char *key, const char *text)
{
        GString *line = g_string_sized_new(strlen(key) + strlen(text) + SUM_CHARS + 3);
        g_string_append_len(line, "0000000000000000 ", SUM_CHARS + 1);
        g_string_append(line, key);
        g_string_append_c(line, ' ');
        g_string_append(line, text);
        char sum[SUM_CHARS + 1];
        snprintf(sum, sizeof sum, "%016" PRIx64,
                 checksum(line->str + SUM_CHARS + 1, line->len - SUM_CHARS - 1));
        memcpy(line->str, sum, SUM_CHARS);
        g_string_append_c(line, '\n');
        return line;
}

static int write_all(int fd, const char *data, size_t len, off_t offset)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, data, len, offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                len -= (size_t)n;
                offset += n;
        }
        return 0;
}

/* The line of a key that holds now; text_len 0: none does. */
static void ledger_note(Ledger *ledger, const char *key, off_t offset, size_t line_len, size_t text_len)
{
        Place *old = g_hash_table_lookup(ledger->places, key);
        if (old) {
                ledger->live -= (off_t)old->line_len;
                g_hash_table_remove(ledger->places, key);
        }
        if (text_len == 0)
                return;
        size_t key_len = strlen(key);
        Place *place = g_malloc(sizeof *place + key_len + 1);
        *place = (Place){ offset, line_len, SUM_CHARS + 1 + key_len + 1, text_len };
        memcpy(place->key, key, key_len + 1);
        g_hash_table_insert(ledger->places, place->key, place);
        ledger->live += (off_t)line_len;
}

/* Room for a line of len bytes, and for removals after it. */
static int ledger_make_room(Ledger *ledger, size_t len)
{
        off_t needed = ledger->end + (off_t)len + LEDGER_RESERVE;
        if (needed <= ledger->room)
                return 0;
        off_t room = needed + ROOM_STEP;
        if (fallocate(ledger->fd, FALLOC_FL_KEEP_SIZE, 0, room) < 0) {
                if (errno != EOPNOTSUPP)
                        return -errno;
        }
        ledger->room = room;
        return 0;
}

static int ledger_append(Ledger *ledger, const char *key, const char *text)
{
        GString *line = make_line(key, text);
        int r = *text ? ledger_make_room(ledger, line->len) : 0;
        if (r == 0)
                r = write_all(ledger->fd, line->str, line->len, ledger->end);
        if (r == 0) {
                ledger_note(ledger, key, ledger->end, line->len, strlen(text));
                ledger->end += (off_t)line->len;
        } else {
                ledger->room = 0; /* what was set aside goes with the torn line */
                if (ftruncate(ledger->fd, ledger->end) < 0)
                        r = -errno;
        }
        g_string_free(line, TRUE);
        return r;
}

/* Another file with the lines that hold. */
static int ledger_copy(Ledger *ledger, int fd, GPtrArray *places, off_t *ret_end)
{
        GString *boot = make_line(BOOT_KEY, ledger->boot);
        off_t end = (off_t)boot->len;
        int r = write_all(fd, boot->str, boot->len, 0);
        g_string_free(boot, TRUE);
        for (guint i = 0; i < places->len && r == 0; i++) {
                const Place *place = g_ptr_array_index(places, i);
                g_autofree char *line = g_malloc(place->line_len);
                if (pread(ledger->fd, line, place->line_len, place->offset) != (ssize_t)place->line_len)
                        return -EIO;
                r = write_all(fd, line, place->line_len, end);
                end += (off_t)place->line_len;
        }
        *ret_end = end;
        return r;
}

/* Writes the file anew once most of it is outdated. It is no matter if that fails. */
static void ledger_compact(Ledger *ledger)
{
        if (ledger->end - ledger->live < LEDGER_GARBAGE_MIN || ledger->end < 4 * ledger->live)
                return;
        g_autofree char *temporary = g_strconcat(ledger->path, ".new", NULL);
        g_autoptr(GPtrArray) places = g_ptr_array_new();
        GHashTableIter iter;
        gpointer place;
        off_t end;
        int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return;
        g_hash_table_iter_init(&iter, ledger->places);
        while (g_hash_table_iter_next(&iter, NULL, &place))
                g_ptr_array_add(places, place);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 || ledger_copy(ledger, fd, places, &end) < 0 ||
            rename(temporary, ledger->path) < 0) {
                unlink(temporary);
                close(fd);
                return;
        }
        close(ledger->fd);
        ledger->fd = fd;
        ledger->end = end;
        ledger->room = 0;
        for (guint i = places->len; i-- > 0;) {
                Place *moved = g_ptr_array_index(places, i);
                end -= (off_t)moved->line_len;
                moved->offset = end;
        }
}

int ledger_put(Ledger *ledger, const char *key, const char *text)
{
        size_t len = strlen(text);
        if (!key_valid(key) || len == 0 || len > LEDGER_TEXT_MAX || strchr(text, '\n'))
                return -EINVAL;
        pthread_mutex_lock(&ledger->lock);
        int r = ledger_append(ledger, key, text);
        ledger_compact(ledger);
        pthread_mutex_unlock(&ledger->lock);
        return r;
}

int ledger_put_json(Ledger *ledger, const char *key, const json_t *json)
{
        char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!text)
                return -EINVAL;
        int r = ledger_put(ledger, key, text);
        free(text);
        return r;
}

int ledger_remove(Ledger *ledger, const char *key)
{
        pthread_mutex_lock(&ledger->lock);
        int r = g_hash_table_contains(ledger->places, key) ? ledger_append(ledger, key, "") : 0;
        ledger_compact(ledger);
        pthread_mutex_unlock(&ledger->lock);
        return r;
}

int ledger_get(Ledger *ledger, const char *key, char **ret_text)
{
        pthread_mutex_lock(&ledger->lock);
        const Place *place = g_hash_table_lookup(ledger->places, key);
        int r;
        if (place) {
                g_autofree char *text = g_malloc(place->text_len + 1);
                ssize_t n =
                    pread(ledger->fd, text, place->text_len, place->offset + (off_t)place->text_offset);
                r = n < 0 ? -errno : (size_t)n < place->text_len ? -EIO : 0;
                text[place->text_len] = '\0';
                if (r == 0)
                        *ret_text = g_steal_pointer(&text);
        } else {
                r = -ENOENT;
        }
        pthread_mutex_unlock(&ledger->lock);
        return r;
}

int ledger_get_json(Ledger *ledger, const char *key, json_t **ret_json)
{
        g_autofree char *text = NULL;
        int r = ledger_get(ledger, key, &text);
        if (r < 0)
                return r;
        *ret_json = json_loads(text, JSON_DECODE_ANY, NULL);
        return *ret_json ? 0 : -EBADMSG;
}

char **ledger_keys(Ledger *ledger, const char *prefix)
{
        g_autoptr(GStrvBuilder) keys = g_strv_builder_new();
        GHashTableIter iter;
        gpointer key;
        pthread_mutex_lock(&ledger->lock);
        g_hash_table_iter_init(&iter, ledger->places);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (g_str_has_prefix(key, prefix))
                        g_strv_builder_add(keys, key);
        pthread_mutex_unlock(&ledger->lock);
        return g_strv_builder_end(keys);
}

/* Notes the line at `line`, which is NUL-terminated in place. False: it is none. */
static bool load_line(Ledger *ledger, char *line, size_t len, off_t offset)
{
        char *rest = line + SUM_CHARS + 1, *end;
        line[len] = '\0';
        if (len < SUM_CHARS + 3 || line[SUM_CHARS] != ' ' || strlen(line) != len)
                return false;
        line[SUM_CHARS] = '\0';
        uint64_t sum = g_ascii_strtoull(line, &end, 16);
        char *space = strchr(rest, ' ');
        if (*end || !space || sum != checksum(rest, len - SUM_CHARS - 1))
                return false;
        *space = '\0';
        if (!key_valid(rest))
                return false;
        if (g_str_equal(rest, BOOT_KEY))
                return offset == 0 && g_str_equal(space + 1, ledger->boot);
        if (offset == 0)
                return false;
        ledger_note(ledger, rest, offset, len + 1, strlen(space + 1));
        return true;
}

static int ledger_load(Ledger *ledger)
{
        g_autofree char *text = NULL;
        gsize len;
        g_autoptr(GError) error = NULL;
        if (!g_file_get_contents(ledger->path, &text, &len, &error))
                return -EIO;
        char *line = text, *newline;
        while ((newline = memchr(line, '\n', len - (size_t)(line - text))) &&
               load_line(ledger, line, (size_t)(newline - line), line - text))
                line = newline + 1;
        ledger->end = line - text;
        if (ftruncate(ledger->fd, ledger->end) < 0)
                return -errno;
        if (ledger->end > 0)
                return 0;
        GString *boot = make_line(BOOT_KEY, ledger->boot);
        int r = write_all(ledger->fd, boot->str, boot->len, 0);
        ledger->end = (off_t)boot->len;
        g_string_free(boot, TRUE);
        return r;
}

/* A folder that others can change could hold anything. */
static int check_folder(const char *folder)
{
        struct stat status;
        int fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = fstat(fd, &status) < 0 ? -errno : 0;
        close(fd);
        if (r == 0 && (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH))))
                r = -EPERM;
        return r;
}

/* The file, locked, and not one that was replaced in the meantime. */
static int open_locked(const char *path)
{
        for (;;) {
                struct stat here, there;
                int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0)
                        return -errno;
                if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &here) < 0) {
                        int r = -errno;
                        close(fd);
                        return r == -EWOULDBLOCK ? -EBUSY : r;
                }
                if (stat(path, &there) == 0 && here.st_ino == there.st_ino)
                        return fd;
                close(fd);
        }
}

Ledger *ledger_open(const char *path, char **ret_error)
{
        Ledger *ledger = g_new0(Ledger, 1);
        g_autofree char *folder = g_path_get_dirname(path);
        int r;
        ledger->path = g_strdup(path);
        pthread_mutex_init(&ledger->lock, NULL);
        ledger->places = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        if (g_file_get_contents("/proc/sys/kernel/random/boot_id", &ledger->boot, NULL, NULL))
                g_strchomp(ledger->boot);
        else
                ledger->boot = g_strdup("unknown");
        r = g_mkdir_with_parents(folder, 0700) < 0 ? -errno : check_folder(folder);
        ledger->fd = r < 0 ? r : open_locked(path);
        r = ledger->fd < 0 ? ledger->fd : ledger_load(ledger);
        if (r == 0)
                return ledger;
        *ret_error = g_strdup_printf("%s: %s", path,
                                     r == -EBUSY   ? "another process has it"
                                     : r == -EPERM ? "its folder is not this user's alone"
                                                   : g_strerror(-r));
        ledger_close(ledger);
        return NULL;
}

void ledger_close(Ledger *ledger)
{
        if (!ledger)
                return;
        if (ledger->fd >= 0)
                close(ledger->fd);
        g_hash_table_destroy(ledger->places);
        pthread_mutex_destroy(&ledger->lock);
        g_free(ledger->boot);
        g_free(ledger->path);
        g_free(ledger);
}
