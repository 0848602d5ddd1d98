/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of sm-daemon without a bus share. */
#pragma once

#include <glib.h>

#include "idl/bus/storage.h"
#include "operation.h"

#define TEST_SR "5e2a6a4e-0000-4000-8000-000000000001"
#define TEST_VM "a-vm"
#define MIB     (INT64_C(1) << 20)

/* `call` is given &error. */
#define OK(call)                                                                                             \
        do {                                                                                                 \
                StorageError *error = NULL;                                                                  \
                test_ok(call, &error);                                                                       \
        } while (0)
#define FAILS(call)                                                                                          \
        do {                                                                                                 \
                StorageError *error = NULL;                                                                  \
                g_assert_false(call);                                                                        \
                storage_error_free(error);                                                                   \
        } while (0)
#define FAILS_AS(call, expected)                                                                             \
        do {                                                                                                 \
                StorageError *error = NULL;                                                                  \
                g_assert_false(call);                                                                        \
                g_assert_cmpint(error->tag, ==, expected);                                                   \
                storage_error_free(error);                                                                   \
        } while (0)

void test_ok(bool good, StorageError **error);
/* With time enough for any. */
Operation test_operation(void);
/* A folder with all that is in it. */
void test_remove(const char *path);

/* A folder of plugins, `root`: of which one is the real one, or in which methods are scripts' (body without #!). The folder of
 * the plugin is returned owned (g_free). */
void test_plugin_real(const char *root, const char *kind, const char *name);
char *test_plugin_folder(const char *root, const char *kind, const char *name);
void test_plugin_script(const char *folder, const char *method, const char *body);
/* The real one's methods, each of which may be replaced by a script. Returns the folder, owned. */
char *test_plugin_copy(const char *root, const char *kind, const char *name);
