/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vlan.h"

#include <string.h>

#include "bridge.h"

const Link *vlan_carrier(const Manager *manager, const Links *links, const char *bridge)
{
        const NetworkBridgeConfig *config = record_bridge(manager->record, bridge);
        const Link *master = links_find(links, bridge);

        for (size_t i = 0; config != NULL && i < config->ports.n; i++)
                for (size_t k = 0; k < config->ports.items[i].value.interfaces.n; k++) {
                        const Link *link =
                            links_find(links, config->ports.items[i].value.interfaces.items[k]);

                        if (link != NULL)
                                return link;
                }
        for (guint i = 0; master != NULL && i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->master == master->index &&
                    manager->backend->class->is_physical(manager->backend, link->name))
                        return link;
        }
        return NULL;
}

const Link *vlan_find(const Links *links, const Link *carrier, int64_t tag)
{
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (strcmp(link->kind, LINK_KIND_VLAN) == 0 && link->parent == carrier->index &&
                    link->tag == tag)
                        return link;
        }
        return NULL;
}

/* "eth0.7"; where that is too long, one of the carrier's number. */
static void make_name(const Link *carrier, int64_t tag, char ret[IFNAMSIZ])
{
        g_autofree char *usual = g_strdup_printf("%s.%" PRId64, carrier->name, tag);

        if (strlen(usual) < IFNAMSIZ)
                g_strlcpy(ret, usual, IFNAMSIZ);
        else
                g_snprintf(ret, IFNAMSIZ, "v%d.%" PRId64, carrier->index % 1000000, tag);
}

static bool make(Manager *manager, const Link *carrier, int64_t tag, char ret[IFNAMSIZ], NetworkError **error)
{
        make_name(carrier, tag, ret);
        return manager_change(
            manager, &(Change){ .kind = CHANGE_ADD_VLAN, .name = ret, .text = carrier->name, .number = tag },
            error);
}

/* What was made here for another tag, or for another carrier. */
static bool delete_others(Manager *manager, const Links *links, const Link *bridge, const Link *wanted,
                          NetworkError **error)
{
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->master == bridge->index && link->ours && link != wanted &&
                    strcmp(link->kind, LINK_KIND_VLAN) == 0 &&
                    !manager_change(manager, &(Change){ .kind = CHANGE_DELETE, .name = link->name }, error))
                        return false;
        }
        return true;
}

static bool apply(Manager *manager, const Links *links, const char *bridge, const NetworkVlan *vlan,
                  NetworkError **error)
{
        const Link *carrier = vlan_carrier(manager, links, vlan->bridge), *link;
        char name[IFNAMSIZ];

        if (carrier == NULL)
                return network_fail_internal(error, "%s has no port that can carry VLANs", vlan->bridge);
        link = vlan_find(links, carrier, vlan->vlan);
        if (link != NULL && !link->ours && !bridge_is_its_port(manager, bridge, link->name))
                return network_fail_vlan_in_use(error, vlan->bridge, vlan->vlan);
        if (!delete_others(manager, links, links_find(links, bridge), link, error))
                return false;
        if (link == NULL && !make(manager, carrier, vlan->vlan, name, error))
                return false;
        if (link != NULL)
                g_strlcpy(name, link->name, sizeof(name));
        return bridge_take_port(manager, bridge, name, error);
}

bool vlan_apply(Manager *manager, const char *bridge, const NetworkVlan *vlan, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(manager, error);

        if (links == NULL)
                return false;
        if (vlan == NULL)
                return delete_others(manager, links, links_find(links, bridge), NULL, error);
        return apply(manager, links, bridge, vlan, error);
}
