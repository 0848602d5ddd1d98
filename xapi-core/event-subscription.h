/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an event client wants to hear of: "*", "class" or "class/ref". Counted, of one thread, never changed. */
#pragma once

#include "model.h"

typedef struct Subscriptions Subscriptions;

/* Of strings. Class names in any case; what names no class that has events subscribes to nothing. */
Subscriptions *subscriptions_new(const Set *classes);
Subscriptions *subscriptions_ref(Subscriptions *subscriptions);
void subscriptions_unref(Subscriptions *subscriptions); /* NULL is legal */
bool subscriptions_equal(const Subscriptions *a, const Subscriptions *b);
const bool *
subscriptions_wanted(const Subscriptions *subscriptions); /* by Class.index: some object may match */
bool subscriptions_match(const Subscriptions *subscriptions, const Class *class, const char *ref);
