/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <glib.h>

#define LOOP_CLOSE_ROUNDS 100

typedef struct Post Post;
struct Post {
        Post *next;
        LoopFunction function;
        void *data;
};

struct Loop {
        uv_loop_t uv;
        uv_async_t wake;
        _Atomic(pthread_t) thread;
        pthread_mutex_t lock; /* of first and last only */
        Post *first, *last;
};

static Post *loop_take_posts(Loop *loop)
{
        pthread_mutex_lock(&loop->lock);
        Post *first = loop->first;
        loop->first = loop->last = NULL;
        pthread_mutex_unlock(&loop->lock);
        return first;
}

/* What a posted function posts runs in the next round, so that sockets get their turn. */
static void loop_on_wake(uv_async_t *wake)
{
        Loop *loop = wake->data;
        Post *post = loop_take_posts(loop);
        while (post) {
                Post *next = post->next;
                post->function(post->data);
                g_free(post);
                post = next;
        }
}

Loop *loop_new(void)
{
        Loop *loop = g_new0(Loop, 1);
        int r = uv_loop_init(&loop->uv);
        if (r < 0)
                g_error("Cannot make an event loop: %s", uv_strerror(r));
        r = uv_async_init(&loop->uv, &loop->wake, loop_on_wake);
        if (r < 0)
                g_error("Cannot make an event loop's wake-up: %s", uv_strerror(r));
        loop->wake.data = loop;
        pthread_mutex_init(&loop->lock, NULL);
        atomic_store(&loop->thread, pthread_self());
        return loop;
}

void loop_free(Loop *loop)
{
        if (!loop)
                return;
        while (loop->first)
                loop_on_wake(&loop->wake);
        uv_close((uv_handle_t *)&loop->wake, NULL);
        /* A close callback may close another handle. */
        for (int round = 0; round < LOOP_CLOSE_ROUNDS && uv_run(&loop->uv, UV_RUN_NOWAIT); round++)
                ;
        int r = uv_loop_close(&loop->uv);
        assert(r == 0); /* somebody's handle is still open */
        (void)r;
        pthread_mutex_destroy(&loop->lock);
        g_free(loop);
}

uv_loop_t *loop_uv(Loop *loop)
{
        return &loop->uv;
}

void loop_run(Loop *loop)
{
        atomic_store(&loop->thread, pthread_self());
        uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void loop_stop_here(void *data)
{
        Loop *loop = data;
        uv_stop(&loop->uv);
}

void loop_stop(Loop *loop)
{
        loop_post(loop, loop_stop_here, loop);
}

void loop_post(Loop *loop, LoopFunction function, void *data)
{
        Post *post = g_new(Post, 1);
        *post = (Post){ .function = function, .data = data };
        pthread_mutex_lock(&loop->lock);
        bool first = !loop->first;
        if (first)
                loop->first = post;
        else
                loop->last->next = post;
        loop->last = post;
        pthread_mutex_unlock(&loop->lock);
        if (first)
                uv_async_send(&loop->wake);
}

bool loop_is_here(Loop *loop)
{
        return pthread_equal(atomic_load(&loop->thread), pthread_self());
}

static uint64_t clock_read(clockid_t clock)
{
        struct timespec now;
        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_usec(void)
{
        return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_real_usec(void)
{
        return clock_read(CLOCK_REALTIME);
}
