/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole operations on the simulator: what they do, what failures leave behind, what a restart makes of them. */
#include <errno.h>
#include <stdlib.h>

#include <glib.h>

#include "simulator.h"
#include "test-fixture.h"

#define SUSPEND "{\"suspend_vdi\": [\"Local\", \"%s\"]}"

static Fixture fixture;

static XenopsError *shut_down(const char *arguments)
{
        return fixture_do(&fixture, &operation_shutdown, "VM.shutdown", "vm", arguments);
}

static void test_start_shutdown(void)
{
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_RUNNING);
        g_assert_null(fixture_start_vm(&fixture, "vm")); /* it runs */
        g_assert_null(shut_down("{\"delay\": 60}"));
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_HALTED);
        fixture_assert_nothing_left(&fixture);
        g_assert_null(shut_down("{}")); /* it is down */
        fixture_expect(shut_down("{\"delay\": 60}"), XENOPS_ERROR_BAD_POWER_STATE);
        fixture_clear(&fixture);
}

static void test_every_step_is_undone(void)
{
        static const char *const steps[] = { "create",   "memory", "vbd-plug",     "vbd-plug", "vif-plug",
                                             "vif-plug", "build",  "device-model", "unpause" };
        fixture_init_vm(&fixture);
        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                g_autofree char *step = g_strdup_printf("step=%s", steps[i]);
                fixture_trigger(&fixture, "inject", step, "fail=on purpose", "count=1", NULL);
                fixture_expect(fixture_start_vm(&fixture, "vm"), XENOPS_ERROR_INTERNAL_ERROR);
                fixture_assert_nothing_left(&fixture);
                g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_HALTED);
        }
        g_assert_null(fixture_start_vm(&fixture, "vm")); /* all used up */
        fixture_clear(&fixture);
}

static void test_memory(void)
{
        fixture_init_vm(&fixture);
        for (int i = 0; i <= 16; i++) {
                g_autofree char *id = g_strdup_printf("m%d", i);
                fixture_add_vm(&fixture, id, 0, 0);
                XenopsError *error = fixture_start_vm(&fixture, id);
                if (i < 16)
                        g_assert_null(error);
                else
                        fixture_expect(error, XENOPS_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY);
        }
        fixture_clear(&fixture);
}

static void test_cancel(void)
{
        fixture_init_vm(&fixture);
        fixture_trigger(&fixture, "inject", "step=build", "latency=3600", NULL);
        char *id = fixture_begin(&fixture, &operation_start, "VM.start", "vm", "{\"paused\": false}", false);
        Task *task = tasks_find(fixture.manager->tasks, id);
        cancel_ask(task_cancel(task));
        task_unref(task);
        fixture_expect(fixture_end(&fixture, id), XENOPS_ERROR_CANCELLED);
        fixture_assert_nothing_left(&fixture);
        fixture_clear(&fixture);
}

static void test_hard_overtakes_clean(void)
{
        fixture_init_vm(&fixture);
        fixture_trigger(&fixture, "behave", "acknowledges=false", NULL);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        char *clean =
            fixture_begin(&fixture, &operation_shutdown, "VM.shutdown", "vm", "{\"delay\": 3600}", false);
        g_assert_null(fixture_end(
            &fixture, fixture_begin(&fixture, &operation_shutdown, "VM.shutdown", "vm", "{}", true)));
        /* It waited, or had not begun. */
        XenopsError *error = fixture_end(&fixture, clean);
        g_assert_true(error->tag == XENOPS_ERROR_CANCELLED || error->tag == XENOPS_ERROR_BAD_POWER_STATE);
        xenops_error_free(error);
        fixture_assert_nothing_left(&fixture);
        fixture_clear(&fixture);
}

static void test_no_answer(void)
{
        fixture_init(&fixture);
        fixture.acknowledge_timeout_ms = 5;
        fixture_start(&fixture);
        fixture_add_vm(&fixture, "vm", 0, 0);
        fixture_trigger(&fixture, "behave", "acknowledges=false", NULL);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        fixture_expect(shut_down("{\"delay\": 3600}"), XENOPS_ERROR_FAILED_TO_ACKNOWLEDGE_SHUTDOWN_REQUEST);
        fixture_trigger(&fixture, "behave", "acknowledges=true", "answers=false", "delay=0", NULL);
        fixture_expect(shut_down("{\"delay\": 0.01}"), XENOPS_ERROR_FAILED_TO_SHUTDOWN);
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_RUNNING);
        fixture_clear(&fixture);
}

static void test_guest_acts(void)
{
        BackendDomain before, after;
        Backend *backend;
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        backend = fixture.manager->backend;
        g_assert_true(backend->operations->stat(backend, "vm", &before));
        fixture_trigger(&fixture, "guest", "vm=vm", "do=reboot", NULL);
        do
                fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_RUNNING);
        while (!backend->operations->stat(backend, "vm", &after) || after.domid == before.domid);
        fixture_trigger(&fixture, "guest", "vm=vm", "do=suspend", NULL); /* nobody wants that: it goes on */
        do
                g_assert_true(backend->operations->stat(backend, "vm", &after));
        while (after.shut_down);
        fixture_trigger(&fixture, "guest", "vm=vm", "do=crash", "after=0.001", NULL);
        fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_HALTED);
        fixture_assert_nothing_left(&fixture);
        fixture_clear(&fixture);
}

/* A guest that restarts itself rests the second time, and makes way for whoever wants it shut down or restarted meanwhile. */
static void test_restless_guest(void)
{
        BackendDomain before, after;
        fixture_init(&fixture);
        fixture.restless_window_ms = fixture.rest_ms = 3600 * 1000;
        fixture_start(&fixture);
        fixture_add_vm(&fixture, "vm", 0, 0);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        Backend *backend = fixture.manager->backend;
        g_assert_true(backend->operations->stat(backend, "vm", &before));
        fixture_trigger(&fixture, "guest", "vm=vm", "do=reboot", NULL);
        do
                fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_RUNNING);
        while (!backend->operations->stat(backend, "vm", &after) || after.domid == before.domid);
        for (int i = 0; i < 2; i++) {
                fixture_trigger(&fixture, "guest", "vm=vm", i ? "do=suspend" : "do=reboot", NULL);
                while (queues_length(fixture.manager->queues) == 0)
                        g_usleep(100);
                g_assert_null(fixture_end(
                    &fixture, fixture_begin(&fixture, &operation_reboot, "VM.reboot", "vm", "{}", true)));
                g_assert_true(backend->operations->stat(backend, "vm", &after));
                g_assert_false(after.shut_down);
        }
        fixture_trigger(&fixture, "guest", "vm=vm", "do=reboot", NULL);
        while (queues_length(fixture.manager->queues) == 0)
                g_usleep(100);
        g_assert_null(fixture_end(
            &fixture, fixture_begin(&fixture, &operation_shutdown, "VM.shutdown", "vm", "{}", true)));
        fixture_assert_nothing_left(&fixture);
        fixture_clear(&fixture);
}

static char *make_image(void)
{
        char *path = g_build_filename(fixture.path, "image", NULL);
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
        return path;
}

static void test_suspend_resume(void)
{
        fixture_init_vm(&fixture);
        g_autofree char *image = make_image(), *arguments = g_strdup_printf(SUSPEND, image);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        g_assert_null(fixture_do(&fixture, &operation_suspend, "VM.suspend", "vm", arguments));
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_SUSPENDED);
        fixture_assert_nothing_left(&fixture);
        fixture_restart(&fixture);
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_SUSPENDED);
        g_assert_null(fixture_do(&fixture, &operation_resume, "VM.resume", "vm", arguments));
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_PAUSED);
        g_assert_null(fixture_do(&fixture, &operation_unpause, "VM.unpause", "vm", "{}"));
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_RUNNING);
        fixture_clear(&fixture);
}

static void test_suspend_fails(void)
{
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        fixture_expect(fixture_do(&fixture, &operation_suspend, "VM.suspend", "vm",
                                  "{\"suspend_vdi\": [\"Local\", \"/nowhere/image\"]}"),
                       XENOPS_ERROR_INTERNAL_ERROR);
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_RUNNING);
        BackendDomain domain;
        g_assert_true(fixture.manager->backend->operations->stat(fixture.manager->backend, "vm", &domain));
        g_assert_false(domain.shut_down);
        fixture_clear(&fixture);
}

static void test_damaged_image(void)
{
        fixture_init_vm(&fixture);
        g_autofree char *image = make_image(), *arguments = g_strdup_printf(SUSPEND, image);
        g_autofree char *bytes = NULL;
        gsize len;
        fixture_expect(fixture_do(&fixture, &operation_resume, "VM.resume", "vm", arguments),
                       XENOPS_ERROR_INTERNAL_ERROR); /* truncated to nothing */
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        g_assert_null(fixture_do(&fixture, &operation_suspend, "VM.suspend", "vm", arguments));
        g_assert_true(g_file_get_contents(image, &bytes, &len, NULL));
        bytes[len - 1] ^= 1;
        g_assert_true(g_file_set_contents(image, bytes, (gssize)len, NULL));
        fixture_expect(fixture_do(&fixture, &operation_resume, "VM.resume", "vm", arguments),
                       XENOPS_ERROR_INTERNAL_ERROR);
        bytes[len - 1] ^= 1;
        g_assert_true(g_file_set_contents(image, bytes, (gssize)len, NULL));
        fixture_add_vm(&fixture, "other", 0, 0);
        fixture_expect(fixture_do(&fixture, &operation_resume, "VM.resume", "other", arguments),
                       XENOPS_ERROR_INTERNAL_ERROR);
        fixture_assert_nothing_left(&fixture);
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_SUSPENDED);
        g_assert_null(fixture_do(&fixture, &operation_resume, "VM.resume", "vm", arguments));
        fixture_clear(&fixture);
}

static void test_domids(void)
{
        BackendDomain domain;
        int64_t last = 0;
        fixture_init_vm(&fixture);
        for (int i = 0; i < 40; i++) {
                g_assert_null(fixture_start_vm(&fixture, "vm"));
                g_assert_true(
                    fixture.manager->backend->operations->stat(fixture.manager->backend, "vm", &domain));
                g_assert_cmpint(domain.domid, >, last);
                last = domain.domid;
                g_assert_null(shut_down("{}"));
                if (i % 10 == 0)
                        fixture_restart(&fixture);
        }
        fixture_clear(&fixture);
}

static void test_devices(void)
{
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        const char *id = "{\"id\": [\"vm\", \"0\"], \"force\": false}";
        XenopsVbdState state;
        XenopsError *error = NULL;
        auto_vm_config *config = vm_store_get(fixture.manager->vms, "vm", &error);
        g_assert_null(fixture_do(&fixture, &operation_vbd_unplug, "VBD.unplug", "vm", id));
        g_assert_null(fixture_do(&fixture, &operation_vbd_unplug, "VBD.unplug", "vm", id));
        manager_vbd_state(fixture.manager, vm_config_vbd(config, "0"), &state);
        g_assert_false(state.plugged);
        g_assert_null(fixture_do(&fixture, &operation_vbd_plug, "VBD.plug", "vm", id));
        manager_vbd_state(fixture.manager, vm_config_vbd(config, "0"), &state);
        g_assert_true(state.plugged);
        g_assert_cmpstr(state.backend_present->local, ==, "/dev/null");
        xenops_disk_free(state.backend_present);
        fixture_expect(fixture_do(&fixture, &operation_vbd_eject, "VBD.eject", "vm", id),
                       XENOPS_ERROR_MEDIA_NOT_EJECTABLE);
        g_assert_null(fixture_do(&fixture, &operation_vif_set_carrier, "VIF.set_carrier", "vm",
                                 "{\"id\": [\"vm\", \"1\"], \"carrier\": false}"));
        XenopsVifState vif;
        manager_vif_state(fixture.manager, vm_config_vif(config, "1"), &vif);
        g_assert_true(vif.plugged);
        g_assert_false(vif.media_present);
        fixture_expect(
            fixture_do(&fixture, &operation_vif_plug, "VIF.plug", "vm", "{\"id\": [\"vm\", \"9\"]}"),
            XENOPS_ERROR_DOES_NOT_EXIST);
        fixture_clear(&fixture);
}

static void test_paused(void)
{
        fixture_init_vm(&fixture);
        g_assert_null(fixture_do(&fixture, &operation_start, "VM.start", "vm", "{\"paused\": true}"));
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_PAUSED);
        fixture_expect(fixture_do(&fixture, &operation_pause, "VM.pause", "vm", "{}"),
                       XENOPS_ERROR_BAD_POWER_STATE);
        g_assert_null(fixture_do(&fixture, &operation_unpause, "VM.unpause", "vm", "{}"));
        fixture_expect(fixture_do(&fixture, &operation_unpause, "VM.unpause", "vm", "{}"),
                       XENOPS_ERROR_BAD_POWER_STATE);
        g_assert_null(fixture_do(&fixture, &operation_set_vcpus, "VM.set_vcpus", "vm", "{\"vcpus\": 2}"));
        fixture_expect(fixture_do(&fixture, &operation_set_vcpus, "VM.set_vcpus", "vm", "{\"vcpus\": 3}"),
                       XENOPS_ERROR_INVALID_VCPUS);
        fixture_clear(&fixture);
}

static void test_remove(void)
{
        XenopsError *error = NULL;
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        g_assert_false(manager_remove_vm(fixture.manager, "vm", &error));
        fixture_expect(error, XENOPS_ERROR_BAD_POWER_STATE);
        error = NULL;
        g_assert_null(shut_down("{}"));
        g_assert_true(manager_remove_vm(fixture.manager, "vm", &error));
        g_assert_false(manager_remove_vm(fixture.manager, "vm", &error));
        fixture_expect(error, XENOPS_ERROR_DOES_NOT_EXIST);
        fixture_clear(&fixture);
}

static void test_one_xenopsd_a_folder(void)
{
        char *error = NULL;
        fixture_init_vm(&fixture);
        ManagerSettings settings = { .path = fixture.path, .simulator = { .memory_mib = 1 } };
        g_assert_null(manager_new(&settings, fixture.loop, fixture.workers, NULL, &error));
        g_assert_nonnull(error);
        g_free(error);
        fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lifecycle/start-shutdown", test_start_shutdown);
        g_test_add_func("/lifecycle/every-step-is-undone", test_every_step_is_undone);
        g_test_add_func("/lifecycle/memory", test_memory);
        g_test_add_func("/lifecycle/cancel", test_cancel);
        g_test_add_func("/lifecycle/hard-overtakes-clean", test_hard_overtakes_clean);
        g_test_add_func("/lifecycle/no-answer", test_no_answer);
        g_test_add_func("/lifecycle/guest-acts", test_guest_acts);
        g_test_add_func("/lifecycle/restless-guest", test_restless_guest);
        g_test_add_func("/lifecycle/suspend-resume", test_suspend_resume);
        g_test_add_func("/lifecycle/suspend-fails", test_suspend_fails);
        g_test_add_func("/lifecycle/damaged-image", test_damaged_image);
        g_test_add_func("/lifecycle/domids", test_domids);
        g_test_add_func("/lifecycle/devices", test_devices);
        g_test_add_func("/lifecycle/paused", test_paused);
        g_test_add_func("/lifecycle/remove", test_remove);
        g_test_add_func("/lifecycle/one-xenopsd-a-folder", test_one_xenopsd_a_folder);
        return g_test_run();
}
