/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "role.h"

#include <string.h>

#include "address.h"
#include "dhcp.h"
#include "ipv6.h"

static bool is(const char *chosen, const char *name)
{
        return chosen == NULL || strcmp(chosen, name) == 0;
}

bool role_is_gateway(const Record *record, const char *name)
{
        return is(record->gateway_interface, name);
}

bool role_is_dns(const Record *record, const char *name)
{
        return is(record->dns_interface, name);
}

static bool apply(Manager *manager, const Links *links, const char *name, NetworkError **error)
{
        const Link *link = links_find(links, name);

        return link == NULL || record_interface(manager->record, name) == NULL ||
               (ipv6_apply(manager, links, link, error) && dhcp_apply(manager, name, error) &&
                routes_apply(manager, name, error));
}

/* That of the one that has it now comes last: a host has but one default route. */
static bool apply_all(Manager *manager, const char *name, NetworkError **error)
{
        g_autoptr(GPtrArray) names = record_names(manager->record->interfaces);
        g_autoptr(Links) links = manager_read(manager, error);

        manager->roles_pending = true;
        if (links == NULL)
                return false;
        for (guint i = 0; i < names->len; i++)
                if (strcmp(g_ptr_array_index(names, i), name) != 0 &&
                    !apply(manager, links, g_ptr_array_index(names, i), error))
                        return false;
        manager->roles_pending = !apply(manager, links, name, error);
        return !manager->roles_pending;
}

static bool set(Manager *manager, char **role, const char *name, NetworkError **error)
{
        g_autofree char *old = NULL;
        int r;

        /* Asked for at each plugging: what ails other interfaces is no matter then. */
        if (*role != NULL && strcmp(*role, name) == 0)
                return !manager->roles_pending || apply_all(manager, name, error);
        old = *role;
        *role = g_strdup(name);
        r = record_write(manager->record);
        if (r == 0)
                return apply_all(manager, name, error);
        g_free(*role);
        *role = g_steal_pointer(&old);
        return manager_recorded(r, error);
}

bool role_set_gateway(Manager *manager, const char *name, NetworkError **error)
{
        return set(manager, &manager->record->gateway_interface, name, error);
}

bool role_set_dns(Manager *manager, const char *name, NetworkError **error)
{
        return set(manager, &manager->record->dns_interface, name, error);
}
