/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "shares.h"

static size_t take_all(Shares *shares, const char *session)
{
        size_t n = 0;

        while (shares_take(shares, session))
                n++;
        return n;
}

static void test_halves(void)
{
        Shares *shares = shares_new(16);

        g_assert_cmpuint(take_all(shares, "a"), ==, 8);
        g_assert_cmpuint(take_all(shares, "b"), ==, 4);
        g_assert_cmpuint(take_all(shares, ""), ==, 2);
        g_assert_cmpuint(take_all(shares, "c"), ==, 1);
        g_assert_cmpuint(take_all(shares, "d"), ==, 1); /* the last one */
        g_assert_cmpuint(take_all(shares, "e"), ==, 0);
        /* What comes back goes to who has less than that. */
        for (int i = 0; i < 3; i++)
                shares_give_back(shares, "a");
        g_assert_cmpuint(take_all(shares, "a"), ==, 0);
        g_assert_cmpuint(take_all(shares, "b"), ==, 0);
        g_assert_cmpuint(take_all(shares, "e"), ==, 2);
        g_assert_cmpuint(take_all(shares, ""), ==, 0);
        g_assert_cmpuint(take_all(shares, "f"), ==, 1);
        shares_free(shares);
}

static void test_few(void)
{
        Shares *one = shares_new(1), *none = shares_new(0);

        g_assert_false(shares_take(none, "a"));
        for (int i = 0; i < 2; i++) {
                g_assert_cmpuint(take_all(one, "a"), ==, 1);
                g_assert_cmpuint(take_all(one, "b"), ==, 0);
                shares_give_back(one, "a");
        }
        shares_free(one);
        shares_free(none);
        shares_free(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/shares/halves", test_halves);
        g_test_add_func("/shares/few", test_few);
        return g_test_run();
}
