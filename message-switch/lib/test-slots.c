/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "slots.h"

#define THINGS 1000

static void test_ids(void)
{
        Slots slots = { 0 };
        int things[THINGS];
        uint64_t ids[THINGS];
        g_assert_null(slots_get(&slots, 0));
        for (size_t i = 0; i < THINGS; i++) {
                ids[i] = slots_add(&slots, &things[i]);
                g_assert_cmpuint(ids[i], >, UINT32_MAX);
        }
        g_assert_cmpuint(slots.n_used, ==, THINGS);
        for (size_t i = 0; i < THINGS; i++)
                g_assert_true(slots_get(&slots, ids[i]) == &things[i]);
        for (size_t i = 0; i < THINGS; i++)
                slots_remove(&slots, ids[i]);
        g_assert_cmpuint(slots.n_used, ==, 0);
        for (size_t i = 0; i < THINGS; i++)
                g_assert_null(slots_get(&slots, ids[i]));
        slots_clear(&slots);
}

/* An old id does not find what has its place now; nor does one that never was. */
static void test_generations(void)
{
        Slots slots = { 0 };
        int thing;
        uint64_t old = slots_add(&slots, &thing);
        slots_remove(&slots, old);
        uint64_t new = slots_add(&slots, &thing);
        g_assert_cmpuint((uint32_t)old, ==, (uint32_t) new);
        g_assert_null(slots_get(&slots, old));
        g_assert_true(slots_get(&slots, new) == &thing);
        g_assert_null(slots_get(&slots, 3));
        g_assert_null(slots_get(&slots, UINT64_MAX));
        slots_clear(&slots);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/slots/ids", test_ids);
        g_test_add_func("/slots/generations", test_generations);
        return g_test_run();
}
