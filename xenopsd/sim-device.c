/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulator.h"

#include <errno.h>
#include <unistd.h>

#include <glib.h>

static bool device_stat(Backend *backend, const char *kind, const XenopsDeviceId *id, BackendDevice *ret)
{
        SimTable *table = ((Simulator *)backend)->table;
        SimDomain *domain = sim_table_find(table, id->vm);
        if (!domain)
                return false;
        sim_domain_lock(table, domain);
        const SimDevice *device = sim_domain_device(domain, kind, id->device);
        if (device)
                *ret = (BackendDevice){ device->carrier, g_strdup(device->memo) };
        sim_domain_unlock(table, domain);
        sim_domain_unref(table, domain);
        return device;
}

bool simulator_vbd_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret)
{
        return device_stat(backend, "vbd", id, ret);
}

bool simulator_vif_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret)
{
        return device_stat(backend, "vif", id, ret);
}

static void device_set(SimDevice *device, const char *backend, const char *memo, bool carrier)
{
        g_free(device->backend);
        g_free(device->memo);
        device->backend = g_strdup(backend ? backend : "");
        device->memo = g_strdup(memo ? memo : "");
        device->carrier = carrier;
}

/* Connects a device, or changes a connected one. */
static bool device_connect(BackendContext *context, const char *kind, const char *step, bool connected,
                           const XenopsDeviceId *id, const char *backend, const char *memo, bool carrier,
                           XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, id->vm, step, error);
        if (!domain)
                return false;
        SimDevice *device = sim_domain_device(domain, kind, id->device);
        if (connected != (device != NULL)) {
                simulator_abandon(context, domain);
                return connected ? xenops_fail_device_not_connected(error)
                                 : xenops_fail_device_is_connected(error);
        }
        device_set(device ? device : sim_domain_add_device(domain, kind, id->device), backend, memo, carrier);
        return simulator_leave(context, domain, error);
}

static bool device_disconnect(BackendContext *context, const char *kind, const char *step,
                              const XenopsDeviceId *id, XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, id->vm, step, error);
        if (!domain)
                return false;
        sim_domain_remove_device(domain, kind, id->device);
        return simulator_leave(context, domain, error);
}

static const char *disk_text(const BackendDisk *disk)
{
        return disk->path ? disk->path : disk->nbd;
}

static bool disk_check(const XenopsVbd *vbd, const BackendDisk *disk, XenopsError **error)
{
        return !disk->path || access(disk->path, F_OK) == 0 ||
               xenops_fail_internal(error, "the disk of VBD %s, %s: %s", vbd->id.device, disk->path,
                                    g_strerror(errno));
}

bool simulator_vbd_plug(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                        XenopsError **error)
{
        if (!disk_check(vbd, disk, error))
                return false;
        return device_connect(context, "vbd", "vbd-plug", false, &vbd->id, disk_text(disk), disk->memo, true,
                              error);
}

bool simulator_vbd_change(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                          XenopsError **error)
{
        if (!disk_check(vbd, disk, error))
                return false;
        return device_connect(context, "vbd", "vbd-change", true, &vbd->id, disk_text(disk), disk->memo, true,
                              error);
}

bool simulator_vbd_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error)
{
        return device_disconnect(context, "vbd", "vbd-unplug", id, error);
}

static const char *network_text(const XenopsNetwork *network)
{
        return network->tag == XENOPS_NETWORK_LOCAL    ? network->local
               : network->tag == XENOPS_NETWORK_REMOTE ? network->remote.switch_
                                                       : "sriov";
}

bool simulator_vif_plug(BackendContext *context, const XenopsVif *vif, XenopsError **error)
{
        return device_connect(context, "vif", "vif-plug", false, &vif->id, network_text(&vif->backend), NULL,
                              vif->carrier, error);
}

bool simulator_vif_change(BackendContext *context, const XenopsVif *vif, XenopsError **error)
{
        return device_connect(context, "vif", "vif-change", true, &vif->id, network_text(&vif->backend), NULL,
                              vif->carrier, error);
}

bool simulator_vif_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error)
{
        return device_disconnect(context, "vif", "vif-unplug", id, error);
}
