/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <glib.h>

#include "bus-cli.h"
#include "network.h"
#include "xenops.h"

static void assert_params(const BusInterface *interface, const char *line, const char *wanted)
{
        g_auto(GStrv) argv = g_strsplit(line, " ", -1);
        const BusMethod *method = bus_cli_method(interface, argv[0]);

        g_assert_nonnull(method);
        char *reason = NULL;
        json_t *params = bus_cli_params(method, (int)g_strv_length(argv) - 1, argv + 1, &reason);
        g_autofree char *got = params ? json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

        g_assert_true(!params == !!reason);
        g_assert_cmpstr(params ? got : reason, ==, wanted);
        free(reason);
        json_decref(params);
}

static void test_methods(void)
{
        g_assert_cmpstr(bus_cli_method(&xenops_interface, "vm-start")->name, ==, "VM.start");
        g_assert_cmpstr(bus_cli_method(&xenops_interface, "Updates.Last_id")->name, ==, "UPDATES.last_id");
        g_assert_cmpstr(bus_cli_method(&network_interface, "bridge.get_all")->name, ==,
                        "Network.Bridge.get_all");
        g_assert_cmpstr(bus_cli_method(&network_interface, "Network.Bridge.get_all")->name, ==,
                        "Network.Bridge.get_all");
        g_assert_null(bus_cli_method(&xenops_interface, "VM.star"));
        g_assert_null(bus_cli_method(&xenops_interface, ""));
}

static void test_params(void)
{
        assert_params(&xenops_interface, "VM.start --id v --paused false",
                      "[{\"debug_info\":\"cli\",\"id\":\"v\",\"paused\":false}]");
        assert_params(&xenops_interface, "VM.start v true",
                      "[{\"debug_info\":\"cli\",\"id\":\"v\",\"paused\":true}]");
        assert_params(&xenops_interface, "VM.start --debug-info d --paused true v",
                      "[{\"debug_info\":\"d\",\"id\":\"v\",\"paused\":true}]");
        assert_params(&xenops_interface, "VM.shutdown 5", "[{\"debug_info\":\"cli\",\"id\":\"5\"}]");
        assert_params(&xenops_interface, "VM.shutdown 5 1.5",
                      "[{\"debug_info\":\"cli\",\"delay\":1.5,\"id\":\"5\"}]");
        assert_params(&xenops_interface, "VM.suspend v [\"VDI\",\"s/v\"]",
                      "[{\"debug_info\":\"cli\",\"id\":\"v\",\"suspend_vdi\":[\"VDI\",\"s/v\"]}]");
        assert_params(&xenops_interface, "HOST.set_numa_affinity_policy any",
                      "[{\"debug_info\":\"cli\",\"numa_affinity_policy\":\"Any\"}]");
        assert_params(&xenops_interface, "VM.list", "[{\"debug_info\":\"cli\",\"unit\":null}]");
        assert_params(&network_interface, "Interface.set_ipv4_conf eth0 dhcp4",
                      "[{\"name\":\"eth0\"},\"cli\",\"DHCP4\"]");
        assert_params(&network_interface, "Bridge.get_all", "[\"cli\",null]");
}

static void test_mistakes(void)
{
        assert_params(&xenops_interface, "VM.start v", "VM.start: .paused: is missing");
        assert_params(&xenops_interface, "VM.start v maybe", "VM.start: .paused: expected true or false");
        assert_params(&xenops_interface, "VM.start v true x", "VM.start: one parameter too many: x");
        assert_params(&xenops_interface, "VM.start --ID", "VM.start: --ID has no value");
        assert_params(&xenops_interface, "VM.start --uuid v", "VM.start has no parameter --uuid");
        assert_params(&xenops_interface, "VM.pause \xff", "VM.pause: id is no UTF-8");
        assert_params(&xenops_interface, "VM.suspend v {",
                      "VM.suspend: .suspend_vdi: expected Disk (a tag that is known)");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/bus/cli/methods", test_methods);
        g_test_add_func("/bus/cli/params", test_params);
        g_test_add_func("/bus/cli/mistakes", test_mistakes);
        return g_test_run();
}
