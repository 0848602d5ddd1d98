/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "daemon.h"
#include "manager.h"

/* The default policy file need not be there; one that was named must be. */
static char *policy_path(Daemon *daemon, const char *given)
{
        g_autofree char *usual = g_build_filename(XAPI_SYSCONFDIR, "message-switch-policy.conf", NULL);
        char *path = given ? g_strdup(given) : daemon_setting(daemon, "policy", NULL);
        if (!path && access(usual, F_OK) == 0)
                path = g_steal_pointer(&usual);
        return path;
}

int main(int argc, char **argv)
{
        g_autofree char *policy_option = NULL;
        const GOptionEntry entries[] = {
                { "policy", 0, 0, G_OPTION_ARG_FILENAME, &policy_option, "Who may serve and call which queue",
                  "FILE" },
                G_OPTION_ENTRY_NULL,
        };
        Daemon *daemon =
            daemon_new_without_bus("message-switch",
                                   "Passes calls between the daemons of a host. --switch-path is the socket "
                                   "that it listens on.",
                                   entries, &argc, &argv);
        g_autofree char *policy = policy_path(daemon, policy_option);
        g_autofree char *names = g_build_filename(daemon->runtime_dir, "message-switch.queues", NULL);
        g_autofree char *error = NULL;
        ManagerOptions options = {
                .socket_path = daemon->switch_path,
                .policy_path = policy,
                .names_path = names,
                .grace_msec =
                    (uint64_t)daemon_setting_int(daemon, "grace-msec", MANAGER_GRACE_MSEC, 0, 600000),
        };
        Manager *manager = manager_new(daemon->loop, &options, &error);
        if (!manager) {
                log_error("Cannot serve", "ERROR", error, NULL);
                daemon_free(daemon);
                return EXIT_FAILURE;
        }
        daemon_run(daemon);
        manager_free(manager);
        daemon_free(daemon);
        return EXIT_SUCCESS;
}
