/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dhcp.h"

#include "role.h"

static bool note(Manager *manager, const char *name, bool dhcp, int takes, NetworkError **error)
{
        RecordInterface interface;
        int r;

        record_interface_assign(&interface, record_interface(manager->record, name));
        interface.dhcp = dhcp;
        interface.dhcp_takes = takes;
        r = record_set_interface(manager->record, name, &interface);
        record_interface_clear(&interface);
        return manager_recorded(r, error);
}

static bool stop(Manager *manager, const char *name, NetworkError **error)
{
        return manager_change(manager, &(Change){ .kind = CHANGE_STOP_DHCP, .name = name }, error) &&
               note(manager, name, false, 0, error);
}

bool dhcp_apply(Manager *manager, const char *name, NetworkError **error)
{
        const RecordInterface *interface = record_interface(manager->record, name);
        bool wanted = interface->config.ipv4_conf.tag == NETWORK_IPV4_DHCP4;
        int takes = (role_is_gateway(manager->record, name) ? DHCP_TAKES_GATEWAY : 0) |
                    (role_is_dns(manager->record, name) ? DHCP_TAKES_DNS : 0);

        /* A client that runs keeps to what it was told at its start. */
        if (interface->dhcp && (!wanted || interface->dhcp_takes != takes) && !stop(manager, name, error))
                return false;
        if (!wanted)
                return true;
        /* That it may run is recorded before it does, and until it does not. */
        interface = record_interface(manager->record, name);
        return (interface->dhcp || note(manager, name, true, takes, error)) &&
               (manager->backend->class->has_dhcp(manager->backend, name) ||
                manager_change(manager, &(Change){ .kind = CHANGE_START_DHCP, .name = name, .number = takes },
                               error));
}
