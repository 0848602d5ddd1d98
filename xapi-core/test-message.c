/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages: what may be made, and how many are kept. */
#include "classes/classes.h"
#include "test-core.h"
#include "test-store-lib.h"
#include "xenapi.h"

typedef struct World {
        TestCore *core;
        Store *store;
        char *root;
} World;

static void set_up(World *w, gconstpointer data)
{
        w->core = test_core_new("");
        w->store = w->core->manager.store;
        w->root = test_login(w->core);
}

static void tear_down(World *w, gconstpointer data)
{
        test_core_free(w->core);
        g_free(w->root);
}

/* Returns the ref of the first one. */
static Str make(World *w, size_t n)
{
        Txn *txn = txn_begin(w->store);
        Str first = NULL;

        for (size_t i = 0; i < n; i++) {
                const Row *row = txn_create(txn, &CLASS_MESSAGE, NULL, NULL);

                if (!first)
                        first = str_ref(row->ref);
        }
        test_commit(txn);
        return first;
}

static bool exists(World *w, const char *ref)
{
        const Row *row = store_get(w->store, &CLASS_MESSAGE, ref);

        row_unref(row);
        return row;
}

static void collect(World *w)
{
        messages_collect(w->store);
        test_commit(txn_begin(w->store));
}

static void test_limit(World *w, gconstpointer data)
{
        auto_str first = make(w, 2), third = make(w, MESSAGES_MAX - 2);

        collect(w);
        g_assert_cmpuint(store_count(w->store, &CLASS_MESSAGE), ==, MESSAGES_MAX);
        auto_str last = make(w, 2);
        collect(w);
        g_assert_cmpuint(store_count(w->store, &CLASS_MESSAGE), ==, MESSAGES_MAX);
        g_assert_false(exists(w, first));
        g_assert_true(exists(w, third));
        g_assert_true(exists(w, last));
}

static void test_object(World *w, gconstpointer data)
{
        const PoolRow *pool = STORE_GET(PoolRow, CLASS_POOL, w->store, w->core->manager.pool);

        test_expect(w->core, "= \"OpaqueRef:", "message.create", "['%s', 'name', 5, 'Pool', '%s', 'body']",
                    w->root, pool->uuid);
        test_expect(w->core, "UUID_INVALID|pool|nope", "message.create",
                    "['%s', 'name', 5, 'Pool', 'nope', 'body']", w->root);
        test_expect(w->core, "= {\"OpaqueRef:", "message.get", "['%s', 'Pool', '%s', '19700101T00:00:00Z']",
                    w->root, pool->uuid);
        test_expect(w->core, "= {}", "message.get", "['%s', 'VM', '%s', '19700101T00:00:00Z']", w->root,
                    pool->uuid);
        test_expect(w->core, "= {}", "message.get_since", "['%s', '29990101T00:00:00Z']", w->root);
        row_unref(&pool->row);
}

/* One that does not exist leaves the others. */
static void test_destroy_many(World *w, gconstpointer data)
{
        auto_str ref = make(w, 1);

        test_expect(w->core, "HANDLE_INVALID|message|nope", "message.destroy_many", "['%s', ['%s', 'nope']]",
                    w->root, ref);
        g_assert_true(exists(w, ref));
        test_expect(w->core, "= \"\"", "message.destroy_many", "['%s', ['%s']]", w->root, ref);
        g_assert_false(exists(w, ref));
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        add("/message/limit", test_limit);
        add("/message/object", test_object);
        add("/message/destroy-many", test_destroy_many);
        return g_test_run();
}
