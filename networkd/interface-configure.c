/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What interfaces are asked to be: checked, recorded, made; all of it or nothing. */
#include "address.h"
#include "interface.h"
#include "message-switch/lib/daemon.h"

static bool check(const char *name, const NetworkInterfaceConfig *config, NetworkError **error)
{
        if (!link_name_is_valid(name))
                return network_fail_interface_does_not_exist(error, name);
        if (config->mtu < LINK_MTU_MIN || config->mtu > LINK_MTU_MAX)
                return network_fail_internal(error, "No size that a packet can have: %" PRId64, config->mtu);
        if (config->ipv6_conf.tag == NETWORK_IPV6_DHCP6)
                return network_fail_not_implemented(error);
        if (config->dns != NULL && (config->dns->servers.n > 0 || config->dns->domains.n > 0))
                return network_fail_not_implemented(error);
        return (config->ipv4_conf.tag != NETWORK_IPV4_STATIC4 ||
                addresses_check(AF_INET, &config->ipv4_conf.static4, error)) &&
               (config->ipv6_conf.tag != NETWORK_IPV6_STATIC6 ||
                addresses_check(AF_INET6, &config->ipv6_conf.static6, error)) &&
               routes_check(config, error);
}

static bool check_link(const Links *links, const char *name, const NetworkInterfaceConfig *config,
                       NetworkError **error)
{
        const Link *link = links_find(links, name);

        if (link == NULL)
                return network_fail_interface_does_not_exist(error, name);
        return config->ipv6_conf.tag != NETWORK_IPV6_AUTOCONF6 || (link->ours && link_is_bridge(link)) ||
               network_fail_internal(
                   error,
                   "%s is no bridge that networkd made, and takes from IPv6 routers what it was set to",
                   name);
}

/* Several that change together: as they are to be, and as they were recorded and were. */
typedef struct Together {
        size_t n;
        const char *const *names;
        const NetworkInterfaceConfig *const *wanted;
        NetworkInterfaceConfig **old; /* owned; NULL: not recorded */
        Links *before;                /* owned */
} Together;

/* With what may have been put on them as it stands now. */
static bool record_all(Manager *manager, const Together *t, const NetworkInterfaceConfig *const *configs,
                       NetworkError **error)
{
        g_autofree RecordInterface *interfaces = g_new0(RecordInterface, t->n);
        g_autofree const RecordInterface **borrowed = g_new0(const RecordInterface *, t->n);
        int r;

        for (size_t i = 0; i < t->n; i++) {
                const RecordInterface *known = record_interface(manager->record, t->names[i]);

                const NetworkInterfaceConfig as_it_was = { .mtu = links_find(t->before, t->names[i])->mtu };

                if (known != NULL)
                        record_interface_assign(&interfaces[i], known);
                network_interface_config_clear(&interfaces[i].config);
                network_interface_config_assign(&interfaces[i].config,
                                                configs[i] != NULL ? configs[i] : &as_it_was);
                borrowed[i] = &interfaces[i];
        }
        r = record_set_interfaces(manager->record, t->n, t->names, borrowed);
        for (size_t i = 0; i < t->n; i++)
                record_interface_clear(&interfaces[i]);
        return manager_recorded(r, error);
}

/* The size of packets and whether it is up are recorded of none that nobody configured. */
static bool put_back_link(Manager *manager, const Link *before, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, before->name) : NULL;

        if (link == NULL)
                return *error == NULL;
        if (link->mtu != before->mtu &&
            !manager_change(
                manager, &(Change){ .kind = CHANGE_MTU, .name = link->name, .number = before->mtu }, error))
                return false;
        return !link->up || before->up ||
               manager_change(manager, &(Change){ .kind = CHANGE_DOWN, .name = link->name }, error);
}

static void undo(Manager *manager, const Together *t)
{
        NetworkError *e = NULL;
        bool ok;

        ok = manager_tried(record_all(manager, t, (const NetworkInterfaceConfig *const *)t->old, &e), &e);
        for (size_t i = t->n; i-- > 0;)
                if (t->old[i] != NULL)
                        ok &= manager_tried(interface_apply(manager, t->names[i], &e), &e);
                else
                        ok &=
                            manager_tried(interface_forget(manager, t->names[i], &e) &&
                                              put_back_link(manager, links_find(t->before, t->names[i]), &e),
                                          &e);
        if (!ok)
                log_warning("Interfaces are not as they were before what failed", "NETWORK_INTERFACE",
                            t->names[0], NULL);
}

static bool check_all(Manager *manager, Together *t, NetworkError **error)
{
        for (size_t i = 0; i < t->n; i++)
                if (!check(t->names[i], t->wanted[i], error))
                        return false;
        t->before = manager_read(manager, error);
        for (size_t i = 0; t->before != NULL && i < t->n; i++)
                if (!check_link(t->before, t->names[i], t->wanted[i], error))
                        return false;
        return t->before != NULL;
}

static bool make_all(Manager *manager, const Together *t, NetworkError **error)
{
        for (size_t i = 0; i < t->n; i++)
                if (!interface_apply(manager, t->names[i], error))
                        return false;
        return true;
}

bool interfaces_configure(Manager *manager, size_t n, const char *const *names,
                          const NetworkInterfaceConfig *const *configs, NetworkError **error)
{
        Together t = {
                .n = n, .names = names, .wanted = configs, .old = g_new0(NetworkInterfaceConfig *, n)
        };
        bool ok;

        for (size_t i = 0; i < n; i++) {
                const RecordInterface *known = record_interface(manager->record, names[i]);

                t.old[i] = known != NULL ? network_interface_config_dup(&known->config) : NULL;
        }
        ok = check_all(manager, &t, error) && record_all(manager, &t, configs, error);
        if (ok) {
                ok = make_all(manager, &t, error);
                if (!ok)
                        undo(manager, &t);
        }
        for (size_t i = 0; i < n; i++)
                network_interface_config_free(t.old[i]);
        g_free(t.old);
        links_free(t.before);
        return ok;
}

bool interface_configure(Manager *manager, const char *name, const NetworkInterfaceConfig *config,
                         NetworkError **error)
{
        return interfaces_configure(manager, 1, &name, &config, error);
}
