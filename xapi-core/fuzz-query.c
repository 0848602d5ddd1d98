/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parses anything as a query and, where it is one, asks a row. */
#include <glib.h>

#include "query.h"
#include "xenapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static Row *row;
        if (row == NULL) {
                model_init();
                row = row_new(&CLASS_VM, NULL_REF);
        }
        g_autofree char *text = g_strndup(size > 0 ? (const char *)data : "", size);
        g_autoptr(XapiError) error = NULL;
        Query *query = query_parse(&CLASS_VM, text, &error);
        if (query != NULL) {
                bool matches;
                g_assert_true(query_matches(query, row, &matches, &error) == (error == NULL));
        }
        g_assert_true(query != NULL || error != NULL);
        query_free(query);
        return 0;
}
