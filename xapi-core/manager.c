/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"
#include "classes/classes.h"
#include "host-memory.h"
#include "host-objects.h"
#include "http-action.h"
#include "job.h"
#include "networks.h"
#include "operations.h"
#include "role.h"
#include "seed.h"
#include "server.h"
#include "storage.h"
#include "vm.h"
#include "xenapi.h"
#include "xenops.h"

#define TICK_MSEC           (60 * 1000)
#define LOGIN_DELAY_MSEC    5000
#define CONSOLES_MAX        4096 /* open at a time; each has a descriptor beside its connection's */
#define STORAGE_SETTLE_MSEC 10000

static bool fail_errno(XapiError **error, const char *what, const char *path, int r)
{
        return xapi_fail_internal(error, "%s %s: %s", what, path, strerror(-r));
}

/* ---- now and then ---- */

/* An event that comes even when nothing happens, so that no long poll is silent for ever. */
static void heartbeat(Manager *m)
{
        Txn *txn = txn_begin(m->store);

        txn_touch(txn, &CLASS_POOL, m->pool);
        txn_commit(txn, NULL, NULL);
}

static void on_tick(uv_timer_t *timer)
{
        Manager *m = timer->data;

        sessions_collect(m->sessions);
        tasks_collect(m->store);
        messages_collect(m->store);
        heartbeat(m);
}

static void load_certificate(Manager *m)
{
        char *why = NULL;

        if (http_server_set_certificate(m->http, m->certificate, &why) < 0)
                log_error("The certificate cannot be used; the old one stays", "XAPI_PATH", m->certificate,
                          "XAPI_ERROR", why ? why : "", NULL);
        g_free(why);
}

static void on_reload(uv_signal_t *signal, int number)
{
        load_certificate(signal->data);
}

/* A certificate that is replaced is used from then on. */
static void on_certificate_changed(uv_fs_poll_t *poll, int status, const uv_stat_t *before,
                                   const uv_stat_t *after)
{
        if (status == 0)
                load_certificate(poll->data);
}

#define CERTIFICATE_POLL_MSEC 2000

static void start_timers(Manager *m)
{
        uv_loop_t *uv = loop_uv(m->daemon->loop);

        uv_timer_init(uv, &m->tick);
        m->tick.data = m;
        uv_timer_start(&m->tick, on_tick, TICK_MSEC, TICK_MSEC);
        uv_signal_init(uv, &m->reload);
        m->reload.data = m;
        uv_signal_start(&m->reload, on_reload, SIGHUP);
        uv_fs_poll_init(uv, &m->certificate_poll);
        m->certificate_poll.data = m;
        uv_fs_poll_start(&m->certificate_poll, on_certificate_changed, m->certificate, CERTIFICATE_POLL_MSEC);
}

/* ---- start ---- */

static bool open_store(Manager *m, XapiError **error)
{
        g_autofree char *path = g_build_filename(m->daemon->state_dir, "xapi.db", NULL);

        if (g_mkdir_with_parents(m->daemon->state_dir, 0700) < 0)
                return fail_errno(error, "Cannot make", m->daemon->state_dir, -errno);
        m->store = store_open(path, error);
        if (m->store)
                store_set_derive(m->store, vm_appliance_derive, NULL);
        return m->store;
}

/* What the last process left half done. */
static void clear_operations(Store *store)
{
        static const OperationRules *const RULES[] = { &VM_OPERATION_RULES,  &VBD_OPERATION_RULES,
                                                       &VIF_OPERATION_RULES, &VDI_OPERATION_RULES,
                                                       &SR_OPERATION_RULES,  &VM_APPLIANCE_OPERATION_RULES };
        Txn *txn = txn_begin(store);

        for (size_t i = 0; i < G_N_ELEMENTS(RULES); i++)
                operations_clear(txn, RULES[i]);
        txn_commit(txn, NULL, NULL);
}

static bool write_port(const Manager *m, int port, XapiError **error)
{
        g_autofree char *path = g_build_filename(m->daemon->state_dir, "port", NULL);
        g_autofree char *text = g_strdup_printf("%d\n", port);
        GError *e = NULL;

        if (g_file_set_contents(path, text, -1, &e))
                return true;
        xapi_fail_internal(error, "%s", e->message);
        g_error_free(e);
        return false;
}

/* On all addresses unless told otherwise; a machine may be without IPv6. */
static int listen_tcp(Manager *m, const ManagerOptions *options, int *ret_port)
{
        int r = http_server_listen_tcp(m->http, options->listen ? options->listen : "::", options->port, true,
                                       ret_port);

        if (!options->listen && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL))
                r = http_server_listen_tcp(m->http, "0.0.0.0", options->port, true, ret_port);
        return r;
}

static bool listen_all(Manager *m, const ManagerOptions *options, XapiError **error)
{
        g_autofree char *socket = options->socket ? g_strdup(options->socket)
                                                  : g_build_filename(m->daemon->state_dir, "xapi", NULL);
        int port, r;

        m->http = http_server_new(&(HttpServerOptions){ .loop = m->daemon->loop,
                                                        .on_request = server_on_request,
                                                        .on_head = actions_on_head,
                                                        .data = m });
        r = certificate_ensure(m->certificate, g_get_host_name());
        if (r < 0)
                return fail_errno(error, "Cannot make the certificate", m->certificate, r);
        load_certificate(m);
        r = http_server_listen_unix(m->http, socket, 0600);
        if (r < 0)
                return fail_errno(error, "Cannot listen on", socket, r);
        r = listen_tcp(m, options, &port);
        if (r < 0)
                return fail_errno(error, "Cannot listen on",
                                  options->listen ? options->listen : "any address", r);
        return options->port || write_port(m, port, error);
}

static bool start(Manager *m, const ManagerOptions *options, XapiError **error)
{
        if (!open_store(m, error) || !host_objects_ensure(m, options->listen, error))
                return false;
        roles_create(m->store);
        tasks_fail_interrupted(m->store);
        clear_operations(m->store);
        m->auth = auth_new(m->daemon->bus, options->password_file);
        m->sessions = sessions_new(m);
        m->watches = watches_new(m->store, m->daemon->loop);
        m->xenops = xenops_new(m);
        m->storage = storage_new(m);
        m->networks = networks_new(m);
        m->host_memory = host_memory_new(m);
        storage_settle(m->storage, STORAGE_SETTLE_MSEC);
        if (!seed_vms(m, options->seed_vms, error))
                return false;
        if (!listen_all(m, options, error))
                return false;
        start_timers(m);
        return true;
}

Manager *manager_new(Daemon *daemon, const ManagerOptions *options, XapiError **error)
{
        Manager *m = g_new0(Manager, 1);

        m->daemon = daemon;
        m->running = running_tasks_new();
        m->certificate = options->certificate ? g_strdup(options->certificate)
                                              : g_build_filename(daemon->state_dir, "xapi-ssl.pem", NULL);
        m->consoles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        m->console_shares =
            shares_new((size_t)daemon_setting_int(daemon, "consoles-max", CONSOLES_MAX, 0, 1000000));
        m->login_delay_usec =
            (uint64_t)daemon_setting_int(daemon, "login-delay-msec", LOGIN_DELAY_MSEC, 0, 60000) * 1000;
        if (start(m, options, error))
                return m;
        manager_stop(m);
        daemon_close(daemon);
        manager_free(m);
        return NULL;
}

void manager_stop(Manager *m)
{
        if (m->xenops)
                xenops_stop(m->xenops);
        if (m->storage)
                storage_stop(m->storage);
        if (m->networks)
                networks_stop(m->networks);
        if (m->host_memory)
                host_memory_stop(m->host_memory);
        if (m->auth)
                auth_stop(m->auth);
        jobs_stop(m);
        m->stopping = true;
        server_let_go(m);
}

static void on_closed(uv_handle_t *handle)
{
        ((Manager *)handle->data)->n_closing--;
}

/* A handle may be in use by libuv for some rounds of the loop more: one that polls a file waits for its stat(). */
static void close_handle(Manager *m, uv_handle_t *handle)
{
        if (!handle->data) /* not initialised */
                return;
        m->n_closing++;
        uv_close(handle, on_closed);
}

void manager_free(Manager *m)
{
        xenops_free(m->xenops);
        storage_free(m->storage);
        networks_free(m->networks);
        host_memory_free(m->host_memory);
        if (m->http)
                http_server_free(m->http);
        if (m->watches)
                watches_free(m->watches);
        close_handle(m, (uv_handle_t *)&m->tick);
        close_handle(m, (uv_handle_t *)&m->reload);
        close_handle(m, (uv_handle_t *)&m->certificate_poll);
        while (m->n_closing)
                uv_run(loop_uv(m->daemon->loop), UV_RUN_ONCE);
        sessions_free(m->sessions);
        auth_free(m->auth);
        if (m->store)
                store_close(m->store);
        uv_run(loop_uv(m->daemon->loop), UV_RUN_NOWAIT); /* what the last commits have posted */
        running_tasks_free(m->running);
        g_hash_table_unref(m->consoles);
        shares_free(m->console_shares);
        str_unref(m->host);
        str_unref(m->pool);
        str_unref(m->dom0);
        g_free(m->certificate);
        g_free(m);
}
