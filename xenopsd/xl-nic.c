/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "config.h"
#include "message-switch/lib/daemon.h"
#include "xl-filter.h"
#include "xl-plan.h"
#include "xl-port.h"

#define RATE_INTERVAL_USEC 50000
#define RATE_KBYTES_MAX    (INT64_C(1) << 32) /* beyond it there is no limit */
#define POSITION_MAX       63                 /* so that a port's name fits, whatever the domain's id */

static bool fill_nic(const XenopsVif *vif, const char *model, libxl_device_nic *ret, XenopsError **error)
{
        if (vif->backend.tag != XENOPS_NETWORK_LOCAL)
                return xenops_fail_unimplemented(error, "an interface that is not on a bridge of this host");
        if (vif->position < 0 || vif->position > POSITION_MAX)
                return xenops_fail_internal(error, "VIF %s: its position is not 0 to %d", vif->id.device,
                                            POSITION_MAX);
        if (!xl_port_mac(vif->mac, ret->mac))
                return xenops_fail_internal(error, "VIF %s: \"%s\" is no MAC address", vif->id.device,
                                            vif->mac);
        ret->devid = (int)vif->position;
        ret->bridge = g_strdup(vif->backend.local);
        ret->mtu = (int)vif->mtu;
        ret->model = g_strdup(model);
        ret->script = g_strdup(XAPI_LIBEXECDIR "/xen-hotplug");
        if (vif->rate && vif->rate->kbytes_per_s > 0 && vif->rate->kbytes_per_s <= RATE_KBYTES_MAX) {
                ret->rate_interval_usecs = RATE_INTERVAL_USEC;
                ret->rate_bytes_per_interval =
                    (uint64_t)vif->rate->kbytes_per_s * 1024 * RATE_INTERVAL_USEC / 1000000;
        }
        return true;
}

static bool remember(BackendContext *context, const XenopsVif *vif, int devid, XenopsError **error)
{
        char node[16];
        XlTable *table = xl_of(context)->table;
        XlVm *vm = xl_table_lock(table, vif->id.vm);
        if (!vm)
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED,
                                                   XENOPS_POWER_STATE_RUNNING);
        g_snprintf(node, sizeof node, "%d", devid);
        json_t *json = bus_encode(&xenops_type_vif, vif);
        char *memo = json_dumps(json, JSON_COMPACT);
        xl_vm_add_device(vm, "vif", vif->id.device, node, memo, vif->carrier);
        free(memo);
        json_decref(json);
        int r = xl_table_commit(table, vm);
        return r == 0 || xl_fail_errno(error, "cannot write down the interface", r);
}

static void forget(BackendContext *context, const XenopsDeviceId *id)
{
        XlTable *table = xl_of(context)->table;
        XlVm *vm = xl_table_lock(table, id->vm);
        if (!vm)
                return;
        xl_vm_remove_device(vm, "vif", id->device);
        xl_table_commit(table, vm);
}

/* Puts the interface's end of this host where it belongs. */
static bool connect_port(const XlDomain *domain, int devid, const XenopsVif *vif, XenopsError **error)
{
        char name[2][XL_PORT_NAME_BYTES];
        g_snprintf(name[0], sizeof name[0], "vif%u.%d", (unsigned)domain->domid, devid);
        g_snprintf(name[1], sizeof name[1], "vif%u.%d-emu", (unsigned)domain->domid, devid);
        for (size_t i = 0; i < (domain->hvm ? 2 : 1); i++) {
                int r = xl_port_connect(name[i], vif);
                if (r == -ENODEV && i == 1)
                        continue; /* the emulated one goes away once the guest has taken the other */
                if (r == -E2BIG)
                        return xenops_fail_internal(error, "VIF %s is locked to more than %d addresses",
                                                    vif->id.device, XL_FILTER_ADDRESSES_MAX);
                if (r < 0)
                        return xenops_fail_internal(error, "cannot connect VIF %s to bridge %s: %s",
                                                    vif->id.device, vif->backend.local, g_strerror(-r));
        }
        return true;
}

bool xl_nic_connect_all(BackendContext *context, const char *vm, XenopsError **error)
{
        XlDomain domain;
        g_autoptr(GPtrArray) memos = g_ptr_array_new_with_free_func(g_free);
        if (!xl_find(context, vm, &domain, error))
                return false;
        XlVm *found = xl_table_lock(xl_of(context)->table, vm);
        for (size_t i = 0; found && i < found->n_devices; i++)
                if (g_str_equal(found->devices[i].kind, "vif"))
                        g_ptr_array_add(memos, g_strdup(found->devices[i].memo));
        if (found)
                xl_table_unlock(xl_of(context)->table, found);
        bool good = true;
        for (guint i = 0; i < memos->len && good; i++) {
                XenopsVif vif = { 0 };
                json_t *json = json_loads(memos->pdata[i], 0, NULL);
                BusReason reason;
                if (json && xenops_vif_decode(json, &vif, &reason))
                        good = connect_port(&domain, (int)vif.position, &vif, error);
                xenops_vif_clear(&vif);
                json_decref(json);
        }
        return good;
}

/* What fails is taken back, which libxl does not do by itself. */
static bool add_to_domain(BackendContext *context, const XlDomain *domain, libxl_device_nic *nic,
                          const XenopsVif *vif, XenopsError **error)
{
        uint32_t domid = (uint32_t)domain->domid;
        char node[16];
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        g_snprintf(node, sizeof node, "%d", nic->devid);
        int rc = xl_await(context, libxl_device_nic_add(ctx, domid, nic, xl_how(context)));
        if (rc != 0)
                xl_fail(context, error, rc, "cannot plug the interface");
        else if (connect_port(domain, nic->devid, vif, error) &&
                 xl_await_taken(context, domid, "vif", node, error))
                return true;
        rc = libxl_device_nic_destroy(ctx, domid, nic, NULL);
        if (rc != 0 && xl_device_there(domid, "vif", node) != 0)
                log_error("An interface that could not be plugged stays with the domain", "XAPI_VM",
                          vif->id.vm, "XAPI_DEVICE", vif->id.device, "ERROR", libxl_error_to_string(rc),
                          NULL);
        return false;
}

bool xl_vif_plug(BackendContext *context, const XenopsVif *vif, XenopsError **error)
{
        XlDomain domain;
        libxl_device_nic nic;
        if (!xl_find(context, vif->id.vm, &domain, error))
                return false;
        libxl_device_nic_init(&nic);
        bool good = fill_nic(vif, NULL, &nic, error) && remember(context, vif, nic.devid, error);
        if (good && domain.plan)
                xl_plan_add_nic(domain.plan, &nic);
        else if (good && !add_to_domain(context, &domain, &nic, vif, error)) {
                forget(context, &vif->id);
                good = false;
        }
        libxl_device_nic_dispose(&nic);
        return good;
}

static bool remove_from_domain(BackendContext *context, const XlDomain *domain, const char *node, bool force,
                               XenopsError **error)
{
        libxl_device_nic nic;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        libxl_device_nic_init(&nic);
        if (libxl_devid_to_device_nic(ctx, (uint32_t)domain->domid, atoi(node), &nic) != 0) {
                libxl_device_nic_dispose(&nic);
                if (xl_device_there((uint32_t)domain->domid, "vif", node) != 0)
                        return xl_fail(context, error, ERROR_FAIL, "cannot find the interface");
                g_free(xl_log_first_error(((XlContext *)context)->log));
                return true; /* it has gone already */
        }
        int rc = force ? libxl_device_nic_destroy(ctx, (uint32_t)domain->domid, &nic, xl_how(context))
                       : libxl_device_nic_remove(ctx, (uint32_t)domain->domid, &nic, xl_how(context));
        rc = xl_await(context, rc);
        libxl_device_nic_dispose(&nic);
        return rc == 0 || xl_fail(context, error, rc, "cannot unplug the interface");
}

bool xl_vif_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, id->vm, &domain, error))
                return false;
        g_autofree char *node = xl_device_node(context, "vif", id);
        if (!node)
                return true;
        if (domain.plan)
                xl_plan_remove_nic(domain.plan, atoi(node));
        else if (!remove_from_domain(context, &domain, node, force, error))
                return false;
        forget(context, id);
        return true;
}

bool xl_vif_change(BackendContext *context, const XenopsVif *vif, XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, vif->id.vm, &domain, error))
                return false;
        g_autofree char *node = xl_device_node(context, "vif", &vif->id);
        if (!node)
                return xenops_fail_device_not_connected(error);
        if (vif->backend.tag != XENOPS_NETWORK_LOCAL)
                return xenops_fail_unimplemented(error, "an interface that is not on a bridge of this host");
        return (domain.plan || connect_port(&domain, atoi(node), vif, error)) &&
               remember(context, vif, atoi(node), error);
}
