/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "manager.h"
#include "message-switch/lib/daemon.h"
#include "service.h"
#include "simulator.h"
#include "watch.h"

int main(int argc, char **argv)
{
        Daemon *daemon =
            daemon_new("networkd", "Bridges, VLANs and addresses of this host.", NULL, &argc, &argv);
        g_autofree char *backend = daemon_setting(daemon, "backend", "auto"),
                        *interfaces = daemon_setting(daemon, "simulator-interfaces", SIMULATOR_INTERFACES),
                        *faults = daemon_setting(daemon, "faults", NULL), *error = NULL;
        ManagerSettings settings = {
                .backend = backend,
                .state_dir = daemon->state_dir,
                .runtime_dir = daemon->runtime_dir,
                .faults = faults,
                .interfaces = interfaces,
        };
        Manager *manager = manager_new(&settings, &error);
        BusService *service;
        Watch *watch;

        if (manager == NULL) {
                log_error("Cannot start", "ERROR", error, NULL);
                return EXIT_FAILURE;
        }
        service = networkd_serve(manager, daemon->bus, daemon->workers);
        watch = watch_new(manager, daemon->loop, daemon->workers);
        daemon_run(daemon);
        watch_stop(watch);
        daemon_close(daemon);
        bus_service_free(service);
        watch_free(watch);
        manager_free(manager);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
