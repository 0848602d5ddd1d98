/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scheduler-params.h"

#include <stdarg.h>

#include <glib.h>

#include "model.h"

static const Type *type(void)
{
        return class_field(&CLASS_VM, "VCPUs_params")->type;
}

/* "256 0", then what each virtual processor may run on; takes both maps. */
static char *read_text(Map *vm, Map *host, int64_t vcpus)
{
        XenopsSchedulerParams params;
        GString *text = g_string_new(NULL);

        scheduler_params_read(vm, host, vcpus, &params);
        g_string_printf(text, "%d %d", (int)params.priority->weight, (int)params.priority->cap);
        for (size_t i = 0; i < params.affinity.n; i++) {
                g_string_append_c(text, ' ');
                for (size_t k = 0; k < params.affinity.items[i].n; k++)
                        g_string_append_printf(text, k ? ",%d" : "%d",
                                               (int)params.affinity.items[i].items[k]);
        }
        xenops_scheduler_params_clear(&params);
        map_unref(vm);
        map_unref(host);
        return g_string_free(text, FALSE);
}

static void check(const char *key, const char *value, const char *host_mask, const char *wanted)
{
        g_autofree char *text =
            read_text(key ? map_of_strings(type(), key, value, NULL) : map_empty(type()),
                      host_mask ? map_of_strings(type(), "mask", host_mask, NULL) : map_empty(type()), 2);

        g_assert_cmpstr(text, ==, wanted);
}

static void test_priority(void)
{
        check(NULL, NULL, NULL, "256 0");
        check("weight", "1", NULL, "1 0");
        check("weight", "65535", NULL, "65535 0");
        check("cap", "200", NULL, "256 200");
        for (const char **bad =
                 (const char *[]){ "0", "65536", "-1", "", "x", "1x", "9999999999999999999", NULL };
             *bad; bad++)
                check("weight", *bad, NULL, "256 0");
        for (const char **bad = (const char *[]){ "201", "-1", "", "50%", NULL }; *bad; bad++)
                check("cap", *bad, NULL, "256 0");
}

static void test_mask(void)
{
        check("mask", "1", NULL, "256 0 1");
        check("mask", "0, 1,1", NULL, "256 0 0,1");
        check("mask", "0,1; 2,3", NULL, "256 0 0,1 2,3");
        check("mask", "0;1;2", NULL, "256 0 0 1");
        check("mask", "4095", NULL, "256 0 4095");
        for (const char **bad = (const char *[]){ "", ",", "0,", "0;", "4096", "-1", "0-3", "x", NULL }; *bad;
             bad++)
                check("mask", *bad, NULL, "256 0");
        check(NULL, NULL, "2,3", "256 0 2,3");
        check(NULL, NULL, "x", "256 0");
        check("mask", "1,2;3", "2,3", "256 0 2 3");
        check("mask", "0;3", "2,3", "256 0 2,3 3");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/scheduler-params/priority", test_priority);
        g_test_add_func("/scheduler-params/mask", test_mask);
        return g_test_run();
}
