/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One change of the host's network: done, logged, and for tests made to fail. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "manager.h"
#include "message-switch/lib/daemon.h"

const char *change_name(ChangeKind kind)
{
        static const char *const names[] = {
                [CHANGE_ADD_BRIDGE] = "add-bridge",
                [CHANGE_ADD_VLAN] = "add-vlan",
                [CHANGE_DELETE] = "delete",
                [CHANGE_MASTER] = "master",
                [CHANGE_UP] = "up",
                [CHANGE_DOWN] = "down",
                [CHANGE_MTU] = "mtu",
                [CHANGE_MAC] = "mac",
                [CHANGE_SNOOPING] = "snooping",
                [CHANGE_ADVERTISEMENTS] = "advertisements",
                [CHANGE_LINK_LOCAL] = "link-local",
                [CHANGE_ADD_ADDRESS] = "add-address",
                [CHANGE_REMOVE_ADDRESS] = "remove-address",
                [CHANGE_ADD_ROUTE] = "add-route",
                [CHANGE_REMOVE_ROUTE] = "remove-route",
                [CHANGE_START_DHCP] = "start-dhcp",
                [CHANGE_STOP_DHCP] = "stop-dhcp",
        };

        return names[kind];
}

/* The file is an object: a change's name, or "any", to {"errno": N}, {"kill": "before"} or {"kill": "after"}, each with
 * "skip": so many are let pass first. What has happened is taken out of it. */
static json_t *fault_take(Manager *manager, ChangeKind kind)
{
        json_t *faults, *fault;
        const char *key = change_name(kind);
        json_int_t skip;

        if (manager->faults == NULL)
                return NULL;
        faults = json_load_file(manager->faults, 0, NULL);
        if (json_object_get(faults, key) == NULL)
                key = "any";
        fault = json_incref(json_object_get(faults, key));
        skip = json_integer_value(json_object_get(fault, "skip"));
        if (skip > 0) {
                json_object_set_new(fault, "skip", json_integer(skip - 1));
                json_decref(fault);
                fault = NULL;
        } else {
                json_object_del(faults, key);
        }
        if (faults != NULL)
                json_dump_file(faults, manager->faults, 0);
        json_decref(faults);
        return fault;
}

static void die_if(const json_t *fault, const char *when)
{
        if (g_strcmp0(json_string_value(json_object_get(fault, "kill")), when) == 0)
                kill(getpid(), SIGKILL);
}

/* With an address the kernel takes others of its network, and the routes by them. */
static bool is_gone_already(const Change *change, int r)
{
        return (change->kind == CHANGE_REMOVE_ADDRESS && r == -EADDRNOTAVAIL) ||
               (change->kind == CHANGE_REMOVE_ROUTE && (r == -ESRCH || r == -ENODEV));
}

static int change_or_fault(Manager *manager, const Change *change)
{
        json_t *fault = fault_take(manager, change->kind);
        int r = -(int)json_integer_value(json_object_get(fault, "errno"));

        die_if(fault, "before");
        if (r == 0)
                r = manager->backend->class->change(manager->backend, change);
        if (is_gone_already(change, r))
                r = 0;
        die_if(fault, "after");
        json_decref(fault);
        return r;
}

bool manager_change(Manager *manager, const Change *change, NetworkError **error)
{
        g_autofree char *number = g_strdup_printf("%" PRId64, change->number);
        const char *text = change->address != NULL ? change->address->text
                           : change->text != NULL  ? change->text
                                                   : number;
        int r = change_or_fault(manager, change);

        if (r == 0) {
                log_info("Network changed", "NETWORK_CHANGE", change_name(change->kind), "NETWORK_INTERFACE",
                         change->name, "NETWORK_VALUE", text, NULL);
                return true;
        }
        if (r == -ENODEV)
                return network_fail_interface_does_not_exist(error, change->name);
        return network_fail_internal(error, "%s %s %s: %s", change_name(change->kind), change->name, text,
                                     g_strerror(-r));
}

Links *manager_read(Manager *manager, NetworkError **error)
{
        Links *links;
        int r;

        r = manager->backend->class->read(manager->backend, &links);
        if (r == 0)
                return links;
        network_fail_internal(error, "The network cannot be read: %s", g_strerror(-r));
        return NULL;
}

bool manager_recorded(int r, NetworkError **error)
{
        g_autofree char *text = NULL;

        if (r == 0)
                return true;
        if (r == -EDQUOT)
                return network_fail_internal(error,
                                             "There are as many bridges or interfaces as there can be");
        text = g_strdup_printf("The record of the network: %s", g_strerror(-r));
        return network_fail_write_error(error, text);
}

bool manager_tried(bool ok, NetworkError **error)
{
        g_clear_pointer(error, network_error_free);
        return ok;
}
