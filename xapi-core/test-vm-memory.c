/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <glib.h>

#include "vm-memory.h"

#define MIB (INT64_C(1) << 20)

static void test_overhead(void)
{
        g_assert_cmpint(vm_memory_overhead_bytes(256 * MIB, 2, 1.0), ==, 5 * MIB);
        g_assert_cmpint(vm_memory_overhead_bytes(256 * MIB, 2, 2.0), ==, 9 * MIB);
        g_assert_cmpint(vm_memory_overhead_bytes(0, 0, 1.0), ==, 2 * MIB);
        g_assert_cmpint(vm_memory_overhead_bytes(256 * MIB + 1, 0, 1.0), ==, 4 * MIB);
}

/* Whatever a client sets, the sum stays a number. */
static void test_overhead_absurd(void)
{
        g_assert_cmpint(vm_memory_overhead_bytes(INT64_MAX, INT64_MAX, 1e300), >, 0);
        g_assert_cmpint(vm_memory_overhead_bytes(INT64_MIN, INT64_MIN, -1), ==, 2 * MIB);
        g_assert_cmpint(vm_memory_overhead_bytes(MIB, 1, NAN), ==, 2 * MIB);
}

static void test_maximise(void)
{
        int64_t most = vm_memory_maximise_bytes(1024 * MIB, 64, 1.0);

        g_assert_cmpint(most, ==, 997195776);
        g_assert_cmpint(most + vm_memory_overhead_bytes(most, 64, 1.0), <=, 1024 * MIB);
        g_assert_cmpint(most + MIB + vm_memory_overhead_bytes(most + MIB, 64, 1.0), >, 1024 * MIB);
        g_assert_cmpint(vm_memory_maximise_bytes(2 * MIB, 1, 1.0), ==, 0);
        g_assert_cmpint(vm_memory_maximise_bytes(-1, 1, 1.0), ==, 0);
        g_assert_cmpint(vm_memory_maximise_bytes(INT64_MAX, 1, 1.0), >, 0);
}

static void test_limits(void)
{
        g_assert_true(vm_memory_limits_valid(&(VmMemoryLimits){ 1, 1, 1, 1 }));
        g_assert_true(vm_memory_limits_valid(&(VmMemoryLimits){ 0, 1, 2, 3 }));
        g_assert_false(vm_memory_limits_valid(&(VmMemoryLimits){ -1, 1, 2, 3 }));
        g_assert_false(vm_memory_limits_valid(&(VmMemoryLimits){ 2, 1, 2, 3 }));
        g_assert_false(vm_memory_limits_valid(&(VmMemoryLimits){ 0, 2, 1, 3 }));
        g_assert_false(vm_memory_limits_valid(&(VmMemoryLimits){ 0, 1, 4, 3 }));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/vm-memory/overhead", test_overhead);
        g_test_add_func("/vm-memory/overhead-absurd", test_overhead_absurd);
        g_test_add_func("/vm-memory/maximise", test_maximise);
        g_test_add_func("/vm-memory/limits", test_limits);
        return g_test_run();
}
