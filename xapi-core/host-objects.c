/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "classes/classes.h"
#include "config.h"
#include "host-pci.h"
#include "machine.h"
#include "rows.h"
#include "templates.h"
#include "uuid.h"
#include "xenapi.h"

#define API_VERSION_MAJOR 2
#define API_VERSION_MINOR 23

typedef struct HostObjects {
        Txn *txn;
        Machine machine;
        PoolRow *pool;
        HostRow *host;
        VmRow *dom0;
        char now[32], boot_time[32]; /* seconds since 1970, as text */
} HostObjects;

static bool first_row(const Row *row, void *user)
{
        *(const Row **)user = row;
        return false;
}

static const Row *only_row(Txn *txn, const Class *class)
{
        const Row *row = NULL;

        txn_each(txn, class, first_row, &row);
        return row;
}

/* ---- made once ---- */

static void make_pool(HostObjects *o)
{
        o->host = (HostRow *)txn_create(o->txn, &CLASS_HOST, NULL, NULL);
        o->dom0 = (VmRow *)txn_create(o->txn, &CLASS_VM, NULL, NULL);
        o->pool = (PoolRow *)txn_create(o->txn, &CLASS_POOL, NULL, NULL);
        slot_str(&o->pool->master, o->host->row.ref);
        slot_str(&o->host->control_domain, o->dom0->row.ref);
        slot_str(&o->host->name_label, o->machine.hostname);
        slot_str(&o->host->name_description, "Default install");
        o->host->enabled = true;
        o->host->https_only = false;
        SLOT_STRINGS(o->host->license_server, "address", "localhost", "port", "27000");
        slot_str(&o->host->edition, "free");
        SLOT_STRING_SET(o->host->editions, "free");
}

static void make_host_metrics(HostObjects *o)
{
        HostMetricsRow *metrics = (HostMetricsRow *)txn_edit(o->txn, &CLASS_HOST_METRICS, o->host->metrics);

        if (!metrics) {
                metrics = (HostMetricsRow *)txn_create(o->txn, &CLASS_HOST_METRICS, NULL, NULL);
                slot_str(&o->host->metrics, metrics->row.ref);
        }
        metrics->live = true;
        metrics->memory_total = o->machine.memory_total_bytes;
        metrics->memory_free = o->machine.memory_free_bytes;
        metrics->last_updated = time(NULL);
}

static void make_dom0_metrics(HostObjects *o)
{
        VmMetricsRow *metrics = (VmMetricsRow *)txn_edit(o->txn, &CLASS_VM_METRICS, o->dom0->metrics);

        if (!metrics) {
                metrics = (VmMetricsRow *)txn_create(o->txn, &CLASS_VM_METRICS, NULL, NULL);
                slot_str(&o->dom0->metrics, metrics->row.ref);
        }
        metrics->VCPUs_number = o->machine.n_cpus;
        metrics->memory_actual = o->dom0->memory_static_max;
        metrics->current_domain_type = DOMAIN_TYPE_PV;
}

static void make_network(HostObjects *o)
{
        NetworkRow *network = (NetworkRow *)txn_create(o->txn, &CLASS_NETWORK, NULL, NULL);

        slot_str(&network->name_label, "Pool-wide network associated with eth0");
        slot_str(&network->bridge, "xenbr0");
        network->MTU = 1500;
        network->managed = true;
}

static void make_storage(HostObjects *o, const char *directory)
{
        SrRow *sr = (SrRow *)txn_create(o->txn, &CLASS_SR, NULL, NULL);
        PbdRow *pbd = (PbdRow *)txn_create(o->txn, &CLASS_PBD, NULL, NULL);

        slot_str(&sr->name_label, "Local storage");
        slot_str(&sr->name_description, "Raw images in a directory of this host");
        slot_str(&sr->type, "dir");
        slot_str(&sr->content_type, "user");
        slot_str(&pbd->host, o->host->row.ref);
        slot_str(&pbd->SR, sr->row.ref);
        SLOT_STRINGS(pbd->device_config, "location", directory);
        slot_str(&o->pool->default_SR, sr->row.ref);
        slot_str(&o->pool->suspend_image_SR, sr->row.ref);
        slot_str(&o->pool->crash_dump_SR, sr->row.ref);
        slot_str(&o->host->suspend_image_sr, sr->row.ref);
        slot_str(&o->host->crash_dump_sr, sr->row.ref);
}

/* ---- refreshed at each start ---- */

/* What an edition may withhold, by the names that clients look for; this one withholds nothing. */
static const char *const RESTRICTIONS[] = {
        "ad",
        "cbt",
        "certificate_verification",
        "checkpoint",
        "connection",
        "corosync",
        "cpu_masking",
        "dmc",
        "dr",
        "email_alerting",
        "equalogic",
        "gpu",
        "guest_agent_auto_update",
        "guest_ip_setting",
        "historical_performance",
        "igmp_snooping",
        "integrated_gpu_passthrough",
        "intellicache",
        "internal_repo_access",
        "live_patching",
        "marathon",
        "nested_virt",
        "netapp",
        "network_sriov",
        "pci_device_for_auto_update",
        "pool_attached_storage",
        "pool_secret_rotation",
        "pool_size",
        "pooling",
        "pvs_proxy",
        "qos",
        "rbac",
        "rpu",
        "set_vcpus_number_live",
        "storage_xen_motion",
        "updates",
        "usb_passthrough",
        "vgpu",
        "vif_locking",
        "vlan",
        "vmpr",
        "vmss",
        "vss",
        "vtpm",
        "wlb",
        "xen_motion",
        "zstd_export",
};

static void refresh_license(HostObjects *o)
{
        Map *map = map_of_strings(o->host->license_params->type, "enable_xha", "true", "platform_filter",
                                  "false", "regular_nag_dialog", "false", NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(RESTRICTIONS); i++) {
                g_autofree char *key = g_strdup_printf("restrict_%s", RESTRICTIONS[i]);
                Map *more = map_with_str(map, key, "false");

                map_unref(map);
                map = more;
        }
        slot_map(&o->pool->restrictions, map_ref(map));
        slot_map(&o->host->license_params, map);
}

static void refresh_pool(HostObjects *o)
{
        static const int64_t ALLOWED[] = {
                POOL_ALLOWED_OPERATIONS_CLUSTER_CREATE,
                POOL_ALLOWED_OPERATIONS_SYNC_UPDATES,
                POOL_ALLOWED_OPERATIONS_TLS_VERIFICATION_ENABLE,
                POOL_ALLOWED_OPERATIONS_DESIGNATE_NEW_MASTER,
                POOL_ALLOWED_OPERATIONS_EXCHANGE_CA_CERTIFICATES_ON_JOIN,
                POOL_ALLOWED_OPERATIONS_CONFIGURE_REPOSITORIES,
                POOL_ALLOWED_OPERATIONS_APPLY_UPDATES,
                POOL_ALLOWED_OPERATIONS_HA_ENABLE,
                POOL_ALLOWED_OPERATIONS_GET_UPDATES,
                POOL_ALLOWED_OPERATIONS_CERT_REFRESH,
                POOL_ALLOWED_OPERATIONS_EJECT,
                POOL_ALLOWED_OPERATIONS_COPY_PRIMARY_HOST_CERTS,
                POOL_ALLOWED_OPERATIONS_EXCHANGE_CERTIFICATES_ON_JOIN,
        };
        Value values[G_N_ELEMENTS(ALLOWED)];

        for (size_t i = 0; i < G_N_ELEMENTS(ALLOWED); i++)
                values[i].i = ALLOWED[i];
        slot_set(&o->pool->allowed_operations,
                 set_new(o->pool->allowed_operations->element, G_N_ELEMENTS(ALLOWED), values));
}

static void refresh_software(HostRow *host)
{
        struct utsname name;

        uname(&name);
        SLOT_STRINGS(host->software_version, "build_number", "0", "date", "2026-11-22", "db_schema", "5.900",
                     "git_id", "0", "hostname", "localhost", "linux", name.release, "network_backend",
                     "bridge", "platform_version", "3.4.0", "product_version", XAPI_VERSION, "xapi", "26.20",
                     "xapi_build", XAPI_VERSION, "xen", "4.17", "xencenter_max", "2.23", "xencenter_min",
                     "2.23");
        host->API_version_major = API_VERSION_MAJOR;
        host->API_version_minor = API_VERSION_MINOR;
        slot_str(&host->API_version_vendor, "XenSource");
}

/* Made where there is none yet. */
static HostCpuRow *cpu_of_number(HostObjects *o, int number)
{
        const Set *known = o->host->host_CPUs;
        HostCpuRow *made;

        for (uint32_t i = 0; i < known->n; i++) {
                const HostCpuRow *cpu =
                    (const HostCpuRow *)txn_get(o->txn, &CLASS_HOST_CPU, known->items[i].s);

                if (cpu && cpu->number == number)
                        return (HostCpuRow *)txn_edit(o->txn, &CLASS_HOST_CPU, cpu->row.ref);
        }
        made = (HostCpuRow *)txn_create(o->txn, &CLASS_HOST_CPU, NULL, NULL);
        slot_str(&made->host, o->host->row.ref);
        made->number = number;
        return made;
}

static void drop_cpus_from(HostObjects *o, int first)
{
        const Set *known = o->host->host_CPUs;

        for (uint32_t i = 0; i < known->n; i++) {
                const HostCpuRow *cpu =
                    (const HostCpuRow *)txn_get(o->txn, &CLASS_HOST_CPU, known->items[i].s);

                if (cpu && cpu->number >= first)
                        txn_delete(o->txn, &CLASS_HOST_CPU, cpu->row.ref);
        }
}

static void refresh_cpus(HostObjects *o)
{
        HostRow *host = o->host;
        g_autofree char *count = g_strdup_printf("%d", o->machine.n_cpus);
        g_autofree char *sockets = g_strdup_printf("%d", o->machine.n_sockets);
        g_autofree char *mhz = g_strdup_printf("%.3f", o->machine.cpu_mhz);

        SLOT_STRINGS(host->cpu_info, "cpu_count", count, "socket_count", sockets, "threads_per_core", "1",
                     "vendor", o->machine.cpu_vendor, "speed", mhz, "modelname", o->machine.cpu_model,
                     "family", o->machine.cpu_family, "model", o->machine.cpu_model_number, "stepping",
                     o->machine.cpu_stepping, "flags", o->machine.cpu_flags, "features_pv", "",
                     "features_hvm", "", "features_pv_host", "", "features_hvm_host", "");
        slot_map(&o->pool->cpu_info, map_ref(host->cpu_info));
        for (int i = 0; i < o->machine.n_cpus; i++) {
                HostCpuRow *cpu = cpu_of_number(o, i);

                slot_str(&cpu->vendor, o->machine.cpu_vendor);
                slot_str(&cpu->modelname, o->machine.cpu_model);
                slot_str(&cpu->flags, o->machine.cpu_flags);
                cpu->speed = (int64_t)o->machine.cpu_mhz;
        }
        drop_cpus_from(o, o->machine.n_cpus);
}

/* That of the management interface, where one was chosen. */
static const char *management_address(HostObjects *o)
{
        for (uint32_t i = 0; i < o->host->PIFs->n; i++) {
                const PifRow *pif = (const PifRow *)txn_get(o->txn, &CLASS_PIF, o->host->PIFs->items[i].s);

                if (pif && pif->management && *pif->IP)
                        return pif->IP;
        }
        return o->machine.address;
}

static void refresh_host(HostObjects *o)
{
        HostRow *host = o->host;

        slot_str(&host->hostname, o->machine.hostname);
        slot_str(&host->address, management_address(o));
        slot_str(&host->sched_policy, "credit2");
        SLOT_STRING_SET(host->capabilities, "xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_32p",
                        "hvm-3.0-x86_64", "");
        SLOT_STRING_SET(host->supported_bootloaders, "pygrub", "eliloader");
        slot_set(&host->virtual_hardware_platform_versions,
                 set_new(host->virtual_hardware_platform_versions->element, 3,
                         (const Value[]){ { .i = 0 }, { .i = 1 }, { .i = 2 } }));
        SLOT_STRINGS(host->bios_strings, "bios-vendor", "Xen", "bios-version", "", "system-manufacturer",
                     "Xen", "system-product-name", "HVM domU", "system-version", "", "system-serial-number",
                     "", "baseboard-manufacturer", "", "baseboard-product-name", "", "baseboard-version", "",
                     "baseboard-serial-number", "", "hp-rombios", "", "oem-1", "Xen", "oem-2",
                     "MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d");
        SLOT_STRINGS(host->chipset_info, "iommu", "false");
        slot_map(&host->other_config, map_with_str(host->other_config, "agent_start_time", o->now));
        slot_map(&host->other_config, map_with_str(host->other_config, "boot_time", o->boot_time));
        refresh_software(host);
        refresh_cpus(o);
        refresh_license(o);
        refresh_pool(o);
        host_pci_refresh(o->txn, host);
        host_update_allowed_operations(o->txn, host->row.ref);
        make_host_metrics(o);
}

/* The control domain's console, which goes by the domain's own reference. */
static void refresh_console(HostObjects *o)
{
        g_autofree char *location =
            g_strdup_printf("https://%s/console?ref=%s", o->host->address, o->dom0->row.ref);
        ConsoleRow *console;

        if (o->dom0->consoles->n) {
                console = (ConsoleRow *)txn_edit(o->txn, &CLASS_CONSOLE, o->dom0->consoles->items[0].s);
        } else {
                console = (ConsoleRow *)txn_create(o->txn, &CLASS_CONSOLE, NULL, NULL);
                slot_str(&console->VM, o->dom0->row.ref);
        }
        console->protocol = CONSOLE_PROTOCOL_VT100;
        slot_str(&console->location, location);
}

#define DOM0_MEMORY_BYTES (INT64_C(1) << 30)

static void refresh_dom0(HostObjects *o)
{
        VmRow *dom0 = o->dom0;
        g_autofree char *label = g_strdup_printf("Control domain on host: %s", o->host->name_label);

        slot_str(&dom0->name_label, label);
        slot_str(&dom0->name_description,
                 "The domain which manages physical devices and manages other domains");
        dom0->is_control_domain = true;
        dom0->domid = 0;
        dom0->power_state = VM_POWER_STATE_RUNNING;
        dom0->domain_type = DOMAIN_TYPE_PV;
        dom0->HVM_shadow_multiplier = 1.0;
        dom0->VCPUs_max = dom0->VCPUs_at_startup = o->machine.n_cpus;
        dom0->memory_static_max = dom0->memory_static_min = DOM0_MEMORY_BYTES;
        dom0->memory_dynamic_max = dom0->memory_dynamic_min = dom0->memory_target = DOM0_MEMORY_BYTES;
        slot_str(&dom0->resident_on, o->host->row.ref);
        slot_str(&dom0->affinity, o->host->row.ref);
        make_dom0_metrics(o);
        refresh_console(o);
}

static void remember(Manager *manager, const HostObjects *o)
{
        manager->pool = str_ref(o->pool->row.ref);
        manager->host = str_ref(o->host->row.ref);
        manager->dom0 = str_ref(o->dom0->row.ref);
}

bool host_objects_ensure(Manager *manager, const char *address, XapiError **error)
{
        g_autofree char *directory = g_build_filename(manager->daemon->state_dir, "sr", NULL);
        HostObjects o = { .txn = txn_begin(manager->store) };
        const Row *pool = only_row(o.txn, &CLASS_POOL);
        bool is_new = !pool;

        machine_read(&o.machine);
        snprintf(o.now, sizeof(o.now), "%lld.", (long long)time(NULL));
        snprintf(o.boot_time, sizeof(o.boot_time), "%lld.", (long long)o.machine.boot_time);
        if (pool) {
                o.pool = (PoolRow *)txn_edit(o.txn, &CLASS_POOL, pool->ref);
                o.host = (HostRow *)txn_edit(o.txn, &CLASS_HOST, o.pool->master);
                o.dom0 = (VmRow *)txn_edit(o.txn, &CLASS_VM, o.host->control_domain);
        } else {
                make_pool(&o);
                make_network(&o);
                make_storage(&o, directory);
                templates_create(o.txn);
        }
        refresh_host(&o);
        if (address)
                slot_str(&o.host->address, address);
        refresh_dom0(&o);
        remember(manager, &o);
        machine_clear(&o.machine);
        if (is_new)
                return txn_commit_wait(o.txn, error);
        /* Reads do not need what is new in objects that are there: so the server comes back on a full disk, too. */
        txn_commit(o.txn, NULL, NULL);
        return true;
}
