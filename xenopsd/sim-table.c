/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message-switch/lib/condition.h"
#include "message-switch/lib/daemon.h"
#include "vm-names.h"

/* Domain ids are taken from blocks, whose end is written down before the first of one is used. */
#define DOMID_BLOCK   16
#define DOMID_KEY     "next-domid"
#define DOMAIN_PREFIX "domain/"

typedef char DomainKey[sizeof DOMAIN_PREFIX + 24];

struct SimTable {
        Loop *loop;
        uv_timer_t *timer;
        void (*on_shutdown)(const char *vm, void *data);
        void *data;
        Ledger *ledger;
        SimMemory *memory;

        /* Taken after a domain's lock, never before one. */
        pthread_mutex_t lock;
        GHashTable *by_vm; /* SimDomain.vm -> SimDomain */
        GTree *due;        /* SimDomain by (due_usec, domid) */
        int64_t next_domid, domid_end;
        uint64_t armed_usec; /* when the timer fires; SIM_NEVER: it does not */
        bool started, freed;
};

static gint compare_due(gconstpointer p, gconstpointer q, gpointer data)
{
        const SimDomain *a = p, *b = q;
        if (a->due_usec != b->due_usec)
                return a->due_usec < b->due_usec ? -1 : 1;
        return a->domid < b->domid ? -1 : a->domid > b->domid;
}

static void make_key(DomainKey key, const SimDomain *domain)
{
        g_snprintf(key, sizeof(DomainKey), DOMAIN_PREFIX "%" G_GINT64_FORMAT, domain->domid);
}

static int domain_write(SimTable *table, const SimDomain *domain)
{
        DomainKey key;
        make_key(key, domain);
        json_t *json = sim_domain_to_json(domain);
        int r = ledger_put_json(table->ledger, key, json);
        json_decref(json);
        return r;
}

/* Back to what the ledger says, because it could not be written. */
static void domain_reread(SimTable *table, SimDomain *domain)
{
        DomainKey key;
        json_t *json = NULL;
        int64_t kib = domain->memory_kib;
        make_key(key, domain);
        if (ledger_get_json(table->ledger, key, &json) == 0)
                sim_domain_from_json(domain, json);
        json_decref(json);
        domain->announce = false;
        if (domain->memory_kib != kib)
                sim_memory_take(table->memory, domain->domid, domain->memory_kib, &kib);
}

static void table_unref(SimTable *table, SimDomain *domain)
{
        if (--domain->refs == 0)
                sim_domain_free(domain);
}

void sim_domain_unref(SimTable *table, SimDomain *domain)
{
        if (!domain)
                return;
        pthread_mutex_lock(&table->lock);
        table_unref(table, domain);
        pthread_mutex_unlock(&table->lock);
}

static void on_due(uv_timer_t *timer);

/* On the loop: lets the timer fire when the first guest does something. */
static void table_arm(void *data)
{
        SimTable *table = data;
        pthread_mutex_lock(&table->lock);
        GTreeNode *node = g_tree_node_first(table->due);
        uint64_t due = node ? ((SimDomain *)g_tree_node_key(node))->due_usec : SIM_NEVER, now = clock_usec();
        table->armed_usec = due;
        bool freed = table->freed;
        pthread_mutex_unlock(&table->lock);
        if (freed)
                return;
        if (due == SIM_NEVER)
                uv_timer_stop(table->timer);
        else
                uv_timer_start(table->timer, on_due, due > now ? (due - now + 999) / 1000 : 0, 0);
}

static void on_due(uv_timer_t *timer)
{
        SimTable *table = timer->data;
        for (;;) {
                pthread_mutex_lock(&table->lock);
                GTreeNode *node = g_tree_node_first(table->due);
                SimDomain *domain = node ? g_tree_node_key(node) : NULL;
                if (!domain || domain->due_usec > clock_usec()) {
                        pthread_mutex_unlock(&table->lock);
                        break;
                }
                g_tree_remove(table->due, domain);
                domain->due_usec = SIM_NEVER;
                domain->refs++;
                pthread_mutex_unlock(&table->lock);
                sim_domain_lock(table, domain);
                sim_domain_unlock(table, domain);
                sim_domain_unref(table, domain);
        }
        table_arm(table);
}

/* With the domain's lock: puts it where it belongs among the timers. */
static void domain_schedule(SimTable *table, SimDomain *domain)
{
        uint64_t due = domain->gone ? SIM_NEVER : sim_domain_due(domain, UINT64_MAX);
        pthread_mutex_lock(&table->lock);
        if (due != domain->due_usec) {
                if (domain->due_usec != SIM_NEVER)
                        g_tree_remove(table->due, domain);
                domain->due_usec = due;
                if (due != SIM_NEVER)
                        g_tree_insert(table->due, domain, domain);
                if (due < table->armed_usec && table->started && !table->freed) {
                        table->armed_usec = due;
                        loop_post(table->loop, table_arm, table);
                }
        }
        pthread_mutex_unlock(&table->lock);
}

/* What became due happens. It is no matter if it cannot be written: whoever reads the ledger will find the same. */
static void domain_advance(SimTable *table, SimDomain *domain)
{
        if (domain->gone || !sim_domain_advance(domain, clock_usec()))
                return;
        domain_write(table, domain);
        pthread_cond_broadcast(&domain->changed);
}

void sim_domain_lock(SimTable *table, SimDomain *domain)
{
        pthread_mutex_lock(&domain->lock);
        domain_advance(table, domain);
}

void sim_domain_unlock(SimTable *table, SimDomain *domain)
{
        bool announce = domain->announce && table->started;
        if (announce)
                domain->announce = false;
        domain_schedule(table, domain);
        pthread_mutex_unlock(&domain->lock);
        if (announce)
                table->on_shutdown(domain->vm, table->data);
}

int sim_domain_commit(SimTable *table, SimDomain *domain)
{
        int r = domain->gone ? -ESRCH : domain_write(table, domain);
        if (r < 0 && !domain->gone)
                domain_reread(table, domain);
        pthread_cond_broadcast(&domain->changed);
        sim_domain_unlock(table, domain);
        return r;
}

int sim_domain_set_memory(SimTable *table, SimDomain *domain, int64_t kib, int64_t *ret_free_kib)
{
        int r = sim_memory_take(table->memory, domain->domid, kib, ret_free_kib);
        if (r == 0)
                domain->memory_kib = kib;
        return r;
}

/* With the table's lock. */
static int table_take_domid(SimTable *table, int64_t *ret_domid)
{
        if (table->next_domid == table->domid_end) {
                char text[24];
                g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, table->domid_end + DOMID_BLOCK);
                int r = ledger_put(table->ledger, DOMID_KEY, text);
                if (r < 0)
                        return r;
                table->domid_end += DOMID_BLOCK;
        }
        *ret_domid = table->next_domid++;
        return 0;
}

int sim_table_create(SimTable *table, const char *vm, SimDomain **ret)
{
        int64_t domid;
        int r;
        pthread_mutex_lock(&table->lock);
        if (g_hash_table_contains(table->by_vm, vm))
                r = -EEXIST;
        else if (g_hash_table_size(table->by_vm) >= SIM_DOMAINS_MAX)
                r = -ENOSPC;
        else
                r = table_take_domid(table, &domid);
        if (r < 0) {
                pthread_mutex_unlock(&table->lock);
                return r;
        }
        SimDomain *domain = sim_domain_new(domid, vm);
        domain->refs = 2;
        g_hash_table_insert(table->by_vm, domain->vm, domain);
        pthread_mutex_unlock(&table->lock);

        r = sim_memory_add(table->memory, &(SimMemoryDomain){ .domid = domid });
        if (r == 0 && (r = domain_write(table, domain)) < 0)
                sim_memory_remove(table->memory, domid);
        if (r < 0) {
                pthread_mutex_lock(&table->lock);
                g_hash_table_remove(table->by_vm, vm);
                domain->gone = true;
                table_unref(table, domain);
                table_unref(table, domain);
                pthread_mutex_unlock(&table->lock);
                return r;
        }
        *ret = domain;
        return 0;
}

SimDomain *sim_table_find(SimTable *table, const char *vm)
{
        pthread_mutex_lock(&table->lock);
        SimDomain *domain = g_hash_table_lookup(table->by_vm, vm);
        if (domain)
                domain->refs++;
        pthread_mutex_unlock(&table->lock);
        return domain;
}

char **sim_table_list(SimTable *table)
{
        return vm_names(table->by_vm, &table->lock);
}

int sim_table_destroy(SimTable *table, SimDomain *domain)
{
        DomainKey key;
        make_key(key, domain);
        pthread_mutex_lock(&domain->lock);
        int r = domain->gone ? 0 : ledger_remove(table->ledger, key);
        if (r == 0 && !domain->gone) {
                domain->gone = true;
                domain->announce = false;
                domain_schedule(table, domain);
                pthread_cond_broadcast(&domain->changed);
                pthread_mutex_lock(&table->lock);
                g_hash_table_remove(table->by_vm, domain->vm);
                table_unref(table, domain); /* the caller has one more */
                pthread_mutex_unlock(&table->lock);
                sim_memory_remove(table->memory, domain->domid);
        }
        pthread_mutex_unlock(&domain->lock);
        return r;
}

typedef struct Waiter {
        SimDomain *domain;
        bool cancelled; /* under the domain's lock */
} Waiter;

static void on_cancel(void *data)
{
        Waiter *waiter = data;
        pthread_mutex_lock(&waiter->domain->lock);
        waiter->cancelled = true;
        pthread_cond_broadcast(&waiter->domain->changed);
        pthread_mutex_unlock(&waiter->domain->lock);
}

static int domain_wait(SimTable *table, SimDomain *domain, uint64_t deadline_usec, Cancel *cancel,
                       bool (*reached)(const SimDomain *domain, uint64_t now_usec))
{
        Waiter waiter = { domain, false };
        int r;
        cancel_listen(cancel, on_cancel, &waiter);
        sim_domain_lock(table, domain);
        for (;;) {
                uint64_t now = clock_usec();
                domain_advance(table, domain);
                if (domain->gone || reached(domain, now)) {
                        r = 0;
                        break;
                }
                if (waiter.cancelled) {
                        r = -ECANCELED;
                        break;
                }
                if (now >= deadline_usec) {
                        r = -ETIME;
                        break;
                }
                condition_wait(&domain->changed, &domain->lock,
                               MIN(deadline_usec, sim_domain_due(domain, now)));
        }
        sim_domain_unlock(table, domain);
        cancel_listen(cancel, NULL, NULL);
        return r;
}

static bool is_shut_down(const SimDomain *domain, uint64_t now_usec)
{
        return domain->life == SIM_SHUTDOWN;
}

int sim_domain_wait_acknowledged(SimTable *table, SimDomain *domain, uint64_t deadline_usec, Cancel *cancel)
{
        return domain_wait(table, domain, deadline_usec, cancel, sim_domain_acknowledged);
}

int sim_domain_wait_shutdown(SimTable *table, SimDomain *domain, uint64_t deadline_usec, Cancel *cancel)
{
        return domain_wait(table, domain, deadline_usec, cancel, is_shut_down);
}

static bool table_load_domain(SimTable *table, const char *key)
{
        json_t *json = NULL;
        const char *vm = json_string_value(
            ledger_get_json(table->ledger, key, &json) == 0 ? json_object_get(json, "vm") : NULL);
        SimDomain *domain =
            vm ? sim_domain_new(g_ascii_strtoll(key + strlen(DOMAIN_PREFIX), NULL, 10), vm) : NULL;
        bool good = domain && domain->domid > 0 && !g_hash_table_contains(table->by_vm, vm) &&
                    sim_domain_from_json(domain, json);
        json_decref(json);
        if (!good) {
                sim_domain_free(domain);
                return false;
        }
        SimMemoryDomain memory = { domain->domid,      domain->memory_kib, domain->memory_kib,
                                   domain->memory_kib, domain->memory_kib, domain->memory_kib };
        sim_memory_add(table->memory, &memory); /* unless it is there */
        domain->announce = domain->life == SIM_SHUTDOWN;
        table->next_domid = MAX(table->next_domid, domain->domid + 1);
        g_hash_table_insert(table->by_vm, domain->vm, domain);
        return true;
}

/* Of domains whose removal was written down, and no more. */
static void table_drop_memory(SimTable *table)
{
        g_autofree SimMemoryDomain *taken = NULL;
        size_t n = sim_memory_list(table->memory, &taken);
        for (size_t i = 0; i < n; i++) {
                DomainKey key;
                g_autofree char *text = NULL;
                g_snprintf(key, sizeof key, DOMAIN_PREFIX "%" G_GINT64_FORMAT, taken[i].domid);
                if (ledger_get(table->ledger, key, &text) == -ENOENT)
                        sim_memory_remove(table->memory, taken[i].domid);
        }
}

static void table_load(SimTable *table)
{
        g_autofree char *text = NULL;
        table->next_domid =
            ledger_get(table->ledger, DOMID_KEY, &text) == 0 ? MAX(g_ascii_strtoll(text, NULL, 10), 1) : 1;
        g_auto(GStrv) keys = ledger_keys(table->ledger, DOMAIN_PREFIX);
        for (char **key = keys; *key; key++)
                if (!table_load_domain(table, *key))
                        log_error("A simulated domain cannot be read", "KEY", *key, NULL);
        table->domid_end = table->next_domid;
        table_drop_memory(table);
}

SimTable *sim_table_new(Ledger *ledger, Loop *loop, SimMemory *memory,
                        void (*on_shutdown)(const char *vm, void *data), void *data)
{
        SimTable *table = g_new0(SimTable, 1);
        *table = (SimTable){ .ledger = ledger,
                             .loop = loop,
                             .on_shutdown = on_shutdown,
                             .data = data,
                             .memory = memory,
                             .armed_usec = SIM_NEVER };
        pthread_mutex_init(&table->lock, NULL);
        table->by_vm = g_hash_table_new(g_str_hash, g_str_equal);
        table->due = g_tree_new_full(compare_due, NULL, NULL, NULL);
        table->timer = g_new0(uv_timer_t, 1);
        uv_timer_init(loop_uv(loop), table->timer);
        table->timer->data = table;
        table_load(table);
        return table;
}

void sim_table_start(SimTable *table)
{
        pthread_mutex_lock(&table->lock);
        table->started = true;
        pthread_mutex_unlock(&table->lock);
        g_auto(GStrv) vms = sim_table_list(table);
        for (char **vm = vms; *vm; vm++) {
                SimDomain *domain = sim_table_find(table, *vm);
                if (!domain)
                        continue;
                sim_domain_lock(table, domain);
                sim_domain_unlock(table, domain);
                sim_domain_unref(table, domain);
        }
}

static void on_closed(uv_handle_t *handle)
{
        g_free(handle);
}

/* Comes after every arming that was posted. */
static void table_finish(void *data)
{
        SimTable *table = data;
        GHashTableIter iter;
        gpointer domain;
        g_tree_destroy(table->due);
        g_hash_table_iter_init(&iter, table->by_vm);
        while (g_hash_table_iter_next(&iter, NULL, &domain))
                sim_domain_free(domain);
        g_hash_table_destroy(table->by_vm);
        uv_close((uv_handle_t *)table->timer, on_closed);
        pthread_mutex_destroy(&table->lock);
        g_free(table);
}

void sim_table_free(SimTable *table)
{
        if (!table)
                return;
        pthread_mutex_lock(&table->lock);
        table->freed = true;
        pthread_mutex_unlock(&table->lock);
        loop_post(table->loop, table_finish, table);
}
