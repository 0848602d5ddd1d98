/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xenops-cli's commands for tasks, events, and what goes wrong on purpose. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static bool run_tasks(const Cli *cli, XenopsError **error)
{
        XenopsTaskList list = { 0 };
        if (!xenops_task_list(cli->bus, 0, CLI_DEBUG_INFO, &list, error))
                return false;
        for (size_t i = 0; i < list.n; i++) {
                const XenopsTask *task = &list.items[i];
                static const char *const states[] = { "pending", "completed", "failed" };
                printf("%-20s %-9s %s\n", task->id, states[task->state.tag], task->dbg);
        }
        xenops_task_list_clear(&list);
        return true;
}

static bool run_task_cancel(const Cli *cli, XenopsError **error)
{
        return xenops_task_cancel(cli->bus, 0, CLI_DEBUG_INFO, cli->words[0], error);
}

/* Prints what changed, for ever. */
static bool run_events(const Cli *cli, XenopsError **error)
{
        static const int64_t seconds = 30;
        int64_t last;
        if (!xenops_updates_last_id(cli->bus, 0, CLI_DEBUG_INFO, &last, error))
                return false;
        for (;;) {
                XenopsUpdates updates = { 0 };
                if (!xenops_updates_get(cli->bus, 0, CLI_DEBUG_INFO, &last, &seconds, &updates, error))
                        return false;
                for (size_t i = 0; i < updates.events.n; i++)
                        cli_print(&xenops_type_event_id, &updates.events.items[i]);
                fflush(stdout);
                last = updates.next;
                xenops_updates_clear(&updates);
        }
}

static bool run_diagnostics(const Cli *cli, XenopsError **error)
{
        char *text;
        if (!xenops_get_diagnostics(cli->bus, 0, CLI_DEBUG_INFO, &text, error))
                return false;
        fputs(text, stdout);
        free(text);
        return true;
}

static void add_text(BusStrings *arguments, const char *key, const char *value)
{
        if (!value)
                return;
        g_autofree char *text = g_strdup_printf("%s=%s", key, value);
        bus_strings_add(arguments, text);
}

static void add_seconds(BusStrings *arguments, const char *key, double seconds)
{
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        if (seconds >= 0)
                add_text(arguments, key, g_ascii_dtostr(text, sizeof text, seconds));
}

/* Takes the arguments. */
static bool trigger(const Cli *cli, const char *command, BusStrings *arguments, XenopsError **error)
{
        bool good = xenops_debug_trigger(cli->bus, 0, CLI_DEBUG_INFO, command, arguments, error);
        bus_strings_clear(arguments);
        return good;
}

static bool run_inject(const Cli *cli, XenopsError **error)
{
        BusStrings arguments = { 0 };
        g_autofree char *count = cli->count > 0 ? g_strdup_printf("%d", cli->count) : NULL;
        add_text(&arguments, "vm", cli->vm);
        add_text(&arguments, "step", cli->step);
        add_text(&arguments, "fail", cli->fail);
        add_text(&arguments, "count", count);
        add_seconds(&arguments, "latency", cli->latency);
        return trigger(cli, "inject", &arguments, error);
}

static bool run_behave(const Cli *cli, XenopsError **error)
{
        BusStrings arguments = { 0 };
        add_text(&arguments, "vm", cli->vm);
        add_text(&arguments, "acknowledges", cli->acknowledges);
        add_text(&arguments, "answers", cli->answers);
        add_text(&arguments, "tools", cli->tools);
        add_text(&arguments, "balloons", cli->balloons);
        add_seconds(&arguments, "delay", cli->delay);
        return trigger(cli, "behave", &arguments, error);
}

static bool run_forget(const Cli *cli, XenopsError **error)
{
        BusStrings arguments = { 0 };
        add_text(&arguments, "vm", cli->vm);
        return trigger(cli, "forget", &arguments, error);
}

static bool run_guest(const Cli *cli, XenopsError **error)
{
        BusStrings arguments = { 0 };
        add_text(&arguments, "vm", cli->words[0]);
        add_text(&arguments, "do", cli->words[1]);
        add_text(&arguments, "device", cli->words[2]);
        add_seconds(&arguments, "after", cli->after);
        return trigger(cli, "guest", &arguments, error);
}

const CliCommand cli_debug_commands[] = {
        { "tasks", "", "Every task: id, state, what for.", 0, 0, run_tasks },
        { "task-cancel", "TASK", "", 1, 1, run_task_cancel },
        { "events", "", "Prints what changes, for ever.", 0, 0, run_events },
        { "diagnostics", "", "", 0, 0, run_diagnostics },
        { "inject", "[--vm VM] [--step STEP] [--latency SECONDS] [--fail TEXT] [--count N]",
          "Has steps of the simulator take longer, or fail.", 0, 0, run_inject },
        { "behave", "[--vm VM] [--acknowledges B] [--answers B] [--tools B] [--balloons B] [--delay SECONDS]",
          "How simulated guests take a request.", 0, 0, run_behave },
        { "forget", "[--vm VM]", "Ends what inject and behave began.", 0, 0, run_forget },
        { "guest", "VM poweroff|reboot|crash|suspend [--after SECONDS] | eject DEVICE",
          "What a simulated guest does by itself.", 2, 3, run_guest },
        { 0 },
};
