/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-keeper.h"

#include <glib.h>

void test_keep(BusRequest *request, void *data)
{
        TestKeeper *keeper = data;
        pthread_mutex_lock(&keeper->lock);
        g_assert_cmpuint(keeper->n, <, TEST_KEEPER_MAX);
        keeper->requests[keeper->n++] = request;
        pthread_cond_broadcast(&keeper->changed);
        pthread_mutex_unlock(&keeper->lock);
}

void test_keeper_await(TestKeeper *keeper, size_t n)
{
        pthread_mutex_lock(&keeper->lock);
        while (keeper->n < n)
                pthread_cond_wait(&keeper->changed, &keeper->lock);
        pthread_mutex_unlock(&keeper->lock);
}

void test_keeper_answer(TestKeeper *keeper)
{
        pthread_mutex_lock(&keeper->lock);
        for (size_t i = 0; i < keeper->n; i++)
                bus_request_respond(keeper->requests[i], json_true(), NULL, NULL, 0);
        keeper->n = 0;
        pthread_mutex_unlock(&keeper->lock);
}
