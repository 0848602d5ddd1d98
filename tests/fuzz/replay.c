/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives every file of the folders named to a fuzz target: its corpus as an ordinary test. */
#include <stdint.h>
#include <stdlib.h>

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(gconstpointer path)
{
        g_autofree char *bytes = NULL, *exact = NULL;
        size_t size;

        g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
        exact = g_memdup2(bytes, size); /* without the NUL behind it, so that reading too far is seen */
        g_assert_cmpint(LLVMFuzzerTestOneInput((const uint8_t *)exact, size), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        for (int i = 1; i < argc; i++) {
                g_autoptr(GDir) folder = g_dir_open(argv[i], 0, NULL);

                g_assert_nonnull(folder);
                for (const char *name; (name = g_dir_read_name(folder));) {
                        g_autofree char *test = g_strdup_printf("/replay/%s", name);

                        g_test_add_data_func_full(test, g_build_filename(argv[i], name, NULL), replay,
                                                  g_free);
                }
        }
        return g_test_run();
}
