/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated hypervisor: its domains and its memory. Domains stand in a ledger, so that they live on
 * whatever becomes of xenopsd, and what guests will do with its time, so that they do it while nobody looks. */
#pragma once

#include <stdint.h>

#include "ledger.h"
#include "message-switch/lib/cancel.h"
#include "message-switch/lib/loop.h"
#include "sim-domain.h"
#include "sim-memory.h"

typedef struct SimTable SimTable;

#define SIM_DOMAINS_MAX SIM_MEMORY_DOMAINS /* about as many as Xen has domain ids */

/* Reads the domains that the ledger has, which is borrowed as is the memory that they share. on_shutdown tells of each guest that shut down, on any
 * thread, without a lock held, and from sim_table_start on. */
SimTable *sim_table_new(Ledger *ledger, Loop *loop, SimMemory *memory,
                        void (*on_shutdown)(const char *vm, void *data), void *data);
void sim_table_start(SimTable *table);
void sim_table_free(SimTable *table); /* the loop must run, or be freed, after */

/* A new domain, paused, with no memory; its id was never used before. 0 with *ret owned (sim_domain_unref);
 * -EEXIST: the VM has one; -ENOSPC: too many; or what writing failed with. */
int sim_table_create(SimTable *table, const char *vm, SimDomain **ret);
SimDomain *sim_table_find(SimTable *table, const char *vm); /* NULL: the VM has none. Returns owned. */
void sim_domain_unref(SimTable *table, SimDomain *domain);
char **sim_table_list(SimTable *table); /* the VMs that have one, NULL-terminated; owned (g_strfreev) */
/* Gives its memory back. 0, also when it is gone already, or what writing it down failed with. */
int sim_table_destroy(SimTable *table, SimDomain *domain);

/* A change of a domain: lock (what became due has then happened), change, commit; or unlock where nothing was
 * changed. When the commit fails, with a negative errno, the domain is as the ledger says. */
void sim_domain_lock(SimTable *table, SimDomain *domain);
int sim_domain_commit(SimTable *table, SimDomain *domain);
void sim_domain_unlock(SimTable *table, SimDomain *domain);
/* With the lock: takes memory from the host, or gives it back. 0, or -ENOMEM with *ret_free_kib. To be committed. */
int sim_domain_set_memory(SimTable *table, SimDomain *domain, int64_t kib, int64_t *ret_free_kib);

/* Without the lock: waits until the guest acknowledged a request (or shut down); until it shut down, or is gone. 0;
 * -ETIME: the deadline (clock_usec) passed; -ECANCELED. */
int sim_domain_wait_acknowledged(SimTable *table, SimDomain *domain, uint64_t deadline_usec, Cancel *cancel);
int sim_domain_wait_shutdown(SimTable *table, SimDomain *domain, uint64_t deadline_usec, Cancel *cancel);
