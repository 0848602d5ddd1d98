/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks squeezed for the memory of domains. Where no squeezed is served, the hypervisor alone says what there is. */
#pragma once

#include "operation.h"

/* Reserves between the two, for the operation's VM; what it reserved before and handed to no domain is given back first.
 * *ret_bytes is what the domain may have: the maximum where there is no squeezed. False: *error is
 * Cannot_free_this_much_memory or Vms_failed_to_cooperate, say. */
bool memory_reserve(Operation *operation, int64_t min_bytes, int64_t max_bytes, int64_t *ret_bytes,
                    XenopsError **error);
/* What is reserved becomes the domain's, if there is a domain by now. No error if nothing is reserved any more. */
bool memory_hand_over(Operation *operation, XenopsError **error);
/* Gives back what was not handed over; later (leftovers) where squeezed does not answer. */
void memory_give_back(Operation *operation);
/* Has squeezed take back what it may keep for the VM, of which nothing is known here any more, and which has no domain. False:
 * it did not answer. */
bool memory_reclaim(Bus *bus, Cancel *cancel, uint64_t timeout_usec, const char *vm);
/* Has balloons moved to where they are to be, and waits until they are there or will not go. *ret_served is false where
 * there is no squeezed. */
bool memory_balance(Operation *operation, bool *ret_served, XenopsError **error);
