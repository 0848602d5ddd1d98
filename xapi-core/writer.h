/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread that makes transactions durable, all that wait at a time in one, and then visible. */
#pragma once

#include "store-internal.h"

/* Deletions that event clients can still be told of; older tokens get EVENTS_LOST. */
#define TOMBSTONES_MAX 100000
/* Generations are reserved on the disk so many at a time: changes that are not written have them too. */
#define GENERATIONS_RESERVED 1000000

Writer *writer_new(Store *store);                /* the store is loaded */
void writer_free(Writer *writer);                /* waits until all that was added has ended */
void writer_add(Writer *writer, Commit *commit); /* takes it; with Store.lock held */
