/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cancel.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

struct Cancels {
        pthread_mutex_t mutex; /* of what follows */
        GPtrArray *calls;      /* Cancel */
};

struct Cancel {
        Cancels *cancels;
        char *dbg;
        bool asked; /* under the mutex */
};

Cancels *cancels_new(void)
{
        Cancels *cancels = g_new0(Cancels, 1);

        pthread_mutex_init(&cancels->mutex, NULL);
        cancels->calls = g_ptr_array_new();
        return cancels;
}

void cancels_free(Cancels *cancels)
{
        g_assert(cancels->calls->len == 0);
        g_ptr_array_unref(cancels->calls);
        pthread_mutex_destroy(&cancels->mutex);
        g_free(cancels);
}

Cancel *cancel_begin(Cancels *cancels, const char *dbg)
{
        Cancel *cancel = g_new0(Cancel, 1);

        cancel->cancels = cancels;
        cancel->dbg = g_strdup(dbg);
        pthread_mutex_lock(&cancels->mutex);
        g_ptr_array_add(cancels->calls, cancel);
        pthread_mutex_unlock(&cancels->mutex);
        return cancel;
}

void cancel_end(Cancel *cancel)
{
        pthread_mutex_lock(&cancel->cancels->mutex);
        g_ptr_array_remove_fast(cancel->cancels->calls, cancel);
        pthread_mutex_unlock(&cancel->cancels->mutex);
        g_free(cancel->dbg);
        g_free(cancel);
}

bool cancel_asked(void *data)
{
        Cancel *cancel = data;
        bool asked;

        pthread_mutex_lock(&cancel->cancels->mutex);
        asked = cancel->asked;
        pthread_mutex_unlock(&cancel->cancels->mutex);
        return asked;
}

void cancels_ask(Cancels *cancels, const char *dbg)
{
        pthread_mutex_lock(&cancels->mutex);
        for (guint i = 0; i < cancels->calls->len; i++) {
                Cancel *cancel = g_ptr_array_index(cancels->calls, i);

                cancel->asked |= strcmp(cancel->dbg, dbg) == 0;
        }
        pthread_mutex_unlock(&cancels->mutex);
}
