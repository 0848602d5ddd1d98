/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lets some threads through at a time, and some more wait for their turn. */
#pragma once

#include <stddef.h>

typedef struct Gate Gate;

/* At most `at_once` inside, and `in_all` inside or waiting. */
Gate *gate_new(size_t at_once, size_t in_all);
void gate_free(Gate *gate); /* nobody is inside, or waits */
/* Waits for a turn. 0: inside, until gate_leave; -EBUSY: too many wait already; -ECANCELED: stopped. Any thread. */
int gate_enter(Gate *gate);
void gate_leave(Gate *gate);
/* Whoever waits, and whoever comes, is turned away. Any thread. */
void gate_stop(Gate *gate);
