/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "balance.h"

#include <stdlib.h>

#include <glib.h>

#include "share.h"

/* What is remembered of a domain from one look to the next. */
typedef struct Balloon {
        int64_t domid;
        int64_t nearest_kib; /* to its target, since it was told that */
        uint64_t progress_usec;
        bool told; /* by this process: so that the hypervisor holds it to its target */
        bool inactive;
        bool there; /* in the last look */
} Balloon;

struct Balance {
        uint64_t patience_usec;
        GHashTable *balloons; /* Balloon.domid -> Balloon */
};

void plan_clear(Plan *plan)
{
        g_free(plan->targets);
        *plan = (Plan){ 0 };
}

Balance *balance_new(uint64_t patience_usec)
{
        Balance *balance = g_new(Balance, 1);
        balance->patience_usec = patience_usec;
        balance->balloons = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
        return balance;
}

void balance_free(Balance *balance)
{
        if (!balance)
                return;
        g_hash_table_destroy(balance->balloons);
        g_free(balance);
}

bool balance_is_inactive(Balance *balance, int64_t domid)
{
        const Balloon *balloon = g_hash_table_lookup(balance->balloons, &domid);
        return balloon && balloon->inactive;
}

/* ---- who moves ---- */

static int64_t distance_kib(const HostDomain *domain)
{
        return llabs(domain->actual_kib - domain->target_kib);
}

static bool is_ours(const HostDomain *domain)
{
        return domain->managed && domain->running && domain->ran;
}

static void balloon_look(Balance *balance, Balloon *balloon, const HostDomain *domain, uint64_t now_usec)
{
        int64_t distance = distance_kib(domain);

        balloon->there = true;
        if (!is_ours(domain)) {
                balloon->progress_usec = now_usec;
        } else if (distance <= BALANCE_TOLERANCE_KIB ||
                   distance + BALANCE_PROGRESS_KIB <= balloon->nearest_kib) {
                balloon->nearest_kib = distance;
                balloon->progress_usec = now_usec;
                balloon->inactive = false;
        } else if (now_usec - balloon->progress_usec >= balance->patience_usec) {
                balloon->inactive = true;
        }
}

static gboolean is_gone(gpointer key, gpointer value, gpointer data)
{
        Balloon *balloon = value;
        bool there = balloon->there;
        balloon->there = false;
        return !there;
}

static void look_at_all(Balance *balance, const Host *host, uint64_t now_usec)
{
        for (size_t i = 0; i < host->n; i++) {
                const HostDomain *domain = &host->domains[i];
                Balloon *balloon = g_hash_table_lookup(balance->balloons, &domain->domid);
                if (!balloon) {
                        balloon = g_new(Balloon, 1);
                        *balloon = (Balloon){ domain->domid, distance_kib(domain), now_usec };
                        g_hash_table_insert(balance->balloons, &balloon->domid, balloon);
                }
                balloon_look(balance, balloon, domain, now_usec);
        }
        g_hash_table_foreach_remove(balance->balloons, is_gone, NULL);
}

static Balloon *balloon_of(Balance *balance, const HostDomain *domain)
{
        return g_hash_table_lookup(balance->balloons, &domain->domid);
}

static bool counts(Balance *balance, const HostDomain *domain)
{
        return is_ours(domain) && !balloon_of(balance, domain)->inactive;
}

/* What the domain has, or may take whenever it likes. */
static int64_t claimed_kib(const HostDomain *domain)
{
        return domain->managed && domain->ran ? MAX(domain->actual_kib, domain->target_kib)
                                              : domain->actual_kib;
}

/* ---- who gets what ---- */

typedef struct Sums {
        int64_t spare_kib;   /* free, and nobody's */
        int64_t pool_kib;    /* that, and what those have that count */
        int64_t minimum_kib; /* of those that count */
        int64_t refused_kib; /* what those that do not count have above their minima */
} Sums;

static Sums sum_up(Balance *balance, const Host *host, int64_t kept_kib)
{
        Sums sums = { .spare_kib = host->free_kib - kept_kib };

        for (size_t i = 0; i < host->n; i++) {
                const HostDomain *domain = &host->domains[i];
                int64_t claimed = claimed_kib(domain);
                sums.spare_kib -= claimed - domain->actual_kib;
                if (counts(balance, domain)) {
                        sums.pool_kib += claimed;
                        sums.minimum_kib += domain->dynamic_min_kib;
                } else if (is_ours(domain)) {
                        sums.refused_kib += MAX(claimed - domain->dynamic_min_kib, 0);
                }
        }
        sums.pool_kib += sums.spare_kib;
        return sums;
}

/* Those for which there can be enough, one after the other. */
static void admit(const Sums *sums, Demand *const *demands, size_t n)
{
        int64_t left = sums->pool_kib - sums->minimum_kib;

        for (size_t i = 0; i < n; i++) {
                Demand *demand = demands[i];
                demand->state = demand->minimum_kib <= left ? DEMAND_WAITS : DEMAND_IMPOSSIBLE;
                if (demand->state == DEMAND_WAITS) {
                        left -= demand->minimum_kib;
                        continue;
                }
                demand->free_kib = MAX(left, 0);
                demand->refused = demand->minimum_kib <= left + sums->refused_kib;
        }
}

/* Sets what demands get; the result is how far everyone is from minimum to maximum. */
static double split(Balance *balance, const Host *host, const Sums *sums, Demand *const *demands,
                    size_t n_demands)
{
        g_autofree Share *shares = g_new(Share, host->n + n_demands);
        size_t n = 0;

        for (size_t i = 0; i < n_demands; i++)
                if (demands[i]->state == DEMAND_WAITS)
                        shares[n++] = (Share){ demands[i]->minimum_kib, demands[i]->maximum_kib, 0 };
        for (size_t i = 0; i < host->n; i++)
                if (counts(balance, &host->domains[i]))
                        shares[n++] =
                            (Share){ host->domains[i].dynamic_min_kib, host->domains[i].dynamic_max_kib, 0 };
        double part = shares_split(shares, n, sums->pool_kib);
        n = 0;
        for (size_t i = 0; i < n_demands; i++)
                if (demands[i]->state == DEMAND_WAITS)
                        demands[i]->kib = shares[n++].kib;
        return part;
}

/* Gives what is free to those who wait; the result is what is left for balloons to grow into. */
static int64_t grant(int64_t spare_kib, Demand *const *demands, size_t n)
{
        int64_t owed = 0;

        for (size_t i = 0; i < n; i++) {
                if (demands[i]->state != DEMAND_WAITS)
                        continue;
                if (demands[i]->kib <= spare_kib) {
                        demands[i]->state = DEMAND_GRANTED;
                        spare_kib -= demands[i]->kib;
                } else {
                        owed += demands[i]->kib;
                }
        }
        return spare_kib - owed;
}

/* ---- what is done ---- */

static void plan_add(GArray *targets, Balloon *balloon, const HostDomain *domain, int64_t kib,
                     uint64_t now_usec)
{
        BalanceTarget target = { domain->domid, kib };
        int64_t before = domain->actual_kib - domain->target_kib, after = domain->actual_kib - kib;

        /* One that stands still does not become active by being sent further. */
        if (llabs(before) > BALANCE_TOLERANCE_KIB && (before > 0) == (after > 0) &&
            llabs(after) >= llabs(before)) {
                balloon->nearest_kib += llabs(after) - llabs(before);
        } else if (before != after) {
                balloon->nearest_kib = llabs(after);
                balloon->progress_usec = now_usec;
        }
        balloon->told = true;
        g_array_append_val(targets, target);
}

/* Where the balloon is to be. Not worth a change: where it was told to be. */
static int64_t wanted_kib(const HostDomain *domain, double part, int64_t room_kib)
{
        int64_t ideal = share_at(domain->dynamic_min_kib, domain->dynamic_max_kib, part);
        int64_t more = ideal - domain->target_kib;

        if (more > 0)
                more = CLAMP(more, 0, MAX(room_kib, 0));
        if (llabs(more) < BALANCE_PROGRESS_KIB && ideal != domain->dynamic_min_kib &&
            ideal != domain->dynamic_max_kib)
                return domain->target_kib;
        return domain->target_kib + more;
}

void balance_decide(Balance *balance, const Host *host, int64_t kept_kib, Demand *const *demands,
                    size_t n_demands, uint64_t now_usec, Plan *ret)
{
        g_autoptr(GArray) targets = g_array_new(FALSE, FALSE, sizeof(BalanceTarget));
        bool moving = false;

        look_at_all(balance, host, now_usec);
        Sums sums = sum_up(balance, host, kept_kib);
        admit(&sums, demands, n_demands);
        double part = split(balance, host, &sums, demands, n_demands);
        int64_t room = grant(sums.spare_kib, demands, n_demands);
        for (size_t i = 0; i < host->n; i++) {
                const HostDomain *domain = &host->domains[i];
                Balloon *balloon = balloon_of(balance, domain);
                if (!is_ours(domain))
                        continue;
                /* What a domain does not take although it may is no room for another. */
                int64_t kib = wanted_kib(domain, part, balloon->inactive ? 0 : room);
                if (kib > domain->target_kib)
                        room -= MAX(kib, domain->actual_kib) - claimed_kib(domain);
                if (kib != domain->target_kib || !balloon->told)
                        plan_add(targets, balloon, domain, kib, now_usec);
                if (!balloon->inactive && llabs(domain->actual_kib - kib) > BALANCE_TOLERANCE_KIB)
                        moving = true;
        }
        ret->n = targets->len;
        ret->targets = (BalanceTarget *)(void *)g_array_free(g_steal_pointer(&targets), FALSE);
        ret->moving = moving;
}
