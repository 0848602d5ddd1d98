/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once: at a start, and when interfaces come. */
#include <string.h>

#include "bridge.h"
#include "interface.h"
#include "manager.h"
#include "message-switch/lib/daemon.h"
#include "role.h"

static void report(const char *name, NetworkError *taken)
{
        g_autofree char *text = NULL;
        char *owned;

        if (taken == NULL)
                return;
        owned = bus_error_text(&network_interface, taken);
        text = g_strdup(owned);
        free(owned);
        log_warning("An interface cannot be made as recorded", "NETWORK_INTERFACE", name, "ERROR", text,
                    NULL);
        network_error_free(taken);
}

/* Those on VLANs come after those that carry them. */
static void apply_bridges(Manager *manager, bool on_vlans)
{
        g_autoptr(GPtrArray) names = record_names(manager->record->bridges);

        for (guint i = 0; i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                NetworkError *error = NULL;

                if ((record_bridge(manager->record, name)->vlan != NULL) == on_vlans &&
                    !bridge_apply(manager, name, false, &error))
                        report(name, error);
        }
}

/* The gateway's comes last: a default route that is another's by now goes first. */
static void apply_interfaces(Manager *manager, bool gateway)
{
        g_autoptr(GPtrArray) names = record_names(manager->record->interfaces);

        for (guint i = 0; i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                NetworkError *error = NULL;

                if (role_is_gateway(manager->record, name) == gateway &&
                    !interface_apply(manager, name, &error))
                        report(name, error);
        }
}

/* Whether somebody wants it, or has come to rely on it. */
static bool is_wanted(const Manager *manager, const Links *links, const Link *link)
{
        const Link *master = link->master != 0 ? links_by_index(links, link->master) : NULL;

        if (record_bridge(manager->record, link->name) != NULL)
                return true;
        if (link_is_bridge(link))
                return bridge_foreign_port(manager, links, link) != NULL;
        return master != NULL && (!master->ours || record_bridge(manager->record, master->name) != NULL);
}

/* What a process before this one made or was about to remove when it was killed. */
static void remove_left_over(Manager *manager)
{
        NetworkError *error = NULL;
        g_autoptr(Links) links = manager_read(manager, &error);

        for (guint i = 0; links != NULL && i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->ours && !is_wanted(manager, links, link) &&
                    !manager_change(manager, &(Change){ .kind = CHANGE_DELETE, .name = link->name }, &error))
                        report(link->name, g_steal_pointer(&error));
        }
        report("", error);
}

void manager_apply(Manager *manager)
{
        /* What was forgotten to be told of anew is not left over yet. */
        if (!manager->record->held)
                remove_left_over(manager);
        apply_bridges(manager, false);
        apply_bridges(manager, true);
        apply_interfaces(manager, false);
        apply_interfaces(manager, true);
}
