/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the service share. */
#pragma once

#include "service.h"
#include "vlan.h"

/* The interface of that name. NULL with *error: there is none. Borrowed, as long as *ret_links, which the caller frees. */
const Link *service_link(Manager *manager, const char *name, Links **ret_links, NetworkError **error);
void service_sort(BusStrings *names);

/* In service-bridge.c: methods of the interface. */
bool service_bridge_get_all(void *data, const ServiceCall *call, NetworkBridgeGetAllArgs *args,
                            BusStrings *ret, NetworkError **error);
bool service_bridge_get_kind(void *data, const ServiceCall *call, NetworkBridgeGetKindArgs *args,
                             NetworkKind *ret, NetworkError **error);
bool service_bridge_get_all_ports(void *data, const ServiceCall *call, NetworkBridgeGetAllPortsArgs *args,
                                  NetworkStringListDict *ret, NetworkError **error);
bool service_bridge_get_all_bonds(void *data, const ServiceCall *call, NetworkBridgeGetAllBondsArgs *args,
                                  NetworkStringListDict *ret, NetworkError **error);
bool service_bridge_get_interfaces(void *data, const ServiceCall *call, NetworkBridgeGetInterfacesArgs *args,
                                   BusStrings *ret, NetworkError **error);
bool service_bridge_get_physical_interfaces(void *data, const ServiceCall *call,
                                            NetworkBridgeGetPhysicalInterfacesArgs *args, BusStrings *ret,
                                            NetworkError **error);
bool service_bridge_create(void *data, const ServiceCall *call, NetworkBridgeCreateArgs *args,
                           NetworkError **error);
bool service_bridge_destroy(void *data, const ServiceCall *call, NetworkBridgeDestroyArgs *args,
                            NetworkError **error);
bool service_bridge_set_persistent(void *data, const ServiceCall *call, NetworkBridgeSetPersistentArgs *args,
                                   NetworkError **error);
bool service_bridge_add_port(void *data, const ServiceCall *call, NetworkBridgeAddPortArgs *args,
                             NetworkError **error);
bool service_bridge_remove_port(void *data, const ServiceCall *call, NetworkBridgeRemovePortArgs *args,
                                NetworkError **error);
bool service_bridge_make_config(void *data, const ServiceCall *call, NetworkBridgeMakeConfigArgs *args,
                                NetworkError **error);
