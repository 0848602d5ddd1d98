/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files about PIFs, VLANs and bridges share. */
#pragma once

#include "bus/network.h"
#include "call.h"
#include "manager.h"
#include "xenapi.h"

#define NETWORKD_CALL_USEC (UINT64_C(60) * 1000000)
#define NETWORKD_MTU_MIN   68
#define NETWORKD_MTU_MAX   65535
#define PIF_NO_VLAN        (-1)
#define PIF_VLAN_MAX       4094

/* ---- networkd's answers (pif-configure.c) ---- */

/* INTERNAL_ERROR that says what networkd said; takes it. False. */
bool networkd_fail(NetworkError *taken, XapiError **error);
/* The same of a PIF: PIF_CONFIGURATION_ERROR, or NOT_IMPLEMENTED. */
bool pif_fail(const char *pif, NetworkError *taken, XapiError **error);

/* ---- rows (pif-rows.c) ---- */

/* The host's PIF on the network, borrowed until the transaction's end; NULL: none. */
const PifRow *pif_of_network(Txn *txn, const NetworkRow *network, const char *host);
/* The host's PIF of that device and tag. */
const PifRow *pif_of_device(Txn *txn, const char *host, const char *device, int64_t tag);
/* The first interface, on any host, that is plugged into the network: VIF_IN_USE [network; VIF]. */
bool pif_check_no_vifs(Txn *txn, const PifRow *pif, XapiError **error);
/* Deletes it with its metrics and, of a VLAN, the VLAN. */
void pif_delete(Txn *txn, const PifRow *pif);
/* Puts a PIF in, with metrics; taken, returned borrowed. */
PifRow *pif_insert(Txn *txn, PifRow *taken);

/* ---- on the host (pif-configure.c); with networks_lock, or within networks_hold ---- */

/* Makes the bridge of the PIF's network with the PIF on it, and of a VLAN, that of the PIF that carries it; sets addresses
 * as configured; says so in the rows. */
bool pif_bring_up(Manager *manager, const char *dbg, const char *pif, XapiError **error);
/* The contrary; the rows say so, too. */
bool pif_bring_down(Manager *manager, const char *dbg, const char *pif, XapiError **error);
/* The size of its packets, as networkd takes it. */
int64_t networkd_mtu(const NetworkRow *network);
/* Whether a bridge or another interface of that name is there. */
bool networkd_exists(Manager *manager, const char *dbg, const char *name, bool *ret, XapiError **error);

/* ---- whose gateway and name servers count (pif-roles.c) ---- */

/* Bridges, owned; NULL: none has addresses. */
typedef struct PifRoles {
        Str gateway, dns;
} PifRoles;

/* That of the PIF whose other_config says defaultroute=true (peerdns=true), else of the management interface, else of
 * another one with addresses; clear it with pif_roles_clear. */
void pif_roles(Manager *manager, PifRoles *ret);
void pif_roles_clear(PifRoles *roles);
/* Asks networkd for it; again is no error. */
bool pif_tell_roles(Manager *manager, const char *dbg, const PifRoles *roles, NetworkError **error);

/* ---- the host's cards (pif-scan.c) ---- */

/* Makes a PIF of every card that has none, each on the network that its bridge belongs to. With networks_lock.
 * *ret_made: their refs, owned, unless NULL. */
bool pif_scan(Manager *manager, const char *dbg, GPtrArray **ret_made, XapiError **error);
/* Makes a PIF of that card, which has none. An empty MAC stands for the card's own; else they must agree. Returns
 * owned, or NULL. */
Str pif_introduce(Manager *manager, const char *dbg, const char *device, const char *mac, bool managed,
                  XapiError **error);
/* Brings link state and addresses in the rows to what they are. False: networkd does not answer. */
bool pifs_refresh(Manager *manager);
