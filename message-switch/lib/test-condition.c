/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "condition.h"

#include <errno.h>

#include <glib.h>

#include "loop.h"

#define LONG_USEC UINT64_C(3600000000) /* more than any test takes */

typedef struct Room {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool woken;
} Room;

static void room_init(Room *room)
{
        *room = (Room){ .lock = PTHREAD_MUTEX_INITIALIZER };
        condition_init(&room->changed);
}

static void room_destroy(Room *room)
{
        pthread_cond_destroy(&room->changed);
        pthread_mutex_destroy(&room->lock);
}

/* By another clock than clock_usec's, both of these would lie decades ago. */
static void test_deadline(void)
{
        Room room;

        room_init(&room);
        pthread_mutex_lock(&room.lock);
        g_assert_cmpint(condition_wait(&room.changed, &room.lock, clock_usec()), ==, ETIMEDOUT);
        g_assert_cmpint(condition_wait(&room.changed, &room.lock, 0), ==, ETIMEDOUT);
        const uint64_t deadline = clock_usec() + 20000;
        int r;
        do
                r = condition_wait(&room.changed, &room.lock, deadline);
        while (r == 0);
        g_assert_cmpint(r, ==, ETIMEDOUT);
        g_assert_cmpuint(clock_usec(), >=, deadline);
        pthread_mutex_unlock(&room.lock);
        room_destroy(&room);
}

static void *wake(void *data)
{
        Room *room = data;

        pthread_mutex_lock(&room->lock);
        room->woken = true;
        pthread_cond_signal(&room->changed);
        pthread_mutex_unlock(&room->lock);
        return NULL;
}

static void check_woken(uint64_t deadline_usec)
{
        pthread_t thread;
        Room room;

        room_init(&room);
        pthread_mutex_lock(&room.lock);
        g_assert_cmpint(pthread_create(&thread, NULL, wake, &room), ==, 0);
        while (!room.woken)
                g_assert_cmpint(condition_wait(&room.changed, &room.lock, deadline_usec), ==, 0);
        pthread_mutex_unlock(&room.lock);
        pthread_join(thread, NULL);
        room_destroy(&room);
}

static void test_woken(void)
{
        check_woken(UINT64_MAX);
        check_woken(clock_usec() + LONG_USEC);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/condition/deadline", test_deadline);
        g_test_add_func("/condition/woken", test_woken);
        return g_test_run();
}
