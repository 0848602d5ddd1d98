/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest says, and what becomes of it. */
#include <glib.h>

#include "xenops-internal.h"

typedef struct World {
        VmGuestMetricsRow *guest;
        XenopsVmState state;
} World;

static void set_up(World *w, gconstpointer data)
{
        w->guest = (VmGuestMetricsRow *)row_new(&CLASS_VM_GUEST_METRICS, "guest");
}

static void tear_down(World *w, gconstpointer data)
{
        xenops_vm_state_clear(&w->state);
        row_unref(&w->guest->row);
}

static void say(World *w, const char *key, const char *value)
{
        bus_dict_set(&w->state.guest_agent, key, value);
}

static void check(const Map *map, const char *key, const char *want)
{
        g_assert_cmpstr(map_get_str(map, key), ==, want);
}

static void test_facts(World *w, gconstpointer data)
{
        say(w, "attr/PVAddons/MajorVersion", "8");
        say(w, "data/os_name", "Debian");
        say(w, "data/host_name", "guest");
        say(w, "control/feature-shutdown", "1");
        say(w, "control/shutdown", "poweroff"); /* not the guest's to say */
        say(w, "feature/hotplug/vbd", "1");
        say(w, "feature/hotplug/vif", "0");
        say(w, "data/something", "else");
        w->state.pv_drivers_detected = true;
        xenops_fold_guest(w->guest, &w->state);
        check(w->guest->PV_drivers_version, "major", "8");
        check(w->guest->os_version, "name", "Debian");
        check(w->guest->netbios_name, "host_name", "guest");
        check(w->guest->other, "feature-shutdown", "1");
        g_assert_cmpuint(w->guest->other->n, ==, 1);
        g_assert_cmpint(w->guest->can_use_hotplug_vbd, ==, TRISTATE_TYPE_YES);
        g_assert_cmpint(w->guest->can_use_hotplug_vif, ==, TRISTATE_TYPE_NO);
        g_assert_true(w->guest->PV_drivers_detected && w->guest->live);
}

static void test_addresses(World *w, gconstpointer data)
{
        say(w, "attr/vif/0/ipv4/0", "10.0.0.2");
        say(w, "attr/vif/0/ipv4/1", "10.0.0.3");
        say(w, "attr/vif/0/ipv6/0", "fe80::1");
        say(w, "attr/eth1/ip", "10.0.1.2");
        say(w, "attr/eth1/ipv6/0/addr", "fe80::2");
        say(w, "attr/vif/x/ipv4/0", "no");
        say(w, "attr/vif/2/ipv4/0/more", "no");
        say(w, "attr/eth2/ipx", "no");
        say(w, "attr/eth3/ipv6/0/address", "no");
        xenops_fold_guest(w->guest, &w->state);
        check(w->guest->networks, "0/ip", "10.0.0.2");
        check(w->guest->networks, "0/ipv4/0", "10.0.0.2");
        check(w->guest->networks, "0/ipv4/1", "10.0.0.3");
        check(w->guest->networks, "0/ipv6/0", "fe80::1");
        check(w->guest->networks, "1/ip", "10.0.1.2");
        check(w->guest->networks, "1/ipv6/0", "fe80::2");
        g_assert_cmpuint(w->guest->networks->n, ==, 7);
}

/* What it no longer says is gone. */
static void test_forgets(World *w, gconstpointer data)
{
        XenopsVmState silent = { 0 };

        say(w, "data/os_name", "Debian");
        say(w, "attr/vif/0/ipv4/0", "10.0.0.2");
        xenops_fold_guest(w->guest, &w->state);
        xenops_fold_guest(w->guest, &silent);
        g_assert_cmpuint(w->guest->os_version->n, ==, 0);
        g_assert_cmpuint(w->guest->networks->n, ==, 0);
        g_assert_cmpint(w->guest->can_use_hotplug_vbd, ==, TRISTATE_TYPE_UNSPECIFIED);
}

static void test_news_only(World *w, gconstpointer data)
{
        say(w, "data/os_name", "Debian");
        xenops_fold_guest(w->guest, &w->state);
        g_assert_cmpint(w->guest->last_updated, >, 0);
        w->guest->last_updated = 1;
        xenops_fold_guest(w->guest, &w->state);
        g_assert_cmpint(w->guest->last_updated, ==, 1);
        say(w, "data/os_name", "Fedora");
        xenops_fold_guest(w->guest, &w->state);
        g_assert_cmpint(w->guest->last_updated, >, 1);
}

static void test_text_limit(World *w, gconstpointer data)
{
        g_autofree char *at = g_strnfill(XENOPS_GUEST_TEXT_BYTES_MAX, 'x');
        g_autofree char *past = g_strnfill(XENOPS_GUEST_TEXT_BYTES_MAX + 1, 'x');

        say(w, "data/os_name", at);
        say(w, "data/os_uname", past);
        xenops_fold_guest(w->guest, &w->state);
        check(w->guest->os_version, "name", at);
        check(w->guest->os_version, "uname", NULL);
}

static void say_features(World *w, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *key = g_strdup_printf("control/feature-%u", i);

                say(w, key, "1");
        }
}

static void test_keys_limit(World *w, gconstpointer data)
{
        say_features(w, XENOPS_GUEST_KEYS_MAX);
        xenops_fold_guest(w->guest, &w->state);
        g_assert_cmpuint(w->guest->other->n, ==, XENOPS_GUEST_KEYS_MAX);
        say_features(w, XENOPS_GUEST_KEYS_MAX + 1);
        xenops_fold_guest(w->guest, &w->state);
        g_assert_cmpuint(w->guest->other->n, ==, XENOPS_GUEST_KEYS_MAX);
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        add("/xenops-guest/facts", test_facts);
        add("/xenops-guest/addresses", test_addresses);
        add("/xenops-guest/forgets", test_forgets);
        add("/xenops-guest/news-only", test_news_only);
        add("/xenops-guest/text-limit", test_text_limit);
        add("/xenops-guest/keys-limit", test_keys_limit);
        return g_test_run();
}
