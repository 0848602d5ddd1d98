/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The distribution's DHCP client, one a network interface, each in a unit of systemd's: it outlives this daemon, and does
 * with addresses, routes and name servers what the distribution has it do. */
#pragma once

#include <stdbool.h>

/* What stands between "xapi-dhclient@" and ".service" for that interface. Returns owned (g_free). */
char *client_instance(const char *name);
/* Of a lease, nothing but the address and what is in `takes` (DHCP_TAKES_...) counts: the client's hook sees in `folder`.
 * Starting one that runs, and stopping one that does not, is no error; stopping gives the lease back. Waits. 0 or negative
 * errno: -EOPNOTSUPP where systemd does not answer or has no such unit. */
int client_start(const char *folder, const char *name, int takes);
int client_stop(const char *folder, const char *name);
bool client_runs(const char *name);
