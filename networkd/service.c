/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>

#include "idl/bus/network.h"
#include "interface.h"

/* Returns whether r is a success; else *error says why. */
static bool interface_result(int r, const char *name, NetworkError **error)
{
        if (r == -ENODEV)
                return network_fail_interface_does_not_exist(error, name);
        return r == 0 || network_fail_internal(error, "%s: %s", name, g_strerror(-r));
}

static bool interface_get_all(void *data, const ServiceCall *call, NetworkInterfaceGetAllArgs *args,
                              BusStrings *ret, NetworkError **error)
{
        return interface_result(interface_list(INTERFACE_ROOT, ret), INTERFACE_ROOT, error);
}

static bool interface_exists_now(void *data, const ServiceCall *call, NetworkInterfaceExistsArgs *args,
                                 bool *ret, NetworkError **error)
{
        *ret = interface_exists(INTERFACE_ROOT, args->name);
        return true;
}

static bool interface_get_mac(void *data, const ServiceCall *call, NetworkInterfaceGetMacArgs *args,
                              char **ret, NetworkError **error)
{
        return interface_result(interface_mac(INTERFACE_ROOT, args->name, ret), args->name, error);
}

static bool interface_get_mtu(void *data, const ServiceCall *call, NetworkInterfaceGetMtuArgs *args,
                              int64_t *ret, NetworkError **error)
{
        return interface_result(interface_mtu(INTERFACE_ROOT, args->name, ret), args->name, error);
}

static bool interface_get_is_up(void *data, const ServiceCall *call, NetworkInterfaceIsUpArgs *args,
                                bool *ret, NetworkError **error)
{
        return interface_result(interface_is_up(INTERFACE_ROOT, args->name, ret), args->name, error);
}

static bool interface_get_is_connected(void *data, const ServiceCall *call,
                                       NetworkInterfaceIsConnectedArgs *args, bool *ret, NetworkError **error)
{
        return interface_result(interface_is_connected(INTERFACE_ROOT, args->name, ret), args->name, error);
}

static bool interface_get_is_physical(void *data, const ServiceCall *call,
                                      NetworkInterfaceIsPhysicalArgs *args, bool *ret, NetworkError **error)
{
        return interface_result(interface_is_physical(INTERFACE_ROOT, args->name, ret), args->name, error);
}

static bool bridge_get_all(void *data, const ServiceCall *call, NetworkBridgeGetAllArgs *args,
                           BusStrings *ret, NetworkError **error)
{
        return interface_result(bridge_list(INTERFACE_ROOT, ret), INTERFACE_ROOT, error);
}

static bool bridge_get_interfaces(void *data, const ServiceCall *call, NetworkBridgeGetInterfacesArgs *args,
                                  BusStrings *ret, NetworkError **error)
{
        int r;

        r = bridge_interfaces(INTERFACE_ROOT, args->name, ret);
        if (r == -ENODEV)
                return network_fail_bridge_does_not_exist(error, args->name);
        return interface_result(r, args->name, error);
}

BusService *networkd_serve(Daemon *daemon)
{
        /* Of the others, each is answered as not implemented. */
        static const NetworkService functions = {
                .interface_get_all = interface_get_all,
                .interface_exists = interface_exists_now,
                .interface_get_mac = interface_get_mac,
                .interface_get_mtu = interface_get_mtu,
                .interface_is_up = interface_get_is_up,
                .interface_is_connected = interface_get_is_connected,
                .interface_is_physical = interface_get_is_physical,
                .bridge_get_all = bridge_get_all,
                .bridge_get_interfaces = bridge_get_interfaces,
        };

        return network_serve(&functions, NULL,
                             &(BusServiceOptions){ .bus = daemon->bus, .workers = daemon->workers });
}
