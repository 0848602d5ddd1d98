/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "handlers.h"
#include "manager.h"

static char *listen_address, *socket_path, *certificate, *password_file;
static int port = 443, seed_vms;
static gboolean coverage;

static const GOptionEntry OPTIONS[] = {
        { "listen", 0, 0, G_OPTION_ARG_STRING, &listen_address, "Serve HTTPS on this address (all)",
          "ADDRESS" },
        { "port", 0, 0, G_OPTION_ARG_INT, &port, "Serve HTTPS on this port; 0: any free one (443)", "N" },
        { "socket", 0, 0, G_OPTION_ARG_FILENAME, &socket_path, "Unix socket (xapi in the state folder)",
          "PATH" },
        { "certificate", 0, 0, G_OPTION_ARG_FILENAME, &certificate,
          "Certificate and key; made when absent (xapi-ssl.pem in the state folder)", "PATH" },
        { "password-file", 0, 0, G_OPTION_ARG_FILENAME, &password_file, "Users, for trying out (PAM)",
          "PATH" },
        { "seed-vms", 0, 0, G_OPTION_ARG_INT, &seed_vms, "Put that many halted VMs into a new store", "N" },
        { "coverage", 0, 0, G_OPTION_ARG_NONE, &coverage, "Say which messages are written, and exit", NULL },
        { NULL },
};

static void print_coverage(void)
{
        auto_buffer text = { 0 };

        handlers_coverage(&text);
        fwrite(text.data, 1, text.len, stdout);
        exit(0);
}

int main(int argc, char **argv)
{
        Daemon *daemon;
        Manager *manager;
        XapiError *error = NULL;

        model_init();
        daemon = daemon_new("xapi-core", "XenAPI front end", OPTIONS, &argc, &argv);
        if (coverage)
                print_coverage();
        manager = manager_new(daemon,
                              &(ManagerOptions){ .listen = listen_address,
                                                 .port = port,
                                                 .socket = socket_path,
                                                 .certificate = certificate,
                                                 .password_file = password_file,
                                                 .seed_vms = seed_vms },
                              &error);
        if (!manager) {
                g_autofree char *text = xapi_error_text(error);

                log_error("Cannot start", "XAPI_ERROR", text, NULL);
                xapi_error_free(error);
                daemon_free(daemon);
                return EXIT_FAILURE;
        }
        daemon_run(daemon);
        manager_stop(manager);
        daemon_close(daemon);
        manager_free(manager);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
