/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xenopsd: the domains of the host. */
#include <stdlib.h>
#include <unistd.h>

#include <glib.h>

#include "figures.h"
#include "message-switch/lib/daemon.h"
#include "service.h"

#define MEMORY_MIB_DEFAULT     (1024 * 1024)
#define MEMORY_MIB_MAX         (1024 * 1024 * 1024)
#define GUEST_DELAY_MS_DEFAULT 50
#define ACKNOWLEDGE_MS_DEFAULT 60000
#define GRACE_MS_DEFAULT       1000
#define PLUG_MS_DEFAULT        60000
#define FIGURES_MS_DEFAULT     5000
#define RESTLESS_MS_DEFAULT    120000
#define REST_MS_DEFAULT        15000
#define MILLISECONDS_MAX       (24 * 3600 * 1000)
#define KERNEL_FOLDERS_DEFAULT "/var/lib/xapi/kernels:/boot/guest"

static void on_stop(void *data)
{
        daemon_stop(data);
}

int main(int argc, char **argv)
{
        Daemon *daemon =
            daemon_new("xenopsd", "Domains of the host for the XAPI toolstack", NULL, &argc, &argv);
        g_autofree char *backend = daemon_setting(daemon, "backend", "auto");
        g_autofree char *cores = g_build_filename(daemon->state_dir, "cores", NULL);
        g_autofree char *kernel_folders = daemon_setting(daemon, "kernel-folders", KERNEL_FOLDERS_DEFAULT);
        g_autofree char *folder = g_build_filename(daemon->runtime_dir, "xenopsd", NULL);
        g_autofree char *path = daemon_setting(daemon, "simulator-folder", "");
        g_autofree char *error = NULL;
        ManagerSettings settings = {
                .path = folder,
                .backend = backend,
                .xenlight = { .cores = cores,
                              .kernel_folders = kernel_folders,
                              .plug_timeout_ms = daemon_setting_int(daemon, "plug-timeout-ms",
                                                                    PLUG_MS_DEFAULT, 1, MILLISECONDS_MAX) },
                .acknowledge_timeout_ms = daemon_setting_int(daemon, "shutdown-acknowledge-timeout-ms",
                                                             ACKNOWLEDGE_MS_DEFAULT, 1, MILLISECONDS_MAX),
                .grace_ms = daemon_setting_int(daemon, "grace-ms", GRACE_MS_DEFAULT, 1, MILLISECONDS_MAX),
                .restless_window_ms =
                    daemon_setting_int(daemon, "restless-window-ms", RESTLESS_MS_DEFAULT, 0, MILLISECONDS_MAX),
                .rest_ms = daemon_setting_int(daemon, "rest-ms", REST_MS_DEFAULT, 0, MILLISECONDS_MAX),
                .simulator = {
                        .path = *path ? path : NULL,
                        .memory_mib = daemon_setting_int(daemon, "simulator-memory-mib", MEMORY_MIB_DEFAULT, 1,
                                                         MEMORY_MIB_MAX),
                        .guest_delay_ms = daemon_setting_int(daemon, "simulator-guest-delay-ms",
                                                             GUEST_DELAY_MS_DEFAULT, 0, MILLISECONDS_MAX),
                },
        };
        Manager *manager = manager_new(&settings, daemon->loop, daemon->workers, daemon->bus, &error);
        if (!manager) {
                log_error("Cannot start", "ERROR", error, NULL);
                return EXIT_FAILURE;
        }
        manager->stop = on_stop;
        manager->stop_data = daemon;
        manager_start(manager);
        Figures *figures =
            figures_new(manager, (uint64_t)daemon_setting_int(daemon, "figures-interval-ms",
                                                              FIGURES_MS_DEFAULT, 10, MILLISECONDS_MAX));
        BusService *service = xenopsd_serve(manager);
        daemon_run(daemon);
        if (!manager_settle(manager))
                _exit(EXIT_SUCCESS);
        daemon_close(daemon);
        bus_service_free(service);
        figures_free(figures);
        manager_free(manager);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
