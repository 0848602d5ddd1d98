/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-core.h"

#include <string.h>

#include "dispatch.h"
#include "host-objects.h"
#include "test-store-lib.h"
#include "xenapi.h"

#define WORKERS         16
#define WORKERS_RESERVE 4

TestCore *test_core_new(const char *users)
{
        TestCore *core = g_new0(TestCore, 1);
        Manager *m = &core->manager;
        XapiError *error = NULL;

        core->daemon.name = "test";
        core->daemon.loop = loop_new();
        core->daemon.workers = workers_new(WORKERS, WORKERS_RESERVE);
        core->daemon.state_dir = "/nonexistent";
        m->daemon = &core->daemon;
        m->store = test_store_memory();
        m->running = running_tasks_new();
        core->folder = test_directory();
        core->password_file = g_build_filename(core->folder, "users", NULL);
        g_assert_true(g_file_set_contents(core->password_file, users, -1, NULL));
        m->auth = auth_new(NULL, core->password_file);
        m->sessions = sessions_new(m);
        m->watches = watches_new(m->store, core->daemon.loop);
        g_assert_true(host_objects_ensure(m, "127.0.0.1", &error));
        return core;
}

void test_core_free(TestCore *core)
{
        Manager *m = &core->manager;

        workers_free(core->daemon.workers);
        watches_free(m->watches);
        uv_run(loop_uv(core->daemon.loop), UV_RUN_NOWAIT);
        sessions_free(m->sessions);
        auth_free(m->auth);
        store_close(m->store);
        running_tasks_free(m->running);
        str_unref(m->host);
        str_unref(m->pool);
        str_unref(m->dom0);
        loop_free(core->daemon.loop);
        test_directory_remove(core->folder);
        g_free(core->password_file);
        g_free(core);
}

static void keep_answer(const DispatchAnswer *answer, void *user)
{
        GString *text = g_string_new("");
        auto_buffer value = { 0 };

        if (answer->broken) {
                g_string_append(text, "HTTP 500");
        } else if (answer->error) {
                g_string_append(text, answer->error->code);
                for (size_t i = 0; i < answer->error->n_params; i++)
                        g_string_append_printf(text, "|%s", answer->error->params[i]);
        } else {
                value_write(&value, DIALECT_JSON, answer->type, answer->value);
                g_string_append_printf(text, "= %s", buffer_terminate(&value));
        }
        *(char **)user = g_string_free(text, false);
}

char *test_call(TestCore *core, const char *method, const char *params)
{
        g_autofree char *json = g_strdelimit(g_strdup(params), "'", '"');
        DispatchRequest request = {
                .method = method,
                .params = json_loads(json, 0, NULL),
                .local_socket = core->local_socket,
                .peer = "",
        };
        char *answer = NULL;

        g_assert_nonnull(request.params);
        dispatch(&core->manager, &request, NULL, keep_answer, &answer);
        json_decref(request.params);
        while (!answer)
                uv_run(loop_uv(core->daemon.loop), UV_RUN_ONCE);
        return answer;
}

char *test_login(TestCore *core)
{
        bool before = core->local_socket;
        g_autofree char *answer = NULL;

        core->local_socket = true;
        answer = test_call(core, "session.login_with_password", "['root', '']");
        core->local_socket = before;
        g_assert_true(g_str_has_prefix(answer, "= \""));
        return g_strndup(answer + 3, strlen(answer) - 4);
}

char *test_login_as(TestCore *core, const char *user, uint32_t roles)
{
        Principal who = { .user = (char *)user, .roles = roles };
        XapiError *error = NULL;
        auto_str ref = sessions_open(core->manager.sessions, &who, "tests", &error);

        g_assert_nonnull(ref);
        return g_strdup(ref);
}

void test_expect(TestCore *core, const char *want, const char *method, const char *params_format, ...)
{
        g_autofree char *params = NULL, *answer = NULL;
        va_list arguments;

        va_start(arguments, params_format);
        params = g_strdup_vprintf(params_format, arguments);
        va_end(arguments);
        answer = test_call(core, method, params);
        if (!g_str_has_prefix(answer, want))
                g_error("%s %s: want %s, got %s", method, params, want, answer);
}
