/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "message-switch/lib/daemon.h"
#include "netlink.h"
#include "simulator.h"

static Backend *backend_new(const ManagerSettings *settings, const char *folder, char **ret_error)
{
        if (strcmp(settings->backend, "simulator") == 0)
                return simulator_new(folder, settings->interfaces, ret_error);
        if (strcmp(settings->backend, "netlink") == 0 || strcmp(settings->backend, "auto") == 0)
                return netlink_new(folder, ret_error);
        *ret_error = g_strdup_printf("There is no back end %s", settings->backend);
        return NULL;
}

/* At the first start since the machine's, interfaces have lost what was put on them. What stands in the runtime folder
 * goes with a boot, so that a mark there tells; it is made last, so that a start that is cut short counts as none. */
static void see_boot(Manager *manager, const char *folder)
{
        g_autofree char *mark = g_build_filename(folder, "started", NULL);
        g_autoptr(GError) error = NULL;
        int r;

        if (access(mark, F_OK) == 0)
                return;
        record_after_boot(manager->record);
        r = record_write(manager->record);
        if (r < 0)
                log_warning("The record of the network cannot be written", "ERROR", g_strerror(-r), NULL);
        else if (!g_file_set_contents(mark, "", 0, &error))
                log_warning("The next start will be taken for one after a boot", "ERROR", error->message,
                            NULL);
}

Manager *manager_new(const ManagerSettings *settings, char **ret_error)
{
        g_autofree char *folder = g_build_filename(settings->runtime_dir, "networkd", NULL),
                        *path = g_build_filename(settings->state_dir, "network.json", NULL);
        Manager *manager = g_new0(Manager, 1);

        pthread_mutex_init(&manager->lock, NULL);
        manager->faults = g_strdup(settings->faults);
        if (g_mkdir_with_parents(folder, 0700) < 0)
                *ret_error = g_strdup_printf("%s: %s", folder, g_strerror(errno));
        else
                manager->backend = backend_new(settings, folder, ret_error);
        if (manager->backend != NULL)
                manager->record = record_open(path, ret_error);
        if (manager->record == NULL) {
                manager_free(manager);
                return NULL;
        }
        see_boot(manager, folder);
        manager_apply(manager);
        return manager;
}

void manager_free(Manager *manager)
{
        if (manager == NULL)
                return;
        record_close(manager->record);
        if (manager->backend != NULL)
                manager->backend->class->free(manager->backend);
        pthread_mutex_destroy(&manager->lock);
        g_free(manager->faults);
        g_free(manager);
}
