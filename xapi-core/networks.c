/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "networks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "condition.h"
#include "daemon.h"
#include "pif.h"
#include "xenops.h"

#define FOLLOW_MSEC 5000 /* between two looks at the cards */
#define AGAIN_MSEC  100  /* until networkd is looked for again that does not answer */

struct Networks {
        Manager *manager;
        pthread_t thread;
        /* Making bridges: shared. Removing them, and changes to PIFs: alone. Outermost, held across calls. */
        pthread_rwlock_t changes;
        pthread_mutex_t lock; /* guards what follows; innermost */
        pthread_cond_t changed;
        bool stopping;
        GHashTable *held;    /* ref of a network -> how often */
        GHashTable *noted;   /* refs of networks that may not be used any more */
        GHashTable *bridges; /* names of bridges whose networks are gone */
        PifRoles told;       /* as networkd has them; the thread's own */
};

void networks_lock(Networks *n)
{
        pthread_rwlock_wrlock(&n->changes);
}

void networks_unlock(Networks *n)
{
        pthread_rwlock_unlock(&n->changes);
}

/* ---- who uses what ---- */

static void note_in(Networks *n, GHashTable *table, const char *text)
{
        pthread_mutex_lock(&n->lock);
        g_hash_table_add(table, g_strdup(text));
        pthread_cond_signal(&n->changed);
        pthread_mutex_unlock(&n->lock);
}

void networks_note(Networks *n, const char *network)
{
        if (n)
                note_in(n, n->noted, network);
}

void networks_note_bridge(Networks *n, const char *bridge)
{
        if (n)
                note_in(n, n->bridges, bridge);
}

static void add_hold(Networks *n, const char *network, int more)
{
        int count;

        pthread_mutex_lock(&n->lock);
        count = GPOINTER_TO_INT(g_hash_table_lookup(n->held, network)) + more;
        if (count > 0)
                g_hash_table_insert(n->held, g_strdup(network), GINT_TO_POINTER(count));
        else
                g_hash_table_remove(n->held, network);
        pthread_mutex_unlock(&n->lock);
}

static bool is_held(Networks *n, const char *network)
{
        bool held;

        pthread_mutex_lock(&n->lock);
        held = g_hash_table_contains(n->held, network);
        pthread_mutex_unlock(&n->lock);
        return held;
}

/* While a VM runs, its interfaces may come back at any moment: it may be restarting. */
static bool is_used(Txn *txn, const NetworkRow *network)
{
        for (uint32_t i = 0; i < network->VIFs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, network->VIFs->items[i].s);
                const VmRow *vm = vif ? (const VmRow *)txn_get(txn, &CLASS_VM, vif->VM) : NULL;

                if (vif && (vif->currently_attached ||
                            (vm && !vm->is_control_domain && xenops_is_live(vm->power_state))))
                        return true;
        }
        return false;
}

/* ---- making ---- */

/* What of a network matters here. */
typedef struct Target {
        Str bridge, pif; /* owned; pif NULL: none */
        int64_t mtu;
        bool attached, managed;
} Target;

static void target_clear(Target *t)
{
        str_unref(t->bridge);
        if (t->pif)
                str_unref(t->pif);
}

static bool target_get(Manager *manager, const char *ref, Target *ret, XapiError **error)
{
        Txn *txn = txn_begin(manager->store);
        const NetworkRow *network = (const NetworkRow *)txn_require(txn, &CLASS_NETWORK, ref, error);
        const PifRow *pif = network ? pif_of_network(txn, network, manager->host) : NULL;

        if (network)
                *ret = (Target){ .bridge = str_ref(network->bridge),
                                 .pif = pif ? str_ref(pif->row.ref) : NULL,
                                 .mtu = networkd_mtu(network),
                                 .attached = pif && pif->currently_attached,
                                 .managed = network->managed && (!pif || pif->managed) };
        txn_abort(txn);
        return network;
}

static bool make_internal(Manager *manager, const char *dbg, const Target *t, XapiError **error)
{
        NetworkInterfaceConfigDictItem item = { .key = (char *)t->bridge, .value.mtu = t->mtu };
        const NetworkInterfaceConfigDict config = { .n = 1, .items = &item };
        Bus *bus = manager->daemon->bus;
        NetworkError *e = NULL;

        return (network_bridge_create(bus, NETWORKD_CALL_USEC, dbg, NULL, NULL, NULL, NULL, t->bridge, &e) &&
                network_interface_make_config(bus, NETWORKD_CALL_USEC, dbg, false, &config, &e)) ||
               networkd_fail(e, error);
}

static bool make(Manager *manager, const char *dbg, const char *network, XapiError **error)
{
        Target t = { 0 };
        bool there = false, ok = target_get(manager, network, &t, error) &&
                                 networkd_exists(manager, dbg, t.bridge, &there, error);

        if (ok && (!there || (t.pif && !t.attached))) {
                if (!t.managed)
                        ok = there || xapi_fail(error, ERR_BRIDGE_NOT_AVAILABLE, t.bridge, NULL);
                else if (t.pif)
                        ok = pif_bring_up(manager, dbg, t.pif, error);
                else
                        ok = make_internal(manager, dbg, &t, error);
        }
        if (t.bridge)
                target_clear(&t);
        return ok;
}

bool networks_hold(Networks *n, const char *dbg, const char *network, XapiError **error)
{
        bool ok;

        add_hold(n, network, 1);
        pthread_rwlock_rdlock(&n->changes);
        ok = make(n->manager, dbg, network, error);
        pthread_rwlock_unlock(&n->changes);
        if (!ok)
                networks_drop(n, network);
        return ok;
}

void networks_release(Networks *n, const char *network)
{
        add_hold(n, network, -1);
}

void networks_drop(Networks *n, const char *network)
{
        networks_release(n, network);
        networks_note(n, network);
}

/* ---- removing ---- */

static bool remove_bridge(Networks *n, const char *bridge)
{
        NetworkError *e = NULL;
        bool again;

        if (network_bridge_destroy(n->manager->daemon->bus, NETWORKD_CALL_USEC, "release", false, bridge, &e))
                return true;
        again = network_error_failure(e);
        if (!again) {
                char *text = network_error_text(e);

                log_warning("A bridge that nothing uses any more stays", "NETWORK_INTERFACE", bridge,
                            "XAPI_ERROR", text, NULL);
                free(text);
        }
        network_error_free(e);
        return !again;
}

/* False: networkd does not answer. */
static bool release(Networks *n, const char *ref)
{
        Txn *txn = txn_begin(n->manager->store);
        const NetworkRow *network = (const NetworkRow *)txn_get(txn, &CLASS_NETWORK, ref);
        auto_str bridge = NULL;

        if (network && network->managed && !is_used(txn, network) &&
            !pif_of_network(txn, network, n->manager->host))
                bridge = str_ref(network->bridge);
        txn_abort(txn);
        return !bridge || is_held(n, ref) || remove_bridge(n, bridge);
}

static bool is_bridge_of(const Row *row, void *user)
{
        const char **wanted = user;

        if (strcmp(((const NetworkRow *)row)->bridge, *wanted) == 0)
                *wanted = NULL;
        return *wanted;
}

static bool bridge_has_network(Networks *n, const char *bridge)
{
        Txn *txn = txn_begin(n->manager->store);
        const char *wanted = bridge;

        txn_each(txn, &CLASS_NETWORK, is_bridge_of, &wanted);
        txn_abort(txn);
        return !wanted;
}

/* Owned texts; the table is empty afterwards. */
static GPtrArray *take(Networks *n, GHashTable *table)
{
        GPtrArray *taken = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter i;
        void *text;

        pthread_mutex_lock(&n->lock);
        g_hash_table_iter_init(&i, table);
        while (g_hash_table_iter_next(&i, &text, NULL))
                g_ptr_array_add(taken, g_strdup(text));
        g_hash_table_remove_all(table);
        pthread_mutex_unlock(&n->lock);
        return taken;
}

/* False: networkd does not answer; the rest is kept for another time. */
static bool release_noted(Networks *n)
{
        g_autoptr(GPtrArray) refs = take(n, n->noted), bridges = take(n, n->bridges);
        bool ok = true;

        for (guint i = 0; i < refs->len; i++) {
                networks_lock(n);
                ok = ok && release(n, refs->pdata[i]);
                networks_unlock(n);
                if (!ok)
                        note_in(n, n->noted, refs->pdata[i]);
        }
        for (guint i = 0; i < bridges->len; i++) {
                networks_lock(n);
                ok = ok && (bridge_has_network(n, bridges->pdata[i]) || remove_bridge(n, bridges->pdata[i]));
                networks_unlock(n);
                if (!ok)
                        note_in(n, n->bridges, bridges->pdata[i]);
        }
        return ok;
}

/* ---- the thread ---- */

static bool stopping(Networks *n)
{
        bool yes;

        pthread_mutex_lock(&n->lock);
        yes = n->stopping;
        pthread_mutex_unlock(&n->lock);
        return yes;
}

/* Until something is noted (unless `deaf`), it is time, or this runs down. */
static void wait_msec(Networks *n, int64_t msec, bool deaf)
{
        uint64_t deadline_usec = clock_usec() + (uint64_t)msec * 1000;

        pthread_mutex_lock(&n->lock);
        while (!n->stopping &&
               (deaf || (g_hash_table_size(n->noted) == 0 && g_hash_table_size(n->bridges) == 0)))
                if (condition_wait(&n->changed, &n->lock, deadline_usec) != 0)
                        break;
        pthread_mutex_unlock(&n->lock);
}

static bool is_of(const PifRow *pif, const char *host)
{
        return strcmp(pif->host, host) == 0 && pif->managed;
}

/* What the host itself is reached by is to be plugged, whatever became of it the last time. */
static bool is_wanted(const PifRow *pif)
{
        return pif->currently_attached || pif->management || pif->disallow_unplug;
}

/* The refs of the host's PIFs that are to be plugged, those that carry VLANs first; and whether it has any PIF. */
static GPtrArray *plugged(Manager *manager, bool *ret_any)
{
        GPtrArray *refs = g_ptr_array_new_with_free_func(g_free);
        size_t n;
        const Row **rows = store_rows(manager->store, &CLASS_PIF, &n);

        *ret_any = false;
        for (int on_vlans = 0; on_vlans < 2; on_vlans++)
                for (size_t i = 0; i < n; i++) {
                        const PifRow *pif = (const PifRow *)rows[i];

                        *ret_any |= strcmp(pif->host, manager->host) == 0;
                        if (is_of(pif, manager->host) && is_wanted(pif) &&
                            (pif->VLAN != PIF_NO_VLAN) == on_vlans)
                                g_ptr_array_add(refs, g_strdup(rows[i]->ref));
                }
        store_rows_free(rows, n);
        return refs;
}

static void note_unplugged(Manager *manager, const char *ref)
{
        Txn *txn = txn_begin(manager->store);
        PifRow *pif = (PifRow *)txn_edit(txn, &CLASS_PIF, ref);

        if (pif)
                pif->currently_attached = false;
        txn_commit(txn, NULL, NULL);
}

static void plug_all(Networks *n, GPtrArray *refs)
{
        for (guint i = 0; i < refs->len && !stopping(n); i++) {
                XapiError *error = NULL;

                networks_lock(n);
                if (!pif_bring_up(n->manager, "start", refs->pdata[i], &error) && !stopping(n)) {
                        g_autofree char *text = xapi_error_text(error);

                        log_warning("A PIF could not be plugged", "XAPI_PIF", refs->pdata[i], "XAPI_ERROR",
                                    text, NULL);
                        note_unplugged(n->manager, refs->pdata[i]);
                }
                networks_unlock(n);
                xapi_error_free(error);
        }
}

/* Networks whose bridges a process before this one may have been about to remove. */
static void note_all(Networks *n)
{
        size_t count;
        const Row **rows = store_rows(n->manager->store, &CLASS_NETWORK, &count);

        for (size_t i = 0; i < count; i++)
                networks_note(n, rows[i]->ref);
        store_rows_free(rows, count);
}

/* False: networkd does not answer, yet. */
static bool begin(Networks *n)
{
        g_autoptr(GPtrArray) refs = NULL, made = NULL;
        XapiError *error = NULL;
        bool any, ok = true;

        if (!pifs_refresh(n->manager))
                return false;
        refs = plugged(n->manager, &any);
        if (!any) {
                networks_lock(n);
                ok = pif_scan(n->manager, "start", &made, &error);
                networks_unlock(n);
        }
        plug_all(n, made ? made : refs);
        pifs_refresh(n->manager);
        xapi_error_free(error);
        if (ok)
                note_all(n);
        return ok;
}

/* Who is chosen may change without anything's being plugged: another management interface. False: networkd does not answer. */
static bool follow_roles(Networks *n)
{
        NetworkError *e = NULL;
        PifRoles roles;
        bool ok = true;

        pif_roles(n->manager, &roles);
        if (g_strcmp0(roles.gateway, n->told.gateway) != 0 || g_strcmp0(roles.dns, n->told.dns) != 0) {
                ok = pif_tell_roles(n->manager, "roles", &roles, &e) || !network_error_failure(e);
                network_error_free(e);
                pif_roles_clear(&n->told);
                if (ok) {
                        n->told = roles;
                        return true;
                }
        }
        pif_roles_clear(&roles);
        return ok;
}

static void *run(void *user)
{
        Networks *n = user;

        while (!stopping(n) && !begin(n))
                wait_msec(n, AGAIN_MSEC, true);
        while (!stopping(n)) {
                bool ok = release_noted(n) && pifs_refresh(n->manager) && follow_roles(n);

                wait_msec(n, ok ? FOLLOW_MSEC : AGAIN_MSEC, !ok);
        }
        return NULL;
}

Networks *networks_new(Manager *manager)
{
        Networks *n = g_new0(Networks, 1);

        n->manager = manager;
        pthread_rwlock_init(&n->changes, NULL);
        pthread_mutex_init(&n->lock, NULL);
        condition_init(&n->changed);
        n->held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        n->noted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        n->bridges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (pthread_create(&n->thread, NULL, run, n) != 0)
                abort();
        return n;
}

void networks_stop(Networks *n)
{
        pthread_mutex_lock(&n->lock);
        n->stopping = true;
        pthread_cond_signal(&n->changed);
        pthread_mutex_unlock(&n->lock);
}

void networks_free(Networks *n)
{
        if (!n)
                return;
        networks_stop(n);
        pthread_join(n->thread, NULL);
        g_hash_table_unref(n->held);
        g_hash_table_unref(n->noted);
        g_hash_table_unref(n->bridges);
        pif_roles_clear(&n->told);
        pthread_cond_destroy(&n->changed);
        pthread_mutex_destroy(&n->lock);
        pthread_rwlock_destroy(&n->changes);
        g_free(n);
}
