/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <string.h>
#include <time.h>

#include "test-core.h"
#include "test-store-lib.h"
#include "xenapi.h"

#define MARGIN_SEC 60 /* more than the test takes */
#define YEAR_SEC   (INT64_C(365) * 24 * 60 * 60)

typedef struct World {
        TestCore *core;
        Sessions *sessions;
        Store *store;
} World;

static void set_up(World *w, gconstpointer data)
{
        w->core = test_core_new("");
        w->sessions = w->core->manager.sessions;
        w->store = w->core->manager.store;
}

static void tear_down(World *w, gconstpointer data)
{
        test_core_free(w->core);
}

static Str open_session(World *w, const char *user, const char *originator)
{
        Principal who = { .user = (char *)user, .roles = ROLE_POOL_ADMIN, .local_root = true };
        XapiError *error = NULL;
        Str ref = sessions_open(w->sessions, &who, originator, &error);

        g_assert_nonnull(ref);
        return ref;
}

static bool is_valid(World *w, const char *ref)
{
        g_autoptr(XapiError) error = NULL;
        SessionInfo info;
        bool ok = sessions_check(w->sessions, ref, &info, &error);

        if (!ok) {
                g_assert_cmpstr(error->code, ==, ERR_SESSION_INVALID);
                g_assert_cmpuint(error->n_params, ==, 1);
                g_assert_cmpstr(error->params[0], ==, ref);
        }
        return ok;
}

static int64_t last_active(World *w, const char *secret)
{
        char ref[SESSION_REF_SIZE];
        session_ref(ref, secret);
        const SessionRow *row = STORE_GET(SessionRow, CLASS_SESSION, w->store, ref);
        int64_t when;

        g_assert_nonnull(row);
        when = row->last_active;
        row_unref(&row->row);
        return when;
}

static void make_idle(World *w, const char *secret, int64_t seconds)
{
        char ref[SESSION_REF_SIZE];
        session_ref(ref, secret);
        Txn *txn = txn_begin(w->store);

        ((SessionRow *)txn_edit(txn, &CLASS_SESSION, ref))->last_active = time(NULL) - seconds;
        test_commit(txn);
}

static void test_row(World *w, gconstpointer data)
{
        auto_str secret = open_session(w, "root", "tests");
        char ref[SESSION_REF_SIZE];
        session_ref(ref, secret);
        const SessionRow *row = STORE_GET(SessionRow, CLASS_SESSION, w->store, ref);

        g_assert_cmpstr(row->this_host, ==, w->core->manager.host);
        g_assert_cmpstr(row->auth_user_name, ==, "root");
        g_assert_cmpstr(row->originator, ==, "tests");
        g_assert_true(row->is_local_superuser);
        row_unref(&row->row);
        g_assert_true(is_valid(w, secret));
}

/* The reference that the store, and so a copy of it, has opens nothing, and neither does what is made of it. */
static void test_secret(World *w, gconstpointer data)
{
        auto_str secret = open_session(w, "root", "tests"), local = sessions_open_local(w->sessions);
        char ref[SESSION_REF_SIZE], again[SESSION_REF_SIZE];

        session_ref(ref, secret);
        session_ref(again, ref);
        g_assert_cmpstr(ref, !=, secret);
        g_assert_cmpstr(ref, !=, again);
        g_assert_false(is_valid(w, ref));
        g_assert_false(is_valid(w, again));
        g_assert_null(store_get(w->store, &CLASS_SESSION, secret));
        session_ref(ref, local);
        g_assert_false(is_valid(w, ref));
        g_assert_true(is_valid(w, local));
}

static void test_unknown(World *w, gconstpointer data)
{
        g_assert_false(is_valid(w, ""));
        g_assert_false(is_valid(w, NULL_REF));
        g_assert_false(is_valid(w, w->core->manager.pool)); /* an object, but no session */
}

static void test_idle(World *w, gconstpointer data)
{
        auto_str young = open_session(w, "root", "a"), old = open_session(w, "root", "b");

        make_idle(w, young, SESSION_IDLE_SEC - MARGIN_SEC);
        make_idle(w, old, SESSION_IDLE_SEC + 1);
        g_assert_false(is_valid(w, old));
        sessions_collect(w->sessions);
        test_commit(txn_begin(w->store));
        g_assert_cmpuint(store_count(w->store, &CLASS_SESSION), ==, 1);
        g_assert_true(is_valid(w, young));
}

/* Not at each call, for each would be a write. */
static void test_refresh(World *w, gconstpointer data)
{
        auto_str ref = open_session(w, "root", "a");
        int64_t before;

        make_idle(w, ref, SESSION_REFRESH_SEC - MARGIN_SEC);
        before = last_active(w, ref);
        g_assert_true(is_valid(w, ref));
        test_commit(txn_begin(w->store));
        g_assert_cmpint(last_active(w, ref), ==, before);
        make_idle(w, ref, SESSION_REFRESH_SEC + 1);
        before = last_active(w, ref);
        g_assert_true(is_valid(w, ref));
        test_commit(txn_begin(w->store));
        g_assert_cmpint(last_active(w, ref), >, before);
}

/* They idle from now on: else they would last until the clock is where it was, and newer ones make room for them. */
static void test_clock_set_back(World *w, gconstpointer data)
{
        auto_str used = open_session(w, "root", "a"), unused = open_session(w, "root", "b");

        make_idle(w, used, -YEAR_SEC);
        make_idle(w, unused, -YEAR_SEC);
        g_assert_true(is_valid(w, used));
        test_commit(txn_begin(w->store));
        g_assert_cmpint(last_active(w, used), <=, time(NULL));
        sessions_collect(w->sessions);
        test_commit(txn_begin(w->store));
        g_assert_cmpint(last_active(w, unused), <=, time(NULL));
        g_assert_true(is_valid(w, unused));
}

static void fill(World *w, const char *user, const char *originator, bool vary_user, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                g_autofree char *varied = g_strdup_printf("%s-%zu", vary_user ? user : originator, i);
                auto_str ref = open_session(w, vary_user ? varied : user, vary_user ? originator : varied);
        }
}

static void test_user_limit(World *w, gconstpointer data)
{
        auto_str first = open_session(w, "root", "first"), second = open_session(w, "root", "second");

        fill(w, "root", "more", false, SESSIONS_PER_USER_MAX - 2);
        g_assert_true(is_valid(w, first)); /* at the limit */
        fill(w, "ann", "other", false, 1);
        g_assert_true(is_valid(w, first)); /* another user's do not count */
        fill(w, "root", "last", false, 1);
        g_assert_false(is_valid(w, first));
        g_assert_true(is_valid(w, second));
        g_assert_cmpuint(store_count(w->store, &CLASS_SESSION), ==, SESSIONS_PER_USER_MAX + 1);
}

static void test_originator_limit(World *w, gconstpointer data)
{
        auto_str first = open_session(w, "first", "tool"), second = open_session(w, "second", "tool");

        fill(w, "user", "tool", true, SESSIONS_PER_ORIGINATOR_MAX - 2);
        g_assert_true(is_valid(w, first));
        fill(w, "last", "tool", true, 1);
        g_assert_false(is_valid(w, first));
        g_assert_true(is_valid(w, second));
}

/* Not the one that was made first goes, but the one that was not used for longest. */
static void test_least_active_goes(World *w, gconstpointer data)
{
        auto_str first = open_session(w, "root", "first"), second = open_session(w, "root", "second");

        fill(w, "root", "more", false, SESSIONS_PER_USER_MAX - 2);
        make_idle(w, second, MARGIN_SEC);
        fill(w, "root", "last", false, 1);
        g_assert_true(is_valid(w, first));
        g_assert_false(is_valid(w, second));
}

static void test_local(World *w, gconstpointer data)
{
        auto_str ref = sessions_open_local(w->sessions);

        g_assert_true(is_valid(w, ref));
        g_assert_cmpuint(store_count(w->store, &CLASS_SESSION), ==, 0);
        sessions_collect(w->sessions);
        g_assert_true(is_valid(w, ref));
        char closed[SESSION_REF_SIZE];
        session_ref(closed, ref);
        g_assert_true(sessions_close_local(w->sessions, closed));
        g_assert_false(sessions_close_local(w->sessions, closed));
        g_assert_false(is_valid(w, ref));
}

static void test_local_limit(World *w, gconstpointer data)
{
        auto_str first = sessions_open_local(w->sessions), second = sessions_open_local(w->sessions);

        for (size_t i = 2; i < SESSIONS_LOCAL_MAX; i++) {
                auto_str more = sessions_open_local(w->sessions);
        }
        g_assert_true(is_valid(w, first)); /* and is the one used last from now on */
        auto_str last = sessions_open_local(w->sessions);
        g_assert_false(is_valid(w, second));
        g_assert_true(is_valid(w, first));
        g_assert_true(is_valid(w, last));
}

static void test_track_id(World *w, gconstpointer data)
{
        auto_str a = session_track_id("OpaqueRef:1"), b = session_track_id("OpaqueRef:1"),
                 c = session_track_id("OpaqueRef:2");

        g_assert_cmpstr(a, ==, b);
        g_assert_cmpstr(a, !=, c);
        g_assert_true(g_str_has_prefix(a, "trackid="));
        g_assert_null(strstr(a, "OpaqueRef"));
}

/* Who is no user any more finds out within a minute, whatever session is open. */
static void test_revoked(World *w, gconstpointer data)
{
        const char *path = w->core->password_file;
        g_autofree char *ref = NULL;

        g_assert_true(g_file_set_contents(path, "ann:*:vm-admin\n", -1, NULL));
        ref = test_login_as(w->core, "ann", ROLE_VM_ADMIN);
        g_assert_true(is_valid(w, ref));
        g_assert_true(g_file_set_contents(path, "bob:*:vm-admin\n", -1, NULL));
        sessions_collect(w->sessions);
        g_assert_false(is_valid(w, ref));
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        add("/session/row", test_row);
        add("/session/secret", test_secret);
        add("/session/unknown", test_unknown);
        add("/session/idle", test_idle);
        add("/session/refresh", test_refresh);
        add("/session/clock-set-back", test_clock_set_back);
        add("/session/user-limit", test_user_limit);
        add("/session/originator-limit", test_originator_limit);
        add("/session/least-active-goes", test_least_active_goes);
        add("/session/local", test_local);
        add("/session/local-limit", test_local_limit);
        add("/session/track-id", test_track_id);
        add("/session/revoked", test_revoked);
        return g_test_run();
}
