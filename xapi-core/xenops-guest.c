/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent in a guest wrote into xenstore, as clients look for it. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rows.h"
#include "xenops-internal.h"

typedef struct Fact {
        const char *path; /* as the guest wrote it */
        const char *key; /* in the map; NULL: the path is a prefix, and the key what follows the last slash */
} Fact;

static const Fact DRIVERS[] = { { "attr/PVAddons/MajorVersion", "major" },
                                { "attr/PVAddons/MinorVersion", "minor" },
                                { "attr/PVAddons/MicroVersion", "micro" },
                                { "attr/PVAddons/BuildVersion", "build" },
                                { NULL } };
static const Fact SYSTEM[] = { { "data/os_name", "name" },       { "data/os_uname", "uname" },
                               { "data/os_distro", "distro" },   { "data/os_majorver", "major" },
                               { "data/os_minorver", "minor" },  { "attr/os/spmajor", "spmajor" },
                               { "attr/os/spminor", "spminor" }, { NULL } };
static const Fact NETBIOS[] = { { "data/host_name", "host_name" }, { "data/domain", "domain" }, { NULL } };
static const Fact OTHER[] = { { "control/feature-", NULL },
                              { "platform-feature-multiprocessor-suspend",
                                "platform-feature-multiprocessor-suspend" },
                              { "has-vendor-device", "has-vendor-device" },
                              { NULL } };

/* A guest is an adversary: what it wrote is bounded. */
static bool within_bounds(const BusPair *said)
{
        return strlen(said->key) <= XENOPS_GUEST_TEXT_BYTES_MAX &&
               strlen(said->value) <= XENOPS_GUEST_TEXT_BYTES_MAX;
}

static const char *fact_key(const Fact *facts, const char *path)
{
        for (; facts->path; facts++) {
                if (facts->key && strcmp(path, facts->path) == 0)
                        return facts->key;
                if (!facts->key && g_str_has_prefix(path, facts->path))
                        return strrchr(path, '/') + 1;
        }
        return NULL;
}

static void add(Map **map, const char *key, const char *value)
{
        slot_map(map, map_with_str(*map, key, value));
}

static Map *pick(const Map *old, const Fact *facts, const BusDict *said)
{
        Map *map = map_empty(old->type);

        for (size_t i = 0; i < said->n && map->n < XENOPS_GUEST_KEYS_MAX; i++) {
                const char *key = fact_key(facts, said->items[i].key);

                if (key && within_bounds(&said->items[i]))
                        add(&map, key, said->items[i].value);
        }
        return map;
}

/* "attr/vif/0/ipv4/0" to "0/ipv4/0", and the first one to "0/ip", too, as older agents say "attr/eth0/ip". */
static void add_address(Map **networks, const char *path, const char *value)
{
        char key[48];
        unsigned device, number;
        int end = 0;

        if (sscanf(path, "attr/eth%u/ip%n", &device, &end) == 1 && end && !path[end])
                number = 0;
        else if (sscanf(path, "attr/vif/%u/ipv4/%u%n", &device, &number, &end) != 2 || path[end])
                device = UINT_MAX;
        if (device != UINT_MAX) {
                snprintf(key, sizeof(key), "%u/ipv4/%u", device, number);
                add(networks, key, value);
                snprintf(key, sizeof(key), "%u/ip", device);
                if (number == 0)
                        add(networks, key, value);
                return;
        }
        if ((sscanf(path, "attr/vif/%u/ipv6/%u%n", &device, &number, &end) == 2 && !path[end]) ||
            (sscanf(path, "attr/eth%u/ipv6/%u/addr%n", &device, &number, &end) == 2 && end && !path[end])) {
                snprintf(key, sizeof(key), "%u/ipv6/%u", device, number);
                add(networks, key, value);
        }
}

static Map *pick_networks(const Map *old, const BusDict *said)
{
        Map *map = map_empty(old->type);

        for (size_t i = 0; i < said->n && map->n < XENOPS_GUEST_KEYS_MAX; i++)
                if (within_bounds(&said->items[i]))
                        add_address(&map, said->items[i].key, said->items[i].value);
        return map;
}

static int64_t tristate(const BusDict *said, const char *path)
{
        const char *value = bus_dict_get(said, path);

        if (!value)
                return TRISTATE_TYPE_UNSPECIFIED;
        return strcmp(value, "1") == 0 ? TRISTATE_TYPE_YES : TRISTATE_TYPE_NO;
}

static bool same(const VmGuestMetricsRow *a, const VmGuestMetricsRow *b)
{
        for (size_t i = 0; i < CLASS_VM_GUEST_METRICS.n_fields; i++)
                if (!value_equal(CLASS_VM_GUEST_METRICS.fields[i].type, row_values(&a->row)[i],
                                 row_values(&b->row)[i]))
                        return false;
        return true;
}

void xenops_fold_guest(VmGuestMetricsRow *guest, const XenopsVmState *state)
{
        const BusDict *said = &state->guest_agent;
        VmGuestMetricsRow *before = (VmGuestMetricsRow *)row_copy(&guest->row);

        slot_map(&guest->PV_drivers_version, pick(guest->PV_drivers_version, DRIVERS, said));
        slot_map(&guest->os_version, pick(guest->os_version, SYSTEM, said));
        slot_map(&guest->netbios_name, pick(guest->netbios_name, NETBIOS, said));
        slot_map(&guest->other, pick(guest->other, OTHER, said));
        slot_map(&guest->networks, pick_networks(guest->networks, said));
        guest->PV_drivers_detected = guest->PV_drivers_up_to_date = state->pv_drivers_detected;
        guest->can_use_hotplug_vbd = tristate(said, "feature/hotplug/vbd");
        guest->can_use_hotplug_vif = tristate(said, "feature/hotplug/vif");
        guest->live = true;
        if (!same(before, guest))
                guest->last_updated = time(NULL);
        row_unref(&before->row);
}
