/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-names.h"

char **vm_names(GHashTable *by_vm, pthread_mutex_t *lock)
{
        g_autoptr(GStrvBuilder) vms = g_strv_builder_new();
        GHashTableIter iter;
        gpointer vm;
        pthread_mutex_lock(lock);
        g_hash_table_iter_init(&iter, by_vm);
        while (g_hash_table_iter_next(&iter, &vm, NULL))
                g_strv_builder_add(vms, vm);
        pthread_mutex_unlock(lock);
        return g_strv_builder_end(vms);
}
