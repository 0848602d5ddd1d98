/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of a call with several faults, which one it is told: the checks in their order, each against the next. */
#include <string.h>

#include "handlers.h"
#include "test-core.h"
#include "xenapi.h"

typedef struct World {
        TestCore *core;
        char *root, *reader; /* sessions */
} World;

static void set_up(World *w, gconstpointer data)
{
        w->core = test_core_new("reader:*:read-only\nstranger:*:read-only\noperator:*:pool-operator\n");
        w->root = test_login(w->core);
        w->reader = test_login_as(w->core, "reader", ROLE_READ_ONLY);
}

static void tear_down(World *w, gconstpointer data)
{
        test_core_free(w->core);
        g_free(w->root);
        g_free(w->reader);
}

#define EXPECT(w, want, ...) test_expect((w)->core, want, __VA_ARGS__)

/* ---- messages that are found by what they are ---- */

static bool takes_strings(const Message *m)
{
        if (!m->session || m->n_params != m->n_required || m->tag == MESSAGE_CTOR)
                return false;
        for (size_t i = 0; i < m->n_params; i++)
                if (m->params[i].type->kind != TYPE_STRING && m->params[i].type->kind != TYPE_REF)
                        return false;
        return m->n_params > 0;
}

static const Message *find(bool (*wanted)(const Message *m))
{
        for (size_t i = 0; i < model_n_messages; i++)
                if (takes_strings(&model_messages[i]) && wanted(&model_messages[i]))
                        return &model_messages[i];
        return NULL;
}

static bool is_internal(const Message *m)
{
        return m->pool_internal;
}

static bool is_removed(const Message *m)
{
        return m->removed && !m->pool_internal;
}

static bool is_missing(const Message *m)
{
        return !m->removed && !m->pool_internal && handler_missing(m) && !(m->roles & ROLE_READ_ONLY);
}

/* Its parameters: the session and then the same, once for each. */
static char *params_of(const Message *m, const char *session, const char *each)
{
        GString *text = g_string_new("[");

        g_string_append_printf(text, "'%s'", session);
        for (size_t i = 0; i < m->n_params; i++)
                g_string_append_printf(text, ", %s", each);
        g_string_append(text, "]");
        return g_string_free(text, false);
}

static void expect_of(World *w, const Message *m, const char *session, const char *each, const char *want)
{
        g_autofree char *params = params_of(m, session, each);

        g_assert_nonnull(m);
        EXPECT(w, want, m->name, "%s", params);
}

/* ---- the checks ---- */

static void test_name(World *w, gconstpointer data)
{
        EXPECT(w, "MESSAGE_METHOD_UNKNOWN|no.such", "no.such", "[]");
        EXPECT(w, "SESSION_INVALID|nope", "no.such", "['nope']");
        EXPECT(w, "SESSION_INVALID|nope", "no.such", "['nope', 5]");
        EXPECT(w, "INTERNAL_ERROR|", "no.such", "[5]");
        EXPECT(w, "MESSAGE_METHOD_UNKNOWN|no.such", "no.such", "['%s', 5]", w->root);
        EXPECT(w, "MESSAGE_METHOD_UNKNOWN|no.such", "Async.no.such", "['%s']", w->root);
        EXPECT(w, "HTTP 500", "no:such", "['nope']");
        EXPECT(w, "MESSAGE_METHOD_UNKNOWN|", "", "[]");
        EXPECT(w, "MESSAGE_METHOD_UNKNOWN|Async.VM.start", "Async.Async.VM.start", "[]");
        EXPECT(w, "MESSAGE_METHOD_UNKNOWN|vm.start", "vm.start", "['%s', 'x', false, false]", w->root);
}

static void test_count_before_session(World *w, gconstpointer data)
{
        EXPECT(w, "MESSAGE_PARAMETER_COUNT_MISMATCH|VM.start|3|-1", "VM.start", "[]");
        EXPECT(w, "MESSAGE_PARAMETER_COUNT_MISMATCH|VM.start|3|0", "VM.start", "['nope']");
        EXPECT(w, "MESSAGE_PARAMETER_COUNT_MISMATCH|VM.start|3|0", "VM.start", "[5]");
        EXPECT(w, "MESSAGE_PARAMETER_COUNT_MISMATCH|VM.start|3|4", "VM.start", "['nope', 1, 2, 3, 4]");
        EXPECT(w, "MESSAGE_PARAMETER_COUNT_MISMATCH|VM.start|3|2", "Async.VM.start", "['%s', 1, 2]", w->root);
        EXPECT(w, "SESSION_INVALID|nope", "VM.start", "['nope', 1, 2, 3]");
}

/* Where some have defaults, more than all are ignored. */
static void test_defaults(World *w, gconstpointer data)
{
        w->core->local_socket = true;
        EXPECT(w, "MESSAGE_PARAMETER_COUNT_MISMATCH|session.login_with_password|2|1",
               "session.login_with_password", "['root']");
        EXPECT(w, "= \"OpaqueRef:", "session.login_with_password", "['root', '']");
        EXPECT(w, "= \"OpaqueRef:", "session.login_with_password", "['root', '', '1.0', 'tool', 'more', 5]");
        EXPECT(w, "INTERNAL_ERROR|", "session.login_with_password", "['root', '', 5]");
}

static void test_session_before_kind(World *w, gconstpointer data)
{
        expect_of(w, find(is_internal), "nope", "'x'", "SESSION_INVALID|nope");
        expect_of(w, find(is_removed), "nope", "'x'", "SESSION_INVALID|nope");
        expect_of(w, find(is_missing), "nope", "'x'", "SESSION_INVALID|nope");
        EXPECT(w, "SESSION_INVALID|nope", "Async.VM.get_uuid", "['nope', 'x']");
        EXPECT(w, "SESSION_INVALID|nope", "VM.get_uuid", "['nope', 5]");
}

static void test_kind_before_types(World *w, gconstpointer data)
{
        expect_of(w, find(is_internal), w->root, "5", "INTERNAL_ERROR|Internal API \"");
        expect_of(w, find(is_removed), w->root, "5", "MESSAGE_REMOVED");
        EXPECT(w, "Fault|No async mode for this operation (rpc: VM.get_uuid)", "Async.VM.get_uuid",
               "['%s', 5]", w->root);
        EXPECT(w, "Fault|", "InternalAsync.VM.get_uuid", "['%s', 5]", w->root);
        EXPECT(w, "Fault|", "Async.session.login_with_password", "[5, 6]");
}

static void test_kind_before_role(World *w, gconstpointer data)
{
        expect_of(w, find(is_internal), w->reader, "'x'", "INTERNAL_ERROR|Internal API \"");
        expect_of(w, find(is_removed), w->reader, "'x'", "MESSAGE_REMOVED");
        EXPECT(w, "Fault|", "Async.VM.set_name_label", "['%s', 'x', 'y']", w->reader);
}

static void test_types_before_role(World *w, gconstpointer data)
{
        EXPECT(w, "INTERNAL_ERROR|", "VM.start", "['%s', 'x', 'false', false]", w->reader);
        EXPECT(w, "INTERNAL_ERROR|", "VM.create", "['%s', {}]", w->reader);
        EXPECT(w, "RBAC_PERMISSION_DENIED|vm.start|", "VM.start", "['%s', 'x', false, false]", w->reader);
        EXPECT(w, "RBAC_PERMISSION_DENIED|vm.start|", "Async.VM.start", "['%s', 'x', false, false]",
               w->reader);
}

static void test_role_before_missing(World *w, gconstpointer data)
{
        const Message *m = find(is_missing);
        g_autofree char *want = g_strdup_printf("NOT_IMPLEMENTED|%s", m ? m->name : "");

        if (!m) {
                g_test_skip("everything is written");
                return;
        }
        expect_of(w, m, w->reader, "'x'", "RBAC_PERMISSION_DENIED|");
        expect_of(w, m, w->root, "5", "INTERNAL_ERROR|");
        expect_of(w, m, w->root, "'x'", want);
}

static void test_handler_last(World *w, gconstpointer data)
{
        EXPECT(w, "HANDLE_INVALID|VM|nope", "VM.get_uuid", "['%s', 'nope']", w->root);
        EXPECT(w, "HANDLE_INVALID|VM|nope", "VM.get_uuid", "['%s', 'nope']", w->reader);
        EXPECT(w, "RBAC_PERMISSION_DENIED|vm.set_name_label|", "VM.set_name_label", "['%s', 'nope', 'x']",
               w->reader);
        EXPECT(w, "UUID_INVALID|VM|nope", "VM.get_by_uuid", "['%s', 'nope']", w->root);
        EXPECT(w, "= []", "VM.get_by_name_label", "['%s', 'nope']", w->root);
        EXPECT(w, "= [\"", "pool.get_all", "['%s']", w->root);
        EXPECT(w, "= [\"", "pool_get_all", "['%s']", w->root);
}

/* ---- tasks ---- */

/* What comes before the handler is told at once, what the handler finds stands in the task. */
static void test_async(World *w, gconstpointer data)
{
        g_autofree char *params = g_strdup_printf("['%s', 'nope', false, false]", w->root);
        g_autofree char *answer = test_call(w->core, "Async.VM.start", params), *task = NULL;

        g_assert_true(g_str_has_prefix(answer, "= \"OpaqueRef:"));
        task = g_strndup(answer + 3, strlen(answer) - 4);
        workers_free(w->core->daemon.workers);
        w->core->daemon.workers = workers_new(1, 1);
        EXPECT(w, "= \"Async.VM.start\"", "task.get_name_label", "['%s', '%s']", w->root, task);
        EXPECT(w, "= {", "task.get_record", "['%s', '%s']", w->root, task);
        EXPECT(w, "= \"\"", "task.set_other_config", "['%s', '%s', {}]", w->root,
               task); /* all is durable now */
        EXPECT(w, "= \"failure\"", "task.get_status", "['%s', '%s']", w->root, task);
        EXPECT(w, "= [\"HANDLE_INVALID\",\"VM\",\"nope\"]", "task.get_error_info", "['%s', '%s']", w->root,
               task);
}

static void test_tasks_of_others(World *w, gconstpointer data)
{
        g_autofree char *params = g_strdup_printf("['%s', 'label', '']", w->root), *task = NULL;
        g_autofree char *answer = test_call(w->core, "task.create", params);
        g_autofree char *operator= test_login_as(w->core, "operator", ROLE_POOL_OPERATOR);

        task = g_strndup(answer + 3, strlen(answer) - 4);
        EXPECT(w, "RBAC_PERMISSION_DENIED|task.cancel/any|", "task.cancel", "['%s', '%s']", w->reader, task);
        EXPECT(w, "RBAC_PERMISSION_DENIED|task.destroy/any|", "task.destroy", "['%s', '%s']", w->reader,
               task);
        EXPECT(w, "= \"\"", "task.cancel", "['%s', '%s']", operator, task);
        EXPECT(w, "= \"\"", "task.destroy", "['%s', '%s']", w->root, task);
}

static void test_own_tasks(World *w, gconstpointer data)
{
        g_autofree char *params = g_strdup_printf("['%s', 'label', '']", w->reader), *task = NULL;
        g_autofree char *answer = test_call(w->core, "task.create", params);
        g_autofree char *second = test_login_as(w->core, "reader", ROLE_READ_ONLY);
        g_autofree char *stranger = test_login_as(w->core, "stranger", ROLE_READ_ONLY);

        task = g_strndup(answer + 3, strlen(answer) - 4);
        EXPECT(w, "RBAC_PERMISSION_DENIED|", "task.cancel", "['%s', '%s']", stranger, task);
        EXPECT(w, "= \"\"", "task.cancel", "['%s', '%s']", second, task); /* the same user's other session */
        EXPECT(w, "= \"\"", "task.destroy", "['%s', '%s']", w->reader, task);
}

/* ---- ends of sessions ---- */

static void test_logout(World *w, gconstpointer data)
{
        EXPECT(w, "= \"\"", "session.local_logout", "['%s']", w->root);
        EXPECT(w, "= [", "VM.get_all", "['%s']", w->root); /* it is no local one */
        EXPECT(w, "= \"\"", "session.logout", "['%s']", w->reader);
        EXPECT(w, "SESSION_INVALID|", "VM.get_all", "['%s']", w->reader);
        EXPECT(w, "SESSION_INVALID|", "session.logout", "['%s']", w->reader);
}

static void test_local_session(World *w, gconstpointer data)
{
        g_autofree char *answer = NULL, *local = NULL;

        w->core->local_socket = true;
        answer = test_call(w->core, "session.slave_local_login_with_password", "['root', '']");
        local = g_strndup(answer + 3, strlen(answer) - 4);
        EXPECT(w, "= [", "VM.get_all", "['%s']", local);
        EXPECT(w, "HANDLE_INVALID|session|", "session.get_uuid", "['%s', '%s']", local, local);
        EXPECT(w, "= \"\"", "session.local_logout", "['%s']", local);
        EXPECT(w, "SESSION_INVALID|", "VM.get_all", "['%s']", local);
}

static void test_wrong_password(World *w, gconstpointer data)
{
        EXPECT(w, "SESSION_AUTHENTICATION_FAILED|root|", "session.login_with_password", "['root', 'x']");
        EXPECT(w, "SESSION_AUTHENTICATION_FAILED|root|", "session.slave_local_login_with_password",
               "['root', 'x']");
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        add("/dispatch/name", test_name);
        add("/dispatch/count-before-session", test_count_before_session);
        add("/dispatch/defaults", test_defaults);
        add("/dispatch/session-before-kind", test_session_before_kind);
        add("/dispatch/kind-before-types", test_kind_before_types);
        add("/dispatch/kind-before-role", test_kind_before_role);
        add("/dispatch/types-before-role", test_types_before_role);
        add("/dispatch/role-before-missing", test_role_before_missing);
        add("/dispatch/handler-last", test_handler_last);
        add("/dispatch/async", test_async);
        add("/dispatch/tasks-of-others", test_tasks_of_others);
        add("/dispatch/own-tasks", test_own_tasks);
        add("/dispatch/logout", test_logout);
        add("/dispatch/local-session", test_local_session);
        add("/dispatch/wrong-password", test_wrong_password);
        return g_test_run();
}
