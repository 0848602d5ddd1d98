/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service that does not answer: it keeps what it is asked. */
#pragma once

#include <pthread.h>

#include "bus.h"

#define TEST_KEEPER_MAX 64u /* requests at a time */

typedef struct TestKeeper {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        BusRequest *requests[TEST_KEEPER_MAX]; /* in the order in which they came */
        size_t n;
} TestKeeper;
#define TEST_KEEPER_INIT                                                                                     \
        {                                                                                                    \
                .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                       \
        }

void test_keep(BusRequest *request, void *keeper);    /* bus_serve's function */
void test_keeper_await(TestKeeper *keeper, size_t n); /* until so many are kept */
void test_keeper_answer(TestKeeper *keeper);          /* all of them, by true */
