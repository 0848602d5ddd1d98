/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-fixture.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "simulator.h"

static void *run_loop(void *data)
{
        loop_run(data);
        return NULL;
}

static void loop_begin(Fixture *fixture)
{
        fixture->loop = loop_new();
        pthread_create(&fixture->thread, NULL, run_loop, fixture->loop);
        fixture->workers = workers_new(64, 8);
}

static void loop_end(Fixture *fixture)
{
        workers_free(fixture->workers);
        loop_stop(fixture->loop);
        pthread_join(fixture->thread, NULL);
        manager_free(fixture->manager);
        loop_free(fixture->loop);
        fixture->manager = NULL;
}

void fixture_init(Fixture *fixture)
{
        *fixture = (Fixture){ .memory_mib = 1024, .guest_delay_ms = 1, .acknowledge_timeout_ms = 60000 };
        fixture->path = g_dir_make_tmp("xenopsd-XXXXXX", NULL);
        g_assert_nonnull(fixture->path);
        loop_begin(fixture);
}

void fixture_start(Fixture *fixture)
{
        char *error = NULL;
        ManagerSettings settings = {
                .path = fixture->path,
                .acknowledge_timeout_ms = fixture->acknowledge_timeout_ms,
                .grace_ms = 1000,
                .restless_window_ms = fixture->restless_window_ms,
                .rest_ms = fixture->rest_ms,
                .simulator = { .memory_mib = fixture->memory_mib, .guest_delay_ms = fixture->guest_delay_ms },
        };
        fixture->manager = manager_new(&settings, fixture->loop, fixture->workers, NULL, &error);
        g_assert_cmpstr(error, ==, NULL);
        manager_start(fixture->manager);
}

void fixture_init_vm(Fixture *fixture)
{
        fixture_init(fixture);
        fixture_start(fixture);
        fixture_add_vm(fixture, "vm", 2, 2);
}

void fixture_restart(Fixture *fixture)
{
        loop_end(fixture);
        loop_begin(fixture);
        fixture_start(fixture);
}

static void remove_tree(const char *path)
{
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *child = g_build_filename(path, name, NULL);
                if (g_file_test(child, G_FILE_TEST_IS_DIR))
                        remove_tree(child);
                else
                        g_unlink(child);
        }
        g_rmdir(path);
}

void fixture_clear(Fixture *fixture)
{
        loop_end(fixture);
        remove_tree(fixture->path);
        g_free(fixture->path);
}

void fixture_add_vm(Fixture *fixture, const char *id, int n_vifs, int n_vbds)
{
        XenopsMetadata metadata = { 0 };
        XenopsError *error = NULL;
        XenopsAction stop = XENOPS_ACTION_SHUTDOWN, start = XENOPS_ACTION_START;
        metadata.vm = (XenopsVm){ .id = (char *)id,
                                  .ty.tag = XENOPS_BUILDER_INFO_PVH,
                                  .memory_static_max = 64 << 20,
                                  .memory_dynamic_max = 64 << 20,
                                  .memory_dynamic_min = 64 << 20,
                                  .vcpus = 1,
                                  .vcpu_max = 2,
                                  .on_shutdown = { 1, &stop },
                                  .on_crash = { 1, &stop },
                                  .on_reboot = { 1, &start } };
        char devices[16][8];
        for (int i = 0; i < n_vifs; i++) {
                g_snprintf(devices[i], sizeof devices[i], "%d", i);
                BUS_LIST_ADD(&metadata.vifs)->id = (XenopsDeviceId){ (char *)id, devices[i] };
        }
        XenopsDisk disk = { XENOPS_DISK_LOCAL, { .local = (char *)"/dev/null" } };
        for (int i = 0; i < n_vbds; i++) {
                g_snprintf(devices[i], sizeof devices[i], "%d", i);
                XenopsVbd *vbd = BUS_LIST_ADD(&metadata.vbds);
                vbd->id = (XenopsDeviceId){ (char *)id, devices[i] };
                vbd->ty = XENOPS_VBD_TYPE_DISK;
                vbd->backend = &disk;
        }
        g_assert_true(vm_store_import(fixture->manager->vms, &metadata, &error));
        free(metadata.vifs.items);
        free(metadata.vbds.items);
}

char *fixture_begin(Fixture *fixture, const OperationKind *kind, const char *method, const char *vm,
                    const char *arguments, bool urgent)
{
        const BusMethod *m = bus_interface_method(&xenops_interface, method);
        BusReason reason;
        XenopsError *error = NULL;
        char *task;
        json_t *named = json_loads(arguments, 0, NULL), *params = json_array();
        g_assert_nonnull(named);
        json_object_set_new(named, "debug_info", json_string("test"));
        if (!json_object_get(named, "id"))
                json_object_set_new(named, "id", json_string(vm));
        json_array_append_new(params, named);
        g_autofree void *decoded = g_malloc0(m->args_size);
        if (!bus_decode_params(m, params, decoded, &reason))
                g_error("%s", reason.text);
        json_decref(params);
        g_assert_true(
            operation_submit(fixture->manager, kind, method, "test", vm, decoded, urgent, &task, &error));
        return task;
}

XenopsError *fixture_end(Fixture *fixture, char *id)
{
        Task *task = tasks_find(fixture->manager->tasks, id);
        g_assert_nonnull(task);
        task_wait(task);
        TaskStat stat = task_stat(task);
        XenopsError *error = g_steal_pointer(&stat.error);
        task_stat_clear(&stat);
        task_unref(task);
        free(id);
        return error;
}

XenopsError *fixture_do(Fixture *fixture, const OperationKind *kind, const char *method, const char *vm,
                        const char *arguments)
{
        return fixture_end(fixture, fixture_begin(fixture, kind, method, vm, arguments, false));
}

XenopsError *fixture_start_vm(Fixture *fixture, const char *vm)
{
        return fixture_do(fixture, &operation_start, "VM.start", vm, "{\"paused\": false}");
}

void fixture_trigger(Fixture *fixture, const char *command, ...)
{
        BusStrings arguments = { 0 };
        XenopsError *error = NULL;
        Backend *backend = fixture->manager->backend;
        va_list list;
        va_start(list, command);
        for (const char *argument; (argument = va_arg(list, const char *));)
                bus_strings_add(&arguments, argument);
        va_end(list);
        g_assert_true(backend->operations->trigger(backend, command, &arguments, &error));
        bus_strings_clear(&arguments);
}

XenopsPowerState fixture_power_state(Fixture *fixture, const char *vm)
{
        XenopsError *error = NULL;
        XenopsVmState state;
        auto_vm_config *config = vm_store_get(fixture->manager->vms, vm, &error);
        g_assert_nonnull(config);
        manager_vm_state(fixture->manager, config, &state);
        XenopsPowerState power_state = state.power_state;
        xenops_vm_state_clear(&state);
        return power_state;
}

void fixture_await_power_state(Fixture *fixture, const char *vm, XenopsPowerState state)
{
        while (fixture_power_state(fixture, vm) != state || queues_length(fixture->manager->queues) > 0)
                g_usleep(1000);
}

void fixture_expect(XenopsError *error, XenopsErrorTag tag)
{
        g_assert_nonnull(error);
        g_assert_cmpint(error->tag, ==, tag);
        xenops_error_free(error);
}

void fixture_assert_nothing_left(Fixture *fixture)
{
        Simulator *simulator = (Simulator *)fixture->manager->backend;
        g_auto(GStrv) domains = sim_table_list(simulator->table);
        g_auto(GStrv) unfinished = journal_list(fixture->manager->journal);
        g_assert_cmpuint(g_strv_length(domains), ==, 0);
        g_assert_cmpuint(g_strv_length(unfinished), ==, 0);
        g_assert_cmpint(sim_memory_free_kib(simulator->memory), ==, fixture->memory_mib * 1024);
}
