/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "message-switch/lib/daemon.h"
#include "service.h"

int main(int argc, char **argv)
{
        BusService *service;
        Daemon *daemon;

        daemon =
            daemon_new("networkd", "Bridges, bonds, VLANs and addresses of this host.", NULL, &argc, &argv);
        service = networkd_serve(daemon);
        daemon_run(daemon);
        daemon_close(daemon);
        bus_service_free(service);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
