/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xenopsd let go of, without having heard that who keeps it did: disks of sm-daemon's, memory of squeezed's. They are
 * asked again, until they answer. */
#pragma once

#include "message-switch/lib/bus.h"
#include "message-switch/lib/ledger.h"

typedef struct Leftovers Leftovers;

/* Reads which disks there are in the ledger, which is borrowed, and asks for them. bus NULL: for none, ever. */
Leftovers *leftovers_new(Ledger *ledger, Bus *bus);
/* Nobody is asked any more. Any thread; leftovers_free does it, too. */
void leftovers_stop(Leftovers *leftovers);
void leftovers_free(Leftovers *leftovers); /* NULL is legal */

/* Any thread, as what follows. Of a VM, which need not be known any more. */
void leftovers_add_disk(Leftovers *leftovers, const char *vm, const char *device);
void leftovers_add_memory(Leftovers *leftovers, const char *vm);
/* It is about to be asked for again: it is no leftover any more. What is being asked for it is given up first, so that who
 * keeps it knows that by the time when it is asked next. Waits for nobody outside this process. */
void leftovers_claim_disk(Leftovers *leftovers, const char *vm, const char *device);
void leftovers_claim_memory(Leftovers *leftovers, const char *vm);
bool leftovers_has_disk(Leftovers *leftovers, const char *vm, const char *device);
/* How many there are. */
size_t leftovers_length(Leftovers *leftovers);
