/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xenops-cli's commands for VMs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool run_list(const Cli *cli, XenopsError **error)
{
        XenopsVmStatList list = { 0 };
        if (!xenops_vm_list(cli->bus, 0, CLI_DEBUG_INFO, &list, error))
                return false;
        for (size_t i = 0; i < list.n; i++) {
                const XenopsVmStat *stat = &list.items[i];
                char domid[24] = "-";
                if (stat->state.domids.n > 0)
                        snprintf(domid, sizeof domid, "%" PRId64, stat->state.domids.items[0]);
                printf("%-36s %-9s %5s %s\n", stat->vm.id, xenops_power_state_name(stat->state.power_state),
                       domid, stat->vm.name);
        }
        xenops_vm_stat_list_clear(&list);
        return true;
}

static bool run_stat(const Cli *cli, XenopsError **error)
{
        XenopsVmStat stat;
        if (!xenops_vm_stat(cli->bus, 0, CLI_DEBUG_INFO, cli->words[0], &stat, error))
                return false;
        cli_print(&xenops_type_vm_stat, &stat);
        xenops_vm_stat_clear(&stat);
        return true;
}

/* A VM without disks, for trying things out. */
static bool run_create(const Cli *cli, XenopsError **error)
{
        g_autofree char *id = g_uuid_string_random();
        int64_t memory = (int64_t)cli->memory_mib << 20;
        XenopsAction stop[] = { XENOPS_ACTION_SHUTDOWN }, start[] = { XENOPS_ACTION_START };
        XenopsVm vm = {
                .id = id,
                .name = cli->words[0],
                .ty.tag = cli->hvm ? XENOPS_BUILDER_INFO_HVM : XENOPS_BUILDER_INFO_PVH,
                .memory_static_max = memory,
                .memory_dynamic_max = memory,
                .memory_dynamic_min = memory,
                .vcpus = cli->vcpus,
                .vcpu_max = cli->vcpus,
                .on_shutdown = { 1, stop },
                .on_crash = { 1, stop },
                .on_reboot = { 1, start },
        };
        char *result;
        if (!xenops_vm_add(cli->bus, 0, CLI_DEBUG_INFO, &vm, &result, error))
                return false;
        puts(result);
        free(result);
        return true;
}

static bool run_add(const Cli *cli, XenopsError **error)
{
        g_autofree char *metadata = NULL;
        g_autoptr(GError) failed = NULL;
        char *id;
        if (!g_file_get_contents(cli->words[0], &metadata, NULL, &failed))
                return xenops_fail_internal(error, "%s", failed->message);
        if (!xenops_vm_import_metadata(cli->bus, 0, CLI_DEBUG_INFO, metadata, &id, error))
                return false;
        puts(id);
        free(id);
        return true;
}

static bool run_export(const Cli *cli, XenopsError **error)
{
        char *metadata;
        if (!xenops_vm_export_metadata(cli->bus, 0, CLI_DEBUG_INFO, cli->words[0], &metadata, error))
                return false;
        puts(metadata);
        free(metadata);
        return true;
}

static bool run_remove(const Cli *cli, XenopsError **error)
{
        for (int i = 0; i < cli->n_words; i++)
                if (!xenops_vm_remove(cli->bus, 0, CLI_DEBUG_INFO, cli->words[i], error))
                        return false;
        return true;
}

/* Begins an operation of each VM before it waits for the first. */
static bool each_vm(const Cli *cli,
                    bool (*begin)(const Cli *cli, const char *vm, char **task, XenopsError **error),
                    XenopsError **error)
{
        g_autofree char **tasks = g_new0(char *, cli->n_words);
        bool good = true;
        for (int i = 0; i < cli->n_words && good; i++)
                good = begin(cli, cli->words[i], &tasks[i], error);
        for (int i = 0; i < cli->n_words; i++) {
                XenopsError *failed = NULL;
                if (!tasks[i] || cli_wait_task(cli, tasks[i], &failed))
                        continue;
                if (good)
                        *error = failed;
                else
                        xenops_error_free(failed);
                good = false;
        }
        return good;
}

static bool begin_start(const Cli *cli, const char *vm, char **task, XenopsError **error)
{
        return xenops_vm_start(cli->bus, 0, CLI_DEBUG_INFO, vm, cli->paused, task, error);
}

static bool begin_shutdown(const Cli *cli, const char *vm, char **task, XenopsError **error)
{
        return xenops_vm_shutdown(cli->bus, 0, CLI_DEBUG_INFO, vm, cli->timeout < 0 ? NULL : &cli->timeout,
                                  task, error);
}

static bool begin_reboot(const Cli *cli, const char *vm, char **task, XenopsError **error)
{
        return xenops_vm_reboot(cli->bus, 0, CLI_DEBUG_INFO, vm, cli->timeout < 0 ? NULL : &cli->timeout,
                                task, error);
}

static bool begin_pause(const Cli *cli, const char *vm, char **task, XenopsError **error)
{
        return xenops_vm_pause(cli->bus, 0, CLI_DEBUG_INFO, vm, task, error);
}

static bool begin_unpause(const Cli *cli, const char *vm, char **task, XenopsError **error)
{
        return xenops_vm_unpause(cli->bus, 0, CLI_DEBUG_INFO, vm, task, error);
}

static bool run_start(const Cli *cli, XenopsError **error)
{
        return each_vm(cli, begin_start, error);
}

static bool run_shutdown(const Cli *cli, XenopsError **error)
{
        return each_vm(cli, begin_shutdown, error);
}

static bool run_reboot(const Cli *cli, XenopsError **error)
{
        return each_vm(cli, begin_reboot, error);
}

static bool run_pause(const Cli *cli, XenopsError **error)
{
        return each_vm(cli, begin_pause, error);
}

static bool run_unpause(const Cli *cli, XenopsError **error)
{
        return each_vm(cli, begin_unpause, error);
}

static bool disk_of(const Cli *cli, XenopsDisk *ret, XenopsError **error)
{
        if (!cli->disk)
                return xenops_fail_internal(error, "needs --disk");
        *ret = cli->disk[0] == '/' ? (XenopsDisk){ XENOPS_DISK_LOCAL, { .local = cli->disk } }
                                   : (XenopsDisk){ XENOPS_DISK_VDI, { .vdi = cli->disk } };
        return true;
}

static bool run_suspend(const Cli *cli, XenopsError **error)
{
        XenopsDisk disk;
        char *task;
        return disk_of(cli, &disk, error) &&
               xenops_vm_suspend(cli->bus, 0, CLI_DEBUG_INFO, cli->words[0], &disk, &task, error) &&
               cli_wait_task(cli, task, error);
}

static bool run_resume(const Cli *cli, XenopsError **error)
{
        XenopsDisk disk;
        char *task;
        return disk_of(cli, &disk, error) &&
               xenops_vm_resume(cli->bus, 0, CLI_DEBUG_INFO, cli->words[0], &disk, &task, error) &&
               cli_wait_task(cli, task, error) && run_unpause(cli, error);
}

const CliCommand cli_vm_commands[] = {
        { "list", "", "Every VM: id, power state, domain, name.", 0, 0, run_list },
        { "vm-stat", "VM", "All that is known of a VM.", 1, 1, run_stat },
        { "create", "NAME [--memory MIB] [--vcpus N] [--hvm]", "A VM without disks.", 1, 1, run_create },
        { "add", "FILE", "Makes known what export wrote.", 1, 1, run_add },
        { "export", "VM", "A VM with its devices as text.", 1, 1, run_export },
        { "remove", "VM...", "Forgets VMs that do not run.", 1, -1, run_remove },
        { "start", "VM... [--paused]", "", 1, -1, run_start },
        { "shutdown", "VM... [--timeout SECONDS]", "Asks the guest; without a timeout: at once.", 1, -1,
          run_shutdown },
        { "reboot", "VM... [--timeout SECONDS]", "Asks the guest; without a timeout: at once.", 1, -1,
          run_reboot },
        { "pause", "VM...", "", 1, -1, run_pause },
        { "unpause", "VM...", "", 1, -1, run_unpause },
        { "suspend", "VM --disk DISK", "", 1, 1, run_suspend },
        { "resume", "VM --disk DISK", "", 1, 1, run_resume },
        { 0 },
};
