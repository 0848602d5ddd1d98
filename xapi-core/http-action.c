/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-action.h"

#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "manager.h"
#include "server.h"
#include "task.h"
#include "xenapi.h"

#define NAME_PREFIX "http/" /* of the permission, as upstream has it */
#define HTTPS       "https://"
#define HTTPS_PORT  ":443"

static const struct {
        const char *name;
        void (*begin)(Action *action);
} HANDLERS[] = {
        { "connect_console", console_connect_begin },
        { "connect_console_ws", console_websocket_begin },
        { "get_export_raw_vdi", vdi_export_begin },
        { "put_import_raw_vdi", vdi_import_begin },
};

/* Clients write paths with and without a slash at the end; the longest that fits would be the rule, were there several. */
static bool path_fits(const char *path, const char *wanted)
{
        size_t n = strlen(wanted);

        return strncmp(path, wanted, n) == 0 && (path[n] == '\0' || strcmp(path + n, "/") == 0);
}

static const HttpAction *action_find(const HttpRequest *r)
{
        for (size_t i = 0; i < model_n_http_actions; i++) {
                const HttpAction *a = &model_http_actions[i];

                if (strcmp(a->method, r->method) == 0 && path_fits(r->path, a->path))
                        return a;
        }
        return NULL;
}

static void (*handler_of(const HttpAction *what))(Action *action)
{
        for (size_t i = 0; i < G_N_ELEMENTS(HANDLERS); i++)
                if (strcmp(HANDLERS[i].name, what->name) == 0)
                        return HANDLERS[i].begin;
        return NULL;
}

char *action_value(const Action *action, const char *name)
{
        const HttpRequest *r = http_exchange_request(action->exchange);
        char *value = http_cookie(r, name);

        return value ? value : http_query_value(r, name);
}

void action_free(Action *a)
{
        g_free(a->session);
        free(a->task);
        g_free(a->user);
        if (a->password)
                explicit_bzero(a->password, strlen(a->password));
        g_free(a->password);
        g_free(a);
}

/* ---- refusing ---- */

/* Who sends a session that has ended is known by it to have made a task, and can do no more. */
static bool is_clients(Txn *txn, const TaskRow *task, const Action *a)
{
        return (*a->session && strcmp(task->session, a->session) == 0) ||
               task_is_ours(txn, task, a->session, a->info.roles, a->info.local_root);
}

/* Only what nobody works on, since the end of what runs is its own. Upstream fails anybody's task, for who has not logged
 * in as well. */
static void fail_task(const Action *a, const XapiError *error)
{
        Txn *txn = txn_begin(a->manager->store);
        const TaskRow *task = (const TaskRow *)txn_get(txn, &CLASS_TASK, a->task);

        if (task && task->status == TASK_STATUS_TYPE_PENDING && strcmp(task->forwarded_to, NULL_REF) == 0 &&
            is_clients(txn, task, a))
                task_fail(txn, a->task, error, false);
        txn_commit(txn, NULL, NULL);
}

void action_refuse(Action *a, int status, XapiError *taken)
{
        g_autofree char *headers = NULL;

        if (a->task && taken)
                fail_task(a, taken);
        xapi_error_free(taken);
        if (status == 401)
                headers = g_strdup_printf("WWW-Authenticate: Basic realm=\"%s\"\r\n", a->what->name);
        if (a->exchange)
                http_reply_error(a->exchange, status, headers);
        action_free(a);
}

/* ---- who asks ---- */

static void let_in(Action *a)
{
        if (!a->info.local_root && !(a->what->roles & a->info.roles)) {
                g_autofree char *permission = g_strconcat(NAME_PREFIX, a->what->name, NULL);

                action_refuse(a, 403,
                              xapi_error_new(ERR_RBAC_PERMISSION_DENIED, permission,
                                             "No permission in user session", NULL));
                return;
        }
        handler_of(a->what)(a);
}

static void turn_away(void *user)
{
        action_refuse(user, 401, xapi_error_new(ERR_SESSION_AUTHENTICATION_FAILED, "", "", NULL));
}

static void checked(void *user)
{
        Action *a = user;

        if (a->let_in)
                let_in(a);
        else
                server_hold_back(a->manager, a->manager->login_delay_usec, turn_away, a);
}

/* On a worker. */
static void check_password(void *user)
{
        Action *a = user;
        Principal who = { 0 };
        XapiError *error = NULL;

        a->let_in = auth_check(a->manager->auth, a->user, a->password, &who, &error);
        a->info = (SessionInfo){ .roles = who.roles, .local_root = who.local_root };
        principal_clear(&who);
        xapi_error_free(error);
        loop_post(a->manager->daemon->loop, checked, a);
}

/* RFC 7617. False: there is none that can be read. */
static bool take_basic(Action *a, const char *header)
{
        g_autofree guchar *bytes = NULL;
        gsize n;
        char *colon;

        if (!header || g_ascii_strncasecmp(header, "Basic ", 6) != 0)
                return false;
        bytes = g_base64_decode(header + 6, &n);
        a->user = g_strndup((const char *)bytes, n);
        explicit_bzero(bytes, n);
        colon = strchr(a->user, ':');
        if (!colon)
                return false;
        *colon = '\0';
        a->password = g_strdup(colon + 1);
        explicit_bzero(colon + 1, strlen(colon + 1));
        return true;
}

/* Whether an authority is that of an origin, where :443 goes without saying. */
static bool is_same_host(const char *authority, const char *other)
{
        g_autofree char *a = g_strdup(authority), *b = g_strdup(other);

        if (g_str_has_suffix(a, HTTPS_PORT))
                a[strlen(a) - strlen(HTTPS_PORT)] = '\0';
        if (g_str_has_suffix(b, HTTPS_PORT))
                b[strlen(b) - strlen(HTTPS_PORT)] = '\0';
        return g_ascii_strcasecmp(a, b) == 0;
}

/* A browser says so when a page of another site (RFC 6454), or one that came without TLS, sends this. It adds cookies and
 * passwords that the user once gave to this one, and lets that page speak over the WebSocket (RFC 6455, 10.2); so all that
 * counts then is what the page itself can say: a session in the query. */
static bool is_from_elsewhere(const HttpRequest *r)
{
        const char *origin = http_header(r, "origin"), *host = http_header(r, "host");

        return origin && (!host || g_ascii_strncasecmp(origin, HTTPS, strlen(HTTPS)) != 0 ||
                          !is_same_host(origin + strlen(HTTPS), host));
}

static void begin(void *user)
{
        Action *a = user;
        const HttpRequest *r = http_exchange_request(a->exchange);
        XapiError *error = NULL;
        char *session;

        if (a->manager->stopping) {
                action_refuse(a, 503, NULL);
                return;
        }
        bool foreign = is_from_elsewhere(r);
        session = foreign ? http_query_value(r, "session_id") : action_value(a, "session_id");
        a->task = action_value(a, "task_id");
        if (session) {
                g_free(a->session);
                a->session = g_malloc(SESSION_REF_SIZE);
                session_ref(a->session, session);
        }
        if (session && sessions_check(a->manager->sessions, session, &a->info, &error)) {
                let_in(a);
        } else if (foreign) {
                action_refuse(
                    a, 403, error ? error : xapi_error_new(ERR_SESSION_AUTHENTICATION_FAILED, "", "", NULL));
        } else if (session) {
                action_refuse(a, 401, error);
        } else if (http_exchange_is_local(a->exchange)) {
                /* Whoever can open the unix socket is root already. */
                a->info = (SessionInfo){ .roles = ROLE_POOL_ADMIN, .local_root = true };
                let_in(a);
        } else if (!take_basic(a, http_header(r, "authorization"))) {
                turn_away(a);
        } else if (!workers_run(a->manager->daemon->workers, false, check_password, a)) {
                action_refuse(a, 503, xapi_error_new(ERR_TOO_BUSY, NULL));
        }
        free(session);
}

bool actions_on_head(HttpExchange *exchange, void *user)
{
        const HttpRequest *r = http_exchange_request(exchange);
        const HttpAction *what = strcmp(r->method, "POST") == 0 ? NULL : action_find(r);
        Manager *manager = user;
        Action *a;

        if (!what || !handler_of(what))
                return false;
        a = g_new0(Action, 1);
        *a = (Action){ .manager = manager, .what = what, .exchange = exchange, .session = g_strdup("") };
        loop_post(manager->daemon->loop, begin, a); /* a connection is not taken in the midst of its head */
        return true;
}
