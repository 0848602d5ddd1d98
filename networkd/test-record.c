/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>

static NetworkBridgeConfig *bridge_of(size_t bytes)
{
        NetworkBridgeConfig *config = g_new0(NetworkBridgeConfig, 1);
        g_autofree char *text = g_strnfill(bytes, 'x');

        bus_dict_set(&config->other_config, "text", text);
        return config;
}

static int put(Record *record, const char *name, size_t bytes)
{
        NetworkBridgeConfig *config = bridge_of(bytes);
        int r = record_set_bridge(record, name, config);

        network_bridge_config_clear(config);
        g_free(config);
        return r;
}

/* Whatever is written can be read again. */
static void test_size(void)
{
        g_autofree char *folder = g_dir_make_tmp("record-XXXXXX", NULL),
                        *path = g_build_filename(folder, "network.json", NULL), *error = NULL;
        Record *record = record_open(path, &error);
        GStatBuf status;
        size_t rest;

        g_assert_nonnull(record);
        g_assert_cmpint(put(record, "xapi0", 1), ==, 0);
        g_assert_cmpint(g_stat(path, &status), ==, 0);
        rest = RECORD_SIZE_MAX - (size_t)status.st_size + 1;
        g_assert_cmpint(put(record, "xapi0", rest), ==, 0);
        g_assert_cmpint(g_stat(path, &status), ==, 0);
        g_assert_cmpint(status.st_size, ==, RECORD_SIZE_MAX);
        g_assert_cmpint(put(record, "xapi0", rest + 1), ==, -EFBIG);
        g_assert_cmpint(put(record, "xapi1", 1), ==, -EFBIG);
        g_assert_null(record_bridge(record, "xapi1"));
        record_close(record);

        record = record_open(path, &error);
        g_assert_cmpstr(error, ==, NULL);
        g_assert_cmpuint(strlen(bus_dict_get(&record_bridge(record, "xapi0")->other_config, "text")), ==,
                         rest);
        g_assert_cmpint(record_set_bridge(record, "xapi0", NULL), ==, 0);
        record_close(record);
        g_unlink(path);
        g_rmdir(folder);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/record/size", test_size);
        return g_test_run();
}
