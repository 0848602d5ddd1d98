/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networkd-cli: `show`, and any method of the interface. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "idl/bus/network.h"
#include "idl/runtime/bus-cli.h"
#include "idl/runtime/bus-connection.h"

#define SHOW  "show"
#define DEBUG "networkd-cli"

static bool print_addresses(Bus *bus, const char *name, NetworkError **error)
{
        NetworkAddressList ipv4 = { 0 }, ipv6 = { 0 };
        char *gateway = NULL;
        bool ok = network_interface_get_ipv4_addr(bus, 0, DEBUG, name, &ipv4, error) &&
                  network_interface_get_ipv6_addr(bus, 0, DEBUG, name, &ipv6, error) &&
                  network_interface_get_ipv4_gateway(bus, 0, DEBUG, name, &gateway, error);

        for (size_t i = 0; ok && i < ipv4.n; i++)
                printf("  %s/%" PRId64, ipv4.items[i].address, ipv4.items[i].prefix_length);
        for (size_t i = 0; ok && i < ipv6.n; i++)
                printf("  %s/%" PRId64, ipv6.items[i].address, ipv6.items[i].prefix_length);
        if (ok && gateway != NULL)
                printf("  via %s", gateway);
        free(gateway);
        network_address_list_clear(&ipv4);
        network_address_list_clear(&ipv6);
        return ok;
}

/* "eth0  up, no carrier  1500  02:00:00:00:00:01  10.0.0.1/24  via 10.0.0.254" */
static bool print_interface(Bus *bus, const char *name, const char *indent, NetworkError **error)
{
        bool up = false, carrier = false, physical = false, ok;
        char *mac = NULL;
        int64_t mtu = 0;

        ok = network_interface_is_up(bus, 0, DEBUG, name, &up, error) &&
             network_interface_is_connected(bus, 0, DEBUG, name, &carrier, error) &&
             network_interface_is_physical(bus, 0, DEBUG, name, &physical, error) &&
             network_interface_get_mac(bus, 0, DEBUG, name, &mac, error) &&
             network_interface_get_mtu(bus, 0, DEBUG, name, &mtu, error);
        if (ok) {
                printf("%s%-15s  %-14s  %-4s  %5" PRId64 "  %s", indent, name,
                       !up       ? "down"
                       : carrier ? "up"
                                 : "up, no carrier",
                       physical ? "card" : "", mtu, mac != NULL ? mac : "");
                ok = print_addresses(bus, name, error);
                putchar('\n');
        }
        free(mac);
        return ok;
}

static bool is_in(const BusStrings *names, const char *name)
{
        for (size_t i = 0; i < names->n; i++)
                if (strcmp(names->items[i], name) == 0)
                        return true;
        return false;
}

/* What is gone meanwhile is no error. */
static bool gone(NetworkError **error)
{
        if ((*error)->tag != NETWORK_ERROR_INTERFACE_DOES_NOT_EXIST &&
            (*error)->tag != NETWORK_ERROR_BRIDGE_DOES_NOT_EXIST)
                return false;
        g_clear_pointer(error, network_error_free);
        return true;
}

/* Each bridge with its ports below it, then whatever is on none. */
static bool show(Bus *bus, NetworkError **error)
{
        BusStrings bridges = { 0 }, all = { 0 }, shown = { 0 };
        bool ok = network_bridge_get_all(bus, 0, DEBUG, &bridges, error) &&
                  network_interface_get_all(bus, 0, DEBUG, &all, error);

        for (size_t i = 0; ok && i < bridges.n; i++) {
                BusStrings ports = { 0 };

                bus_strings_add(&shown, bridges.items[i]);
                ok = (print_interface(bus, bridges.items[i], "", error) &&
                      network_bridge_get_interfaces(bus, 0, DEBUG, bridges.items[i], &ports, error)) ||
                     gone(error);
                for (size_t k = 0; ok && k < ports.n; k++) {
                        bus_strings_add(&shown, ports.items[k]);
                        ok = print_interface(bus, ports.items[k], "    ", error) || gone(error);
                }
                bus_strings_clear(&ports);
        }
        for (size_t i = 0; ok && i < all.n; i++)
                if (!is_in(&shown, all.items[i]))
                        ok = print_interface(bus, all.items[i], "", error) || gone(error);
        bus_strings_clear(&bridges);
        bus_strings_clear(&all);
        bus_strings_clear(&shown);
        return ok;
}

static int show_main(const char *switch_path)
{
        BusConnection connection = { .switch_path = switch_path, .name = "networkd-cli" };
        NetworkError *error = NULL;
        bool ok;

        bus_connection_open(&connection);
        ok = show(connection.bus, &error);
        bus_connection_close(&connection);
        if (!ok) {
                char *text = network_error_text(error);

                fprintf(stderr, "networkd-cli: %s\n", text);
                free(text);
                network_error_free(error);
        }
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], SHOW) == 0)
                return show_main(BUS_CLI_SWITCH_PATH);
        if (argc == 4 && strcmp(argv[1], "--switch-path") == 0 && strcmp(argv[3], SHOW) == 0)
                return show_main(argv[2]);
        return bus_cli_main(&network_interface, argc, argv);
}
