/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include <glib.h>

#include "codec.h"

static void test_forms(void)
{
        static const char *const forms[] = {
                "20260131T12:34:56Z",        "20260131T12:34:56",      "20260131T123456Z",
                "2026-01-31T12:34:56Z",      "2026-01-31T12:34:56",    "2026-01-31 12:34:56Z",
                "2026-01-31T13:34:56+01:00", "20260131T07:04:56-0530", "2026-01-31T12:34:56.789Z",
                "2026-01-31t12:34:56z",      "2026-01-31T14:34:56+02",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                int64_t seconds = -1;
                g_assert_true(datetime_parse(forms[i], &seconds));
                g_assert_cmpint(seconds, ==, 1769862896);
        }
}

static void test_refused(void)
{
        static const char *const forms[] = {
                "",
                "x",
                "2026",
                "20260131",
                "20260131T",
                "20260131T12:34",
                "20260132T12:34:56Z",
                "20261331T12:34:56Z",
                "20260229T12:34:56Z",
                "20260131T24:34:56Z",
                "20260131T12:60:56Z",
                "20260131T12:34:61Z",
                "2026-0131T12:34:56Z",
                "20260131T12:3456Z",
                "20260131T12:34:56Zx",
                "20260131T12:34:56+",
                "20260131T12:34:56+25:00",
                "20260131T12:34:56+01:60",
                "20260131T12:34:56.",
                "-0260131T12:34:56Z",
                " 20260131T12:34:56Z",
                "20260131T12:34:56+1",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                int64_t seconds = -1;
                g_assert_false(datetime_parse(forms[i], &seconds));
                g_assert_cmpint(seconds, ==, -1);
        }
}

static void test_format(void)
{
        char text[DATETIME_TEXT_BYTES];
        datetime_format(0, text);
        g_assert_cmpstr(text, ==, "19700101T00:00:00Z");
        datetime_format(-1, text);
        g_assert_cmpstr(text, ==, "19691231T23:59:59Z");
        datetime_format(INT64_MIN, text);
        g_assert_cmpstr(text, ==, "00000101T00:00:00Z");
        datetime_format(INT64_MAX, text);
        g_assert_cmpstr(text, ==, "99991231T23:59:59Z");
}

/* The C library agrees, over leap years and centuries. */
static void test_round_trip(void)
{
        for (int64_t seconds = -62167219200LL; seconds < 253402300800LL; seconds += 86400 * 13 + 3671) {
                char text[DATETIME_TEXT_BYTES], expected[64];
                datetime_format(seconds, text);
                time_t t = seconds;
                struct tm tm;
                gmtime_r(&t, &tm);
                g_snprintf(expected, sizeof(expected), "%04d%02d%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                           tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
                g_assert_cmpstr(text, ==, expected);
                int64_t back;
                g_assert_true(datetime_parse(text, &back));
                g_assert_cmpint(back, ==, seconds);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/datetime/forms", test_forms);
        g_test_add_func("/datetime/refused", test_refused);
        g_test_add_func("/datetime/format", test_format);
        g_test_add_func("/datetime/round-trip", test_round_trip);
        return g_test_run();
}
