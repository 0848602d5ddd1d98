/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What guests write about themselves into xenstore, followed by a thread of its own: a guest that floods it, or makes it
 * slow, holds up nothing else. */
#pragma once

#include "xenlight.h"

typedef struct XlGuests XlGuests;

/* How often a guest is looked at, at most. */
#define XL_GUEST_INTERVAL_USEC 1000000u
/* One that changes more than that between two looks is not listened to for a while, but looked at now and then. */
#define XL_GUEST_CHANGES_MAX 1000u
#define XL_GUEST_QUIET_USEC  10000000u

XlGuests *xl_guests_new(Xenlight *xenlight, char **ret_error);
void xl_guests_free(XlGuests *guests); /* NULL is legal */

/* Any thread; they do not wait for xenstore. */
void xl_guests_watch(XlGuests *guests, const char *vm, uint32_t domid);
void xl_guests_forget(XlGuests *guests, uint32_t domid);
/* What is known of it. */
void xl_guests_fill(XlGuests *guests, uint32_t domid, XenopsVmState *state);
