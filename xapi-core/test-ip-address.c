/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/socket.h>

#include <glib.h>

#include "ip-address.h"

static void test_address(void)
{
        g_assert_true(ip_address_is_valid(AF_INET, "10.0.0.1"));
        g_assert_true(ip_address_is_valid(AF_INET6, "fe80::1"));
        g_assert_false(ip_address_is_valid(AF_INET, "fe80::1"));
        g_assert_false(ip_address_is_valid(AF_INET6, "10.0.0.1"));
        g_assert_false(ip_address_is_valid(AF_INET, "300.0.0.1"));
        g_assert_false(ip_address_is_valid(AF_INET, "10.0.0.1/24"));
        g_assert_false(ip_address_is_valid(AF_INET, ""));
        g_assert_false(ip_address_is_valid(AF_INET6, "a::b::c"));
}

static void test_cidr(void)
{
        g_assert_true(ip_cidr_is_valid(AF_INET, "10.0.0.1/0"));
        g_assert_true(ip_cidr_is_valid(AF_INET, "10.0.0.1/32"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "10.0.0.1/33"));
        g_assert_true(ip_cidr_is_valid(AF_INET6, "2001:db8::1/128"));
        g_assert_false(ip_cidr_is_valid(AF_INET6, "2001:db8::1/129"));
        g_assert_true(ip_cidr_is_valid(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1"));
        g_assert_false(ip_cidr_is_valid(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555/1"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "10.0.0.1"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "10.0.0.1/"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "10.0.0.1/-1"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "10.0.0.1/4294967297"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "/24"));
        g_assert_false(ip_cidr_is_valid(AF_INET, "10.0.0.1/2 "));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ip-address/address", test_address);
        g_test_add_func("/ip-address/cidr", test_cidr);
        return g_test_run();
}
