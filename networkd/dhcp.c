/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dhcp.h"

static bool note(Manager *manager, const char *name, bool dhcp, NetworkError **error)
{
        RecordInterface interface;
        int r;

        record_interface_assign(&interface, record_interface(manager->record, name));
        interface.dhcp = dhcp;
        r = record_set_interface(manager->record, name, &interface);
        record_interface_clear(&interface);
        return manager_recorded(r, error);
}

bool dhcp_apply(Manager *manager, const char *name, NetworkError **error)
{
        const RecordInterface *interface = record_interface(manager->record, name);
        bool wanted = interface->config.ipv4_conf.tag == NETWORK_IPV4_DHCP4, noted = interface->dhcp;

        /* That it may run is recorded before it does, and until it does not. */
        if (wanted)
                return (noted || note(manager, name, true, error)) &&
                       (manager->backend->class->has_dhcp(manager->backend, name) ||
                        manager_change(manager, &(Change){ .kind = CHANGE_START_DHCP, .name = name }, error));
        return !noted ||
               (manager_change(manager, &(Change){ .kind = CHANGE_STOP_DHCP, .name = name }, error) &&
                note(manager, name, false, error));
}
