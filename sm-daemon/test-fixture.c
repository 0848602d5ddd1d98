/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "message-switch/lib/loop.h"

#define TIME_USEC (300u * 1000000u)

void test_ok(bool good, StorageError **error)
{
        if (!good)
                g_error("%s", storage_error_text(*error));
}

Operation test_operation(void)
{
        return (Operation){ .dbg = "test", .deadline_usec = clock_usec() + TIME_USEC };
}

void test_remove(const char *path)
{
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", path);

        g_assert_cmpint(system(command), ==, 0);
}

static char *real_folder(const char *kind, const char *name)
{
        return g_build_filename(g_getenv("SM_PLUGINS"), kind, name, NULL);
}

char *test_plugin_folder(const char *root, const char *kind, const char *name)
{
        char *folder = g_build_filename(root, kind, name, NULL);

        g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
        return folder;
}

void test_plugin_real(const char *root, const char *kind, const char *name)
{
        g_autofree char *parent = test_plugin_folder(root, kind, ""),
                        *link = g_build_filename(parent, name, NULL), *target = real_folder(kind, name);

        g_assert_cmpint(symlink(target, link), ==, 0);
}

void test_plugin_script(const char *folder, const char *method, const char *body)
{
        g_autofree char *path = g_build_filename(folder, method, NULL);
        g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s\n", body);

        g_unlink(path);
        g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
}

char *test_plugin_copy(const char *root, const char *kind, const char *name)
{
        g_autofree char *real = real_folder(kind, name);
        g_autoptr(GDir) dir = g_dir_open(real, 0, NULL);
        char *folder = test_plugin_folder(root, kind, name);
        const char *method;

        g_assert_nonnull(dir);
        while ((method = g_dir_read_name(dir)) != NULL) {
                g_autofree char *link = g_build_filename(folder, method, NULL),
                                *target = g_build_filename(real, method, NULL);

                g_assert_cmpint(symlink(target, link), ==, 0);
        }
        return folder;
}
