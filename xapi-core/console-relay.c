/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Consoles over HTTP: CONNECT /console, and GET /console for WebSocket. xenopsd gives the console's descriptor; the loop
 * moves the bytes, so that an open console holds no thread. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "http-action.h"
#include "manager.h"
#include "task.h"
#include "websocket.h"
#include "xenapi.h"
#include "xenops.h"

#define HEAD "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: no-cache, no-store\r\n\r\n"

typedef struct Relay {
        Action *action;
        bool websocket;
        Buffer head;
        char *vm; /* uuid; owned */
        XenopsConsoleProtocol protocol;
        int fd; /* -1: none */
        int status;
        struct OpenConsole *open; /* what counts it; NULL: it is not counted yet */
} Relay;

/* From when it is asked for. */
typedef struct OpenConsole {
        Manager *manager;
        char *vm; /* uuid */
        char *session;
        char *task; /* that is followed while bytes flow; NULL: none */
} OpenConsole;

static void console_end(void *user);

static void relay_free(Relay *relay)
{
        if (relay->fd >= 0)
                close(relay->fd);
        if (relay->open)
                console_end(relay->open);
        buffer_clear(&relay->head);
        g_free(relay->vm);
        g_free(relay);
}

static void refuse(Relay *relay, int status)
{
        action_refuse(relay->action, status,
                      xapi_error_new(ERR_INTERNAL_ERROR, "The console cannot be reached", NULL));
        relay_free(relay);
}

/* ---- while it is open ---- */

static void count(Manager *manager, const char *vm, int more)
{
        int n = GPOINTER_TO_INT(g_hash_table_lookup(manager->consoles, vm)) + more;

        if (n > 0)
                g_hash_table_replace(manager->consoles, g_strdup(vm), GINT_TO_POINTER(n));
        else
                g_hash_table_remove(manager->consoles, vm);
}

/* The pool's limit of one a VM, which, as upstream has it, WebSocket's cannot be counted towards. */
static bool pool_allows(Manager *manager, const char *vm, bool websocket)
{
        const PoolRow *pool = STORE_GET(PoolRow, CLASS_POOL, manager->store, manager->pool);
        bool limited = pool && pool->limit_console_sessions;

        if (pool)
                row_unref(&pool->row);
        return !limited || (!websocket && !g_hash_table_contains(manager->consoles, vm));
}

/* False: there are as many as there may be. */
static bool console_count(Relay *relay)
{
        Action *a = relay->action;

        if (!pool_allows(a->manager, relay->vm, relay->websocket) ||
            !shares_take(a->manager->console_shares, a->session))
                return false;
        relay->open = g_new0(OpenConsole, 1);
        *relay->open = (OpenConsole){ .manager = a->manager,
                                      .vm = g_strdup(relay->vm),
                                      .session = g_strdup(a->session) };
        count(a->manager, relay->vm, 1);
        return true;
}

static void end_task(Manager *manager, const char *task)
{
        static const Type NOTHING = { .kind = TYPE_VOID };
        Txn *txn = txn_begin(manager->store);

        task_succeed(txn, task, &NOTHING, value_zero(&NOTHING));
        txn_commit(txn, NULL, NULL);
}

static void console_end(void *user)
{
        OpenConsole *open = user;

        shares_give_back(open->manager->console_shares, open->session);
        count(open->manager, open->vm, -1);
        if (open->task)
                end_task(open->manager, open->task);
        free(open->task);
        g_free(open->session);
        g_free(open->vm);
        g_free(open);
}

/* A task that cannot be followed is left alone: the console is what counts. */
static void follow_task(OpenConsole *open, Action *a)
{
        XapiError *ignored = NULL;
        Txn *txn;

        if (!a->task)
                return;
        txn = txn_begin(a->manager->store);
        if (task_follow(txn, a->manager, a->task, a->session, a->info.roles, a->info.local_root, &ignored)) {
                open->task = g_steal_pointer(&a->task);
                txn_commit(txn, NULL, NULL);
        } else {
                txn_abort(txn);
        }
        xapi_error_free(ignored);
}

static void tie(void *user)
{
        Relay *relay = user;
        Action *a = relay->action;

        if (relay->fd < 0 || a->manager->stopping) {
                refuse(relay, relay->fd < 0 ? relay->status : 503);
                return;
        }
        if (!relay->websocket)
                buffer_append_literal(&relay->head, HEAD);
        follow_task(relay->open, a);
        if (http_relay(a->exchange, &(HttpRelay){ .head = buffer_terminate(&relay->head),
                                                  .fd = relay->fd,
                                                  .websocket = relay->websocket,
                                                  .on_end = console_end,
                                                  .data = relay->open }) < 0) {
                refuse(relay, 500);
                return;
        }
        relay->fd = -1;
        relay->open = NULL;
        action_free(a);
        relay_free(relay);
}

/* ---- finding it ---- */

static int status_of(const XenopsError *e)
{
        if (e->tag == XENOPS_ERROR_DOES_NOT_EXIST)
                return 404;
        return e->tag == XENOPS_ERROR_FAILURE ? 503 : 500;
}

/* On a worker. */
static void open_console(void *user)
{
        Relay *relay = user;
        Manager *manager = relay->action->manager;
        XenopsError *e = NULL;

        if (!xenops_vm_open_console(manager->daemon->bus, XENOPS_CALL_USEC, relay->action->what->name,
                                    relay->vm, relay->protocol, &relay->fd, &e)) {
                char *text = xenops_error_text(e);

                log_info("No console", "XAPI_VM", relay->vm, "XAPI_ERROR", text, NULL);
                free(text);
                relay->status = status_of(e);
                xenops_error_free(e);
        } else {
                fcntl(relay->fd, F_SETFL, fcntl(relay->fd, F_GETFL) | O_NONBLOCK);
        }
        loop_post(manager->daemon->loop, tie, relay);
}

static const Row *by_uuid(Txn *txn, const char *uuid)
{
        const Row *vm = txn_get_by_uuid(txn, &CLASS_VM, uuid);

        return vm ? vm : txn_get_by_uuid(txn, &CLASS_CONSOLE, uuid);
}

static const Row *by_ref(Txn *txn, const char *ref)
{
        const Row *vm = txn_get(txn, &CLASS_VM, ref);

        return vm ? vm : txn_get(txn, &CLASS_CONSOLE, ref);
}

/* The VM's screen, or else its terminal. */
static const ConsoleRow *default_console(Txn *txn, const VmRow *vm)
{
        const ConsoleRow *found = NULL;

        for (uint32_t i = 0; i < vm->consoles->n; i++) {
                const ConsoleRow *c =
                    (const ConsoleRow *)txn_get(txn, &CLASS_CONSOLE, vm->consoles->items[i].s);

                if (c && (!found || c->protocol == CONSOLE_PROTOCOL_RFB))
                        found = c;
        }
        return found;
}

static int check_vm(const Action *a, const VmRow *vm)
{
        if (vm->is_control_domain)
                return a->info.local_root || (a->info.roles & ROLE_POOL_ADMIN) ? 501 : 403;
        if (vm->power_state != VM_POWER_STATE_RUNNING && vm->power_state != VM_POWER_STATE_PAUSED)
                return 503;
        return 0;
}

/* 0 with the relay's vm and protocol set, or the HTTP status that says why not. */
static int find_in(Txn *txn, Relay *relay, const char *uuid, const char *ref)
{
        const Row *row = uuid ? by_uuid(txn, uuid) : by_ref(txn, ref);
        const ConsoleRow *console = NULL;
        const VmRow *vm;
        int status;

        if (!row)
                return 404;
        if (row->class == &CLASS_CONSOLE)
                console = (const ConsoleRow *)row;
        vm = console ? (const VmRow *)txn_get(txn, &CLASS_VM, console->VM) : (const VmRow *)row;
        if (!vm)
                return 404;
        status = check_vm(relay->action, vm);
        if (status)
                return status;
        if (!console)
                console = default_console(txn, vm);
        if (!console ||
            (console->protocol != CONSOLE_PROTOCOL_RFB && console->protocol != CONSOLE_PROTOCOL_VT100))
                return 404;
        relay->vm = g_strdup(vm->uuid);
        relay->protocol = console->protocol == CONSOLE_PROTOCOL_RFB ? XENOPS_CONSOLE_PROTOCOL_RFB
                                                                    : XENOPS_CONSOLE_PROTOCOL_VT100;
        return 0;
}

static int find(Relay *relay)
{
        const HttpRequest *r = http_exchange_request(relay->action->exchange);
        char *uuid = http_query_value(r, "uuid"), *ref = http_query_value(r, "ref");
        int status = 400;

        if (uuid || ref) {
                Txn *txn = txn_begin(relay->action->manager->store);

                status = find_in(txn, relay, uuid, ref);
                txn_abort(txn);
        }
        free(uuid);
        free(ref);
        return status;
}

static void begin(Action *a, bool websocket)
{
        Manager *manager = a->manager;
        Relay *relay = g_new0(Relay, 1);
        int status;

        relay->action = a;
        relay->websocket = websocket;
        relay->fd = -1;
        status = find(relay);
        if (!status && websocket)
                status = websocket_accept(http_exchange_request(a->exchange), &relay->head);
        if (!status && !console_count(relay))
                status = 503;
        if (status)
                refuse(relay, status);
        else if (!workers_run(manager->daemon->workers, false, open_console, relay))
                refuse(relay, 503);
}

void console_connect_begin(Action *a)
{
        begin(a, false);
}

void console_websocket_begin(Action *a)
{
        begin(a, true);
}
