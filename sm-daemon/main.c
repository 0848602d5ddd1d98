/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "manager.h"
#include "message-switch/lib/daemon.h"
#include "service.h"
#include "settle.h"

/* Beside the executable, installed and in the build folder alike. */
static char *default_plugins(void)
{
        g_autofree char *executable = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *folder = executable != NULL ? g_path_get_dirname(executable) : g_strdup(".");

        return g_build_filename(folder, "storage", NULL);
}

int main(int argc, char **argv)
{
        g_autofree char *plugins = NULL, *folder = NULL, *runner = NULL;
        const GOptionEntry entries[] = {
                { "plugins", 0, 0, G_OPTION_ARG_FILENAME, &plugins, "Folder with volume/ and datapath/",
                  "DIR" },
                G_OPTION_ENTRY_NULL,
        };
        Services *services;
        Manager *manager;
        Settle settle;
        Daemon *daemon;

        daemon = daemon_new("sm-daemon", "Storage repositories through plugins, on the bus.", entries, &argc,
                            &argv);
        if (plugins == NULL)
                plugins = daemon_setting(daemon, "plugins", NULL);
        if (plugins == NULL)
                plugins = default_plugins();
        folder = g_build_filename(daemon->runtime_dir, "sm-daemon", NULL);
        manager = manager_new(plugins, folder);
        if (manager == NULL)
                return EXIT_FAILURE;
        runner = daemon_setting(daemon, "disk-servers", "auto");
        if (!disks_choose_runner(manager->disks, runner)) {
                log_error("disk-servers is none of auto, systemd, process", "SM_VALUE", runner, NULL);
                return EXIT_FAILURE;
        }
        settle_start(&settle, manager);
        services = services_new(manager, daemon->loop, daemon->bus, daemon->workers);
        daemon_run(daemon);
        services_stop_waiting(services);
        daemon_close(daemon);
        settle_stop(&settle);
        services_free(services);
        manager_free(manager);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
