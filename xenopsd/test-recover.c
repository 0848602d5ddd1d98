/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the next xenopsd makes of what one that died left half done. */
#include <glib.h>

#include "simulator.h"
#include "test-fixture.h"

static Fixture fixture;

/* A journal entry as a dead xenopsd left it. */
static void leave(JournalEntry entry)
{
        XenopsError *error = NULL;
        g_assert_true(journal_begin(fixture.manager->journal, "vm", entry, &error));
        fixture_restart(&fixture);
}

static void test_operation(void)
{
        XenopsError *error = NULL;
        fixture_init_vm(&fixture);
        fixture_add_vm(&fixture, "bystander", 0, 0);
        g_assert_null(fixture_start_vm(&fixture, "bystander"));
        static const JournalEntry down[] = { JOURNAL_START, JOURNAL_RESUME, JOURNAL_SHUTDOWN };
        for (size_t i = 0; i < G_N_ELEMENTS(down); i++) {
                g_assert_null(fixture_start_vm(&fixture, "vm"));
                leave(down[i]);
                fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_HALTED);
        }
        leave(JOURNAL_REBOOT); /* the old domain was gone already */
        fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_RUNNING);
        fixture_trigger(&fixture, "inject", "step=destroy", "latency=0.3", "count=1", NULL);
        leave(JOURNAL_SUSPENDED);
        g_assert_cmpint(fixture_power_state(&fixture, "vm"), ==, XENOPS_POWER_STATE_SUSPENDED);
        fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_SUSPENDED);
        g_assert_cmpint(fixture_power_state(&fixture, "bystander"), ==, XENOPS_POWER_STATE_RUNNING);
        g_assert_true(journal_begin(fixture.manager->journal, "forgotten", JOURNAL_START, &error));
        fixture_restart(&fixture);
        g_auto(GStrv) entries = journal_list(fixture.manager->journal);
        g_assert_cmpuint(g_strv_length(entries), ==, 0);
        fixture_clear(&fixture);
}

static void expect_plugged(const char *device, bool plugged_vbd, bool plugged_vif)
{
        XenopsError *error = NULL;
        XenopsVbdState vbd;
        XenopsVifState vif;
        auto_vm_config *config = vm_store_get(fixture.manager->vms, "vm", &error);
        manager_vbd_state(fixture.manager, vm_config_vbd(config, device), &vbd);
        manager_vif_state(fixture.manager, vm_config_vif(config, device), &vif);
        g_assert_cmpint(vbd.plugged, ==, plugged_vbd);
        g_assert_cmpint(vif.plugged, ==, plugged_vif);
        xenops_vbd_state_clear(&vbd);
        xenops_vif_state_clear(&vif);
}

static void leave_device(JournalEntry entry, const char *device)
{
        XenopsError *error = NULL;
        g_assert_true(journal_begin_device(fixture.manager->journal, "vm", entry, device, &error));
        fixture_restart(&fixture);
        fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_RUNNING);
}

static void test_device(void)
{
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        leave_device(JOURNAL_UNPLUG_VBD, "0"); /* the domain has not let go of it */
        expect_plugged("0", true, true);
        leave_device(JOURNAL_PLUG_VBD, "0");
        expect_plugged("0", false, true);
        leave_device(JOURNAL_PLUG_VIF, "0");
        expect_plugged("0", false, false);
        expect_plugged("1", true, true);
        leave_device(JOURNAL_UNPLUG_VBD, "0");
        leave_device(JOURNAL_PLUG_VBD, "unknown");
        const char *id = "{\"id\": [\"vm\", \"0\"]}";
        g_assert_null(fixture_do(&fixture, &operation_vbd_plug, "VBD.plug", "vm", id));
        g_assert_null(fixture_do(&fixture, &operation_vif_plug, "VIF.plug", "vm", id));
        expect_plugged("0", true, true);
        g_auto(GStrv) entries = journal_list(fixture.manager->journal);
        g_assert_cmpuint(g_strv_length(entries), ==, 0);
        fixture_clear(&fixture);
}

static bool edit_drive(VmConfig *config, void *data, XenopsError **error)
{
        vm_config_vbd(config, "0")->ty = XENOPS_VBD_TYPE_CDROM;
        return true;
}

/* In the domain and in the configuration. */
static void expect_medium(bool present)
{
        XenopsError *error = NULL;
        XenopsVbdState state;
        auto_vm_config *config = vm_store_get(fixture.manager->vms, "vm", &error);
        g_assert_cmpint(vm_config_vbd(config, "0")->backend != NULL, ==, present);
        manager_vbd_state(fixture.manager, vm_config_vbd(config, "0"), &state);
        g_assert_true(state.plugged);
        g_assert_cmpint(state.backend_present != NULL, ==, present);
        xenops_vbd_state_clear(&state);
}

static void test_drive(void)
{
        const char *disc = "{\"id\": [\"vm\", \"0\"], \"disk\": [\"Local\", \"/dev/null\"]}";
        const BackendDisk medium = { (char *)"/dev/null", NULL, "/dev/null" };
        XenopsError *error = NULL;
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        g_assert_true(vm_store_edit(fixture.manager->vms, "vm", edit_drive, NULL, &error));
        leave_device(JOURNAL_INSERT_VBD, "0"); /* all but the end of it had been done */
        expect_medium(true);
        leave_device(JOURNAL_EJECT_VBD, "0");
        expect_medium(false);
        leave_device(JOURNAL_EJECT_VBD, "0");
        expect_medium(false);
        auto_vm_config *config = vm_store_get(fixture.manager->vms, "vm", &error);
        BackendContext *context =
            fixture.manager->backend->operations->context_new(fixture.manager->backend, NULL);
        g_assert_true(fixture.manager->backend->operations->vbd_change(context, vm_config_vbd(config, "0"),
                                                                       &medium, &error));
        fixture.manager->backend->operations->context_free(context);
        leave_device(JOURNAL_INSERT_VBD, "0"); /* the configuration does not know of it */
        expect_medium(false);
        g_assert_null(fixture_do(&fixture, &operation_vbd_insert, "VBD.insert", "vm", disc));
        expect_medium(true);
        fixture_clear(&fixture);
}

static void test_guest_ends_while_nobody_looks(void)
{
        fixture_init_vm(&fixture);
        g_assert_null(fixture_start_vm(&fixture, "vm"));
        fixture_trigger(&fixture, "guest", "vm=vm", "do=poweroff", "after=0.01", NULL);
        fixture_restart(&fixture);
        fixture_await_power_state(&fixture, "vm", XENOPS_POWER_STATE_HALTED);
        fixture_assert_nothing_left(&fixture);
        fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/recover/operation", test_operation);
        g_test_add_func("/recover/device", test_device);
        g_test_add_func("/recover/drive", test_drive);
        g_test_add_func("/recover/guest-ends-while-nobody-looks", test_guest_ends_while_nobody_looks);
        return g_test_run();
}
