/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>

#include <glib.h>

#include "loop.h"

#define POSTS   1000
#define POSTERS 4

typedef struct Posted {
        Loop *loop;
        unsigned next[POSTERS], n;
} Posted;

typedef struct Post {
        Posted *posted;
        unsigned poster, number;
} Post;

static void on_post(void *data)
{
        Post *post = data;
        Posted *posted = post->posted;
        g_assert_true(loop_is_here(posted->loop));
        g_assert_cmpuint(post->number, ==, posted->next[post->poster]++);
        if (++posted->n == POSTS * POSTERS)
                loop_stop(posted->loop);
        g_free(post);
}

typedef struct Poster {
        pthread_t thread;
        Posted *posted;
        unsigned number;
} Poster;

static void *poster_main(void *data)
{
        Poster *poster = data;
        g_assert_false(loop_is_here(poster->posted->loop));
        for (unsigned i = 0; i < POSTS; i++) {
                Post *post = g_new(Post, 1);
                *post = (Post){ .posted = poster->posted, .poster = poster->number, .number = i };
                loop_post(poster->posted->loop, on_post, post);
        }
        return NULL;
}

/* Each thread's functions run once, in its order, on the loop. */
static void test_post(void)
{
        Posted posted = { .loop = loop_new() };
        Poster posters[POSTERS];
        for (unsigned i = 0; i < POSTERS; i++) {
                posters[i] = (Poster){ .posted = &posted, .number = i };
                g_assert_cmpint(pthread_create(&posters[i].thread, NULL, poster_main, &posters[i]), ==, 0);
        }
        loop_run(posted.loop);
        for (unsigned i = 0; i < POSTERS; i++)
                pthread_join(posters[i].thread, NULL);
        g_assert_cmpuint(posted.n, ==, POSTS * POSTERS);
        loop_free(posted.loop);
}

static void count(void *data)
{
        ++*(unsigned *)data;
}

static void test_free_runs_posted(void)
{
        unsigned n = 0;
        Loop *loop = loop_new();
        loop_post(loop, count, &n);
        loop_stop(loop);
        loop_run(loop);
        g_assert_cmpuint(n, ==, 1);
        loop_post(loop, count, &n);
        loop_free(loop);
        g_assert_cmpuint(n, ==, 2);
        loop_free(NULL);
}

static void test_clocks(void)
{
        uint64_t before = clock_usec();
        g_assert_cmpuint(clock_usec(), >=, before);
        g_assert_cmpuint(clock_real_usec(), >, UINT64_C(1700000000) * 1000000u);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/loop/post", test_post);
        g_test_add_func("/loop/free-runs-posted", test_free_runs_posted);
        g_test_add_func("/loop/clocks", test_clocks);
        return g_test_run();
}
