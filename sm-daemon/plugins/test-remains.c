/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-remains.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "test-steps.h"
#include "test-volumes.h"

#define PENDING_MAX 8u /* entries of a directory between two fsyncs of it */

static ino_t inode_of(const char *path)
{
        struct stat st = { 0 };

        lstat(path, &st);
        return st.st_ino;
}

static bool is_entry(const Step *step)
{
        return step->kind <= STEP_UNLINK;
}

/* What becomes of names when an entry's change reaches the disk: name -> inode. */
static void apply(GTree *names, const Step *step)
{
        if (step->kind == STEP_UNLINK || step->kind == STEP_RENAME)
                g_tree_remove(names, step->from);
        if (step->kind != STEP_UNLINK)
                g_tree_insert(names, (gpointer)step->to, GSIZE_TO_POINTER(step->inode));
}

/* What a power cut may leave. */
typedef struct Remains {
        GTree *names;    /* name -> inode */
        GHashTable *old; /* inode -> path, of what was there before */
        size_t n;        /* steps that were made */
} Remains;

static int compare(gconstpointer a, gconstpointer b, gpointer data)
{
        return strcmp(a, b);
}

static Remains remains_new(const char *before, size_t n)
{
        Remains remains = { .names = g_tree_new_full(compare, NULL, NULL, NULL),
                            .old = g_hash_table_new_full(NULL, NULL, NULL, g_free),
                            .n = n };
        GDir *dir = g_dir_open(before, 0, NULL);
        const char *entry;

        while ((entry = g_dir_read_name(dir)) != NULL) {
                char *path = g_build_filename(before, entry, NULL);
                gpointer number = GSIZE_TO_POINTER(inode_of(path));

                g_tree_insert(remains.names, (gpointer)g_intern_string(entry), number);
                g_hash_table_insert(remains.old, number, path);
        }
        g_dir_close(dir);
        return remains;
}

static void remains_clear(Remains *remains)
{
        g_tree_destroy(remains->names);
        g_hash_table_unref(remains->old);
}

/* Where the bytes of an inode are; "": they never reached the disk. Returns owned. */
static char *remains_bytes(const Remains *remains, gpointer inode)
{
        const char *old = g_hash_table_lookup(remains->old, inode);
        char *kept_bytes = old == NULL ? steps_bytes(GPOINTER_TO_SIZE(inode), remains->n) : NULL;

        return old != NULL ? g_strdup(old) : kept_bytes != NULL ? kept_bytes : g_strdup("");
}

typedef struct Making {
        const Remains *remains;
        const char *sr;       /* NULL: only to be described */
        GString *description; /* which other remains may share */
} Making;

static gboolean make_entry(gpointer name, gpointer inode, gpointer data)
{
        const Making *making = data;
        g_autofree char *bytes = remains_bytes(making->remains, inode), *path = NULL;

        g_string_append_printf(making->description, "%s=%s\n", (char *)name, bytes);
        if (making->sr == NULL)
                return FALSE;
        path = g_build_filename(making->sr, name, NULL);
        if (*bytes == '\0')
                g_assert_true(g_file_set_contents(path, "", 0, NULL));
        else if (g_hash_table_contains(making->remains->old, inode))
                g_assert_cmpint(link(bytes, path), ==, 0);
        else
                g_assert_true(run("cp --sparse=always %s %s", bytes, path));
        return FALSE;
}

/* False: it was seen before. */
static bool make(const Remains *remains, const char *cut, GHashTable *seen)
{
        Making making = { .remains = remains, .description = g_string_new("") };
        bool fresh;

        g_tree_foreach(remains->names, make_entry, &making);
        fresh = g_hash_table_add(seen, g_strdup(making.description->str));
        if (fresh) {
                g_assert_true(run("rm -rf %s", cut));
                g_assert_cmpint(g_mkdir(cut, 0700), ==, 0);
                making.sr = cut;
                g_tree_foreach(remains->names, make_entry, &making);
        }
        g_string_free(making.description, TRUE);
        return fresh;
}

void remains_each(const char *before, size_t n, const char *cut, GHashTable *seen, void (*check)(void *data),
                  void *data)
{
        size_t pending[PENDING_MAX], n_pending = 0, synced = 0;

        for (size_t i = 0; i < n; i++)
                if (steps->steps[i].kind == STEP_SYNC_DIRECTORY)
                        synced = i;
        for (size_t i = synced; i < n; i++)
                if (is_entry(&steps->steps[i])) {
                        g_assert_cmpuint(n_pending, <, PENDING_MAX);
                        pending[n_pending++] = i;
                }
        for (unsigned subset = 0; subset < 1u << n_pending; subset++) {
                Remains remains = remains_new(before, n);

                for (size_t i = 0; i < synced; i++)
                        if (is_entry(&steps->steps[i]))
                                apply(remains.names, &steps->steps[i]);
                for (size_t i = 0; i < n_pending; i++)
                        if (subset & (1u << i))
                                apply(remains.names, &steps->steps[pending[i]]);
                if (make(&remains, cut, seen))
                        check(data);
                remains_clear(&remains);
        }
}
