/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "long-call.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

struct LongCalls {
        pthread_mutex_t mutex; /* of what follows */
        GPtrArray *calls;      /* LongCall */
};

struct LongCall {
        LongCalls *long_calls;
        char *dbg;
        bool asked; /* under the mutex */
};

LongCalls *long_calls_new(void)
{
        LongCalls *long_calls = g_new0(LongCalls, 1);

        pthread_mutex_init(&long_calls->mutex, NULL);
        long_calls->calls = g_ptr_array_new();
        return long_calls;
}

void long_calls_free(LongCalls *long_calls)
{
        g_assert(long_calls->calls->len == 0);
        g_ptr_array_unref(long_calls->calls);
        pthread_mutex_destroy(&long_calls->mutex);
        g_free(long_calls);
}

LongCall *long_call_begin(LongCalls *long_calls, const char *dbg)
{
        LongCall *call = g_new0(LongCall, 1);

        call->long_calls = long_calls;
        call->dbg = g_strdup(dbg);
        pthread_mutex_lock(&long_calls->mutex);
        g_ptr_array_add(long_calls->calls, call);
        pthread_mutex_unlock(&long_calls->mutex);
        return call;
}

void long_call_end(LongCall *call)
{
        pthread_mutex_lock(&call->long_calls->mutex);
        g_ptr_array_remove_fast(call->long_calls->calls, call);
        pthread_mutex_unlock(&call->long_calls->mutex);
        g_free(call->dbg);
        g_free(call);
}

bool long_call_unwanted(void *data)
{
        LongCall *call = data;
        bool asked;

        pthread_mutex_lock(&call->long_calls->mutex);
        asked = call->asked;
        pthread_mutex_unlock(&call->long_calls->mutex);
        return asked;
}

void long_calls_cancel(LongCalls *long_calls, const char *dbg)
{
        pthread_mutex_lock(&long_calls->mutex);
        for (guint i = 0; i < long_calls->calls->len; i++) {
                LongCall *call = g_ptr_array_index(long_calls->calls, i);

                call->asked |= strcmp(call->dbg, dbg) == 0;
        }
        pthread_mutex_unlock(&long_calls->mutex);
}
