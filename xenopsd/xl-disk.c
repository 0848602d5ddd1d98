/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "config.h"
#include "message-switch/lib/daemon.h"
#include "xl-plan.h"

/* "xvda" and so on, as libxl names disks. */
static char *vdev_of(const XenopsVbd *vbd, XenopsError **error)
{
        XenopsDeviceNumber number = { .bus = XENOPS_BUS_TYPE_XEN };
        const char *device = vbd->id.device;
        char *end;
        if (vbd->position) {
                number = *vbd->position;
        } else if (g_ascii_isdigit(*device)) {
                number.disk = (int64_t)g_ascii_strtoull(device, &end, 10);
                if (*end != '\0')
                        number.disk = -1;
        } else {
                return g_strdup(device);
        }
        if (number.disk < 0 || number.disk >= 26 * 26 || number.partition < 0 || number.partition > 15) {
                xenops_fail_internal(error, "there is no disk %s", device);
                return NULL;
        }
        static const char *const prefixes[] = { [XENOPS_BUS_TYPE_XEN] = "xvd",
                                                [XENOPS_BUS_TYPE_SCSI] = "sd",
                                                [XENOPS_BUS_TYPE_FLOPPY] = "fd",
                                                [XENOPS_BUS_TYPE_IDE] = "hd" };
        char letters[3] = { (char)('a' + number.disk % 26) }, partition[8] = "";
        if (number.disk >= 26) {
                letters[1] = letters[0];
                letters[0] = (char)('a' + number.disk / 26 - 1);
        }
        if (number.partition > 0)
                g_snprintf(partition, sizeof partition, "%d", (int)number.partition);
        return g_strconcat(prefixes[number.bus], letters, partition, NULL);
}

/* Fills a disk that was initialised, to be disposed of by the caller in any case. */
static bool fill_disk(const Xenlight *xenlight, const XenopsVbd *vbd, const BackendDisk *disk, bool hvm,
                      libxl_device_disk *ret, XenopsError **error)
{
        struct stat status;
        bool cdrom = vbd->ty == XENOPS_VBD_TYPE_CDROM;
        ret->vdev = vdev_of(vbd, error);
        if (!ret->vdev)
                return false;
        ret->is_cdrom = cdrom;
        ret->removable = cdrom || vbd->unpluggable;
        ret->readwrite = !cdrom && vbd->mode == XENOPS_VBD_MODE_READ_WRITE;
        ret->format = LIBXL_DISK_FORMAT_RAW;
        if (!vbd->backend) {
                if (!cdrom || !hvm)
                        return xenops_fail_media_not_present(error);
                ret->pdev_path = g_build_filename(xenlight->path, XL_NO_MEDIUM, NULL);
                ret->backend = LIBXL_DISK_BACKEND_QDISK;
                return true;
        }
        if (!disk->path)
                return xenops_fail_internal(
                    error, "the disk of VBD %s is served by NBD alone, not as a device", vbd->id.device);
        /* libxl makes options of QEMU's of it, in which a comma begins the next one, and a file of any name may lie among ISO images. */
        if (strpbrk(disk->path, ",\n"))
                return xenops_fail_internal(error,
                                            "the disk of VBD %s, %s, has a comma or a new line in its name",
                                            vbd->id.device, disk->path);
        if (stat(disk->path, &status) < 0)
                return xenops_fail_internal(error, "the disk of VBD %s, %s: %s", vbd->id.device, disk->path,
                                            g_strerror(errno));
        if (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode))
                return xenops_fail_internal(error, "the disk of VBD %s, %s, is neither device nor file",
                                            vbd->id.device, disk->path);
        ret->pdev_path = g_strdup(disk->path);
        /* A file, and a medium that can be changed, are served by QEMU. */
        if (S_ISREG(status.st_mode) || (cdrom && hvm)) {
                ret->backend = LIBXL_DISK_BACKEND_QDISK;
        } else {
                ret->backend = LIBXL_DISK_BACKEND_PHY;
                ret->script = g_strdup(XAPI_LIBEXECDIR "/xen-hotplug");
        }
        return true;
}

static bool remember(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk, const char *node,
                     XenopsError **error)
{
        XlTable *table = xl_of(context)->table;
        XlVm *vm = xl_table_lock(table, vbd->id.vm);
        if (!vm)
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED,
                                                   XENOPS_POWER_STATE_RUNNING);
        xl_vm_add_device(vm, "vbd", vbd->id.device, node, disk->memo, true);
        int r = xl_table_commit(table, vm);
        return r == 0 || xl_fail_errno(error, "cannot write down the disk", r);
}

static void forget(BackendContext *context, const XenopsDeviceId *id)
{
        XlTable *table = xl_of(context)->table;
        XlVm *vm = xl_table_lock(table, id->vm);
        if (!vm)
                return;
        xl_vm_remove_device(vm, "vbd", id->device);
        xl_table_commit(table, vm);
}

/* What fails is taken back, which libxl does not do by itself. */
static bool add_to_domain(BackendContext *context, uint32_t domid, const XenopsDeviceId *id,
                          libxl_device_disk *disk, XenopsError **error)
{
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        int rc = xl_await(context, libxl_device_disk_add(ctx, domid, disk, xl_how(context)));
        if (rc != 0) {
                xl_fail(context, error, rc, "cannot plug the disk");
        } else if (xl_await_taken(context, domid, "vbd", disk->vdev, error)) {
                xl_events_watch(xl_of(context), domid);
                return true;
        }
        rc = libxl_device_disk_destroy(ctx, domid, disk, NULL);
        if (rc != 0 && xl_device_there(domid, "vbd", disk->vdev) != 0)
                log_error("A disk that could not be plugged stays with the domain", "XAPI_VM", id->vm,
                          "XAPI_DEVICE", id->device, "ERROR", libxl_error_to_string(rc), NULL);
        return false;
}

bool xl_vbd_plug(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *backend_disk,
                 XenopsError **error)
{
        XlDomain domain;
        libxl_device_disk disk;
        if (!xl_find(context, vbd->id.vm, &domain, error))
                return false;
        libxl_device_disk_init(&disk);
        bool good = fill_disk(xl_of(context), vbd, backend_disk, domain.hvm, &disk, error) &&
                    remember(context, vbd, backend_disk, disk.vdev, error);
        if (good && domain.plan)
                xl_plan_add_disk(domain.plan, &disk);
        else if (good && !add_to_domain(context, (uint32_t)domain.domid, &vbd->id, &disk, error)) {
                forget(context, &vbd->id);
                good = false;
        }
        libxl_device_disk_dispose(&disk);
        return good;
}

static bool remove_from_domain(BackendContext *context, const XenopsDeviceId *id, const XlDomain *domain,
                               const char *node, bool force, XenopsError **error)
{
        libxl_device_disk disk;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        libxl_device_disk_init(&disk);
        if (libxl_vdev_to_device_disk(ctx, (uint32_t)domain->domid, node, &disk) != 0) {
                libxl_device_disk_dispose(&disk);
                if (xl_device_there((uint32_t)domain->domid, "vbd", node) != 0)
                        return xl_fail(context, error, ERROR_FAIL, "cannot find the disk");
                g_free(xl_log_first_error(((XlContext *)context)->log));
                return true; /* it has gone already */
        }
        int rc = force ? libxl_device_disk_destroy(ctx, (uint32_t)domain->domid, &disk, xl_how(context))
                       : libxl_device_disk_safe_remove(ctx, (uint32_t)domain->domid, &disk, xl_how(context));
        rc = xl_await(context, rc);
        libxl_device_disk_dispose(&disk);
        if (rc == ERROR_TIMEDOUT)
                return xenops_fail_device_detach_rejected(error, "VBD", id->device,
                                                          "the guest does not let go of it");
        return rc == 0 || xl_fail(context, error, rc, "cannot unplug the disk");
}

bool xl_vbd_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, id->vm, &domain, error))
                return false;
        g_autofree char *node = xl_device_node(context, "vbd", id);
        if (!node)
                return true;
        if (domain.plan)
                xl_plan_remove_disk(domain.plan, node);
        else if (!remove_from_domain(context, id, &domain, node, force, error))
                return false;
        forget(context, id);
        return true;
}

static bool change_medium(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *backend_disk,
                          const XlDomain *domain, XenopsError **error)
{
        libxl_device_disk disk;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        libxl_device_disk_init(&disk);
        bool good = fill_disk(xl_of(context), vbd, backend_disk, true, &disk, error);
        if (good) {
                if (!vbd->backend) {
                        g_clear_pointer(&disk.pdev_path, g_free);
                        disk.format = LIBXL_DISK_FORMAT_EMPTY;
                }
                int rc = xl_await(context,
                                  libxl_cdrom_insert(ctx, (uint32_t)domain->domid, &disk, xl_how(context)));
                good = rc == 0 || xl_fail(context, error, rc, "cannot change the medium");
        }
        good = good && remember(context, vbd, backend_disk, disk.vdev, error);
        libxl_device_disk_dispose(&disk);
        return good;
}

bool xl_disk_empty_drives(BackendContext *context, const char *vm, uint32_t domid, XenopsError **error)
{
        g_autoptr(GPtrArray) drives = g_ptr_array_new_with_free_func(g_free);
        libxl_ctx *ctx = xl_ctx(context, error);
        XlVm *found = ctx ? xl_table_lock(xl_of(context)->table, vm) : NULL;
        if (!found)
                return ctx;
        for (size_t i = 0; i < found->n_devices && found->hvm; i++)
                if (g_str_equal(found->devices[i].kind, "vbd") && !*found->devices[i].memo)
                        g_ptr_array_add(drives, g_strdup(found->devices[i].node));
        xl_table_unlock(xl_of(context)->table, found);
        int rc = 0;
        for (guint i = 0; i < drives->len && rc == 0; i++) {
                libxl_device_disk disk;
                libxl_device_disk_init(&disk);
                disk.vdev = g_strdup(drives->pdata[i]);
                disk.is_cdrom = disk.removable = 1;
                disk.format = LIBXL_DISK_FORMAT_EMPTY;
                disk.backend = LIBXL_DISK_BACKEND_QDISK;
                rc = xl_await(context, libxl_cdrom_insert(ctx, domid, &disk, xl_how(context)));
                libxl_device_disk_dispose(&disk);
        }
        return rc == 0 || xl_fail(context, error, rc, "cannot empty a drive");
}

bool xl_vbd_change(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                   XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, vbd->id.vm, &domain, error))
                return false;
        g_autofree char *node = xl_device_node(context, "vbd", &vbd->id);
        if (!node)
                return xenops_fail_device_not_connected(error);
        if (domain.hvm && !domain.plan)
                return change_medium(context, vbd, disk, &domain, error);
        /* Without emulated hardware a drive is there while a medium is in it. */
        return xl_vbd_unplug(context, &vbd->id, false, error) &&
               (!vbd->backend || xl_vbd_plug(context, vbd, disk, error));
}
