/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which balloon is to move where, and who gets the memory that becomes free. Decides, and does nothing itself. */
#pragma once

#include "backend.h"

typedef struct Balance Balance;

#define BALANCE_TOLERANCE_KIB 2048 /* a balloon that is so near has arrived */
#define BALANCE_PROGRESS_KIB  1024 /* less than that is standing still */

/* Somebody waits for memory. */
typedef enum DemandState { DEMAND_WAITS, DEMAND_GRANTED, DEMAND_IMPOSSIBLE } DemandState;
typedef struct Demand {
        int64_t minimum_kib, maximum_kib;
        /* As decided: */
        DemandState state;
        int64_t kib;      /* what it is given, once that is free */
        int64_t free_kib; /* DEMAND_IMPOSSIBLE: what could be had */
        bool refused;     /* DEMAND_IMPOSSIBLE: it would be possible if every guest did as it is told */
} Demand;

typedef struct BalanceTarget {
        int64_t domid, kib;
} BalanceTarget;

typedef struct Plan {
        size_t n;
        BalanceTarget *targets; /* to be set; owned (g_free) */
        bool moving;            /* balloons are on their way, and worth waiting for */
} Plan;
void plan_clear(Plan *plan);

/* A guest whose balloon stands still for `patience_usec` is not counted on until it moves. */
Balance *balance_new(uint64_t patience_usec);
void balance_free(Balance *balance); /* NULL is legal */
/* Decides. `kept_kib` is nobody's: the host's reserve, and reservations. Of all that is left each running domain that does
 * as it is told, and each demand, gets its share; balloons shrink at once, and grow into what is free then. The demands
 * come in order. */
void balance_decide(Balance *balance, const Host *host, int64_t kept_kib, Demand *const *demands,
                    size_t n_demands, uint64_t now_usec, Plan *ret);
/* Whether the guest stood still when it was last asked to move. */
bool balance_is_inactive(Balance *balance, int64_t domid);
