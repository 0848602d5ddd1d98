/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tables of the back ends have in common. */
#pragma once

#include <pthread.h>

#include <glib.h>

/* The keys of a table by VM that the lock guards, NULL-terminated; owned (g_strfreev). */
char **vm_names(GHashTable *by_vm, pthread_mutex_t *lock);
