/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What makes the host's network: the kernel by netlink, or a simulation. A back end knows nothing of what is wanted. */
#pragma once

#include <uv.h>

#include "link.h"

#define DHCP_TAKES_GATEWAY 1
#define DHCP_TAKES_DNS     2

typedef enum ChangeKind {
        CHANGE_ADD_BRIDGE,     /* name; text: hardware address or NULL */
        CHANGE_ADD_VLAN,       /* name; text: the interface that carries it; number: tag */
        CHANGE_DELETE,         /* name */
        CHANGE_MASTER,         /* name; text: the bridge, NULL: none */
        CHANGE_UP,             /* name */
        CHANGE_DOWN,           /* name */
        CHANGE_MTU,            /* name; number */
        CHANGE_MAC,            /* name; text */
        CHANGE_SNOOPING,       /* name of a bridge; number: 0 or 1 */
        CHANGE_ADVERTISEMENTS, /* name; number: of Ipv6Advertisements */
        CHANGE_LINK_LOCAL,  /* name; number: 0 or 1, whether it makes such an address; it is not taken away */
        CHANGE_ADD_ADDRESS, /* name; address */
        CHANGE_REMOVE_ADDRESS, /* name; address */
        CHANGE_ADD_ROUTE,      /* name; address: the network; text: gateway */
        CHANGE_REMOVE_ROUTE, /* name; address: the network; text: gateway; number: 1: one that was learned */
        CHANGE_START_DHCP,   /* name; number: of DHCP_TAKES_..., what of a lease counts besides the address */
        CHANGE_STOP_DHCP,    /* name */
} ChangeKind;

/* One step. Everything is borrowed. */
typedef struct Change {
        ChangeKind kind;
        const char *name;
        const char *text;
        int64_t number;
        const Address *address;
} Change;

const char *change_name(ChangeKind kind); /* "add-bridge" */

/* What is added is marked as ours, in one step with being there, in a way that outlives this process (links and routes;
 * the kernel has no place for a mark on an address). */
typedef struct Backend Backend;
typedef struct BackendClass {
        const char *name;
        /* How everything is now; owned (links_free). 0 or negative errno. Any thread. */
        int (*read)(Backend *backend, Links **ret);
        /* Whether there is an interface of that name; at a cost that does not grow with how many there are. Any thread. */
        bool (*exists)(Backend *backend, const char *name);
        /* 0, or negative errno and nothing is changed. One at a time. */
        int (*change)(Backend *backend, const Change *change);
        /* Of an interface: whether there is a card behind it, and where it sits ("" where that is not known). */
        bool (*is_physical)(Backend *backend, const char *name);
        char *(*pci_path)(Backend *backend, const char *name); /* owned (free) */
        bool (*has_dhcp)(Backend *backend, const char *name);  /* whether its DHCP client runs */
        /* Calls appeared(name, data) on the loop whenever an interface comes or gets another name, but for those that this
         * daemon makes; with "" where some may have been missed. 0 or negative errno. NULL: none ever come. */
        int (*watch)(Backend *backend, uv_loop_t *loop, void (*appeared)(const char *name, void *data),
                     void *data);
        void (*unwatch)(Backend *backend); /* on the loop, which is to run once more before it is freed */
        void (*free)(Backend *backend);
} BackendClass;

struct Backend {
        const BackendClass *class;
};
