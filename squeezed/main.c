/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "manager.h"
#include "message-switch/lib/daemon.h"
#include "message-switch/lib/xen.h"
#include "service.h"

#define RESERVED_MIB_DEFAULT 16
#define RESERVED_MIB_MAX     (1024 * 1024)
#define PATIENCE_MS_DEFAULT  10000
#define INTERVAL_MS_DEFAULT  10000
#define MILLISECONDS_MAX     (3600 * 1000)

/* Looks now and then: domains go, and change their ranges, without telling. */
typedef struct Ticker {
        uv_timer_t timer;
        Daemon *daemon;
        Manager *manager;
        bool looks;
} Ticker;

static void on_looked(void *data)
{
        ((Ticker *)data)->looks = false;
}

static void look(void *data)
{
        Ticker *ticker = data;
        manager_look(ticker->manager);
        loop_post(ticker->daemon->loop, on_looked, ticker);
}

static void on_tick(uv_timer_t *timer)
{
        Ticker *ticker = timer->data;
        if (!ticker->looks)
                ticker->looks = workers_run(ticker->daemon->workers, false, look, ticker);
}

static Backend *make_xen(char **ret_error)
{
#ifdef SQUEEZED_XEN
        return xen_new(ret_error);
#else
        *ret_error = g_strdup("this squeezed was built without libxenctrl");
        return NULL;
#endif
}

static Backend *make_backend(Daemon *daemon, char **ret_error)
{
        g_autofree char *name = daemon_setting(daemon, "backend", "auto");
        g_autofree char *fallback = g_build_filename(daemon->runtime_dir, "xenopsd", "simulator", NULL);
        g_autofree char *folder = daemon_setting(daemon, "simulator-folder", fallback);

        bool automatic = g_str_equal(name, "auto");

        if (g_str_equal(name, "xen") || (automatic && xen_is_control_domain()))
                return make_xen(ret_error);
        if (automatic)
                log_warning("This is no control domain of Xen: its memory is simulated", NULL);
        if (automatic || g_str_equal(name, "simulator"))
                return simulator_new(folder, ret_error);
        *ret_error = g_strdup_printf("there is no back end \"%s\"", name);
        return NULL;
}

static Manager *make_manager(Daemon *daemon, char **ret_error)
{
        g_autofree char *folder = g_build_filename(daemon->runtime_dir, "squeezed", NULL);
        ManagerSettings settings = {
                .path = folder,
                .reserved_kib =
                    daemon_setting_int(daemon, "reserved-mib", RESERVED_MIB_DEFAULT, 0, RESERVED_MIB_MAX) *
                    1024,
                .patience_usec = (uint64_t)daemon_setting_int(daemon, "balloon-timeout-ms",
                                                              PATIENCE_MS_DEFAULT, 1, MILLISECONDS_MAX) *
                                 1000,
        };
        Backend *backend = make_backend(daemon, ret_error);

        return backend ? manager_new(&settings, backend, ret_error) : NULL;
}

int main(int argc, char **argv)
{
        Daemon *daemon =
            daemon_new("squeezed", "Shares the host's memory between domains.", NULL, &argc, &argv);
        g_autofree char *error = NULL;
        Ticker ticker = { .daemon = daemon, .manager = make_manager(daemon, &error) };

        if (!ticker.manager) {
                log_error("Cannot start", "ERROR", error, NULL);
                return EXIT_FAILURE;
        }
        uint64_t interval_ms =
            (uint64_t)daemon_setting_int(daemon, "interval-ms", INTERVAL_MS_DEFAULT, 10, MILLISECONDS_MAX);
        uv_timer_init(loop_uv(daemon->loop), &ticker.timer);
        ticker.timer.data = &ticker;
        uv_timer_start(&ticker.timer, on_tick, 0, interval_ms);
        BusService *service = squeezed_serve(daemon, ticker.manager);
        daemon_run(daemon);
        manager_stop(ticker.manager);
        uv_close((uv_handle_t *)&ticker.timer, NULL);
        daemon_close(daemon);
        bus_service_free(service);
        manager_free(ticker.manager);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
