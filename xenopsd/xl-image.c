/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain is saved as: a page that says whose it is, then libxl's stream. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "xenlight.h"

#define IMAGE_MAGIC        "XAPI-XEN-IMAGE-1"
#define IMAGE_HEADER_BYTES 4096
#define CORES_SPARE_KIB    (512u << 10) /* of the disk, that a core leaves free */
#define SUSPEND_SECONDS    60.0         /* that libxl gives a guest */

static int header_write(int fd, const char *vm)
{
        char header[IMAGE_HEADER_BYTES] = "";
        g_snprintf(header, sizeof header, IMAGE_MAGIC "\n%s\n", vm);
        ssize_t n = write(fd, header, sizeof header);
        return n == sizeof header ? 0 : n < 0 ? -errno : -ENOSPC;
}

static bool header_check(int fd, const char *vm, const char *path, XenopsError **error)
{
        char header[IMAGE_HEADER_BYTES];
        ssize_t n = read(fd, header, sizeof header);
        if (n < 0)
                return xl_fail_errno(error, "cannot read the suspend image", -errno);
        header[IMAGE_HEADER_BYTES - 1] = '\0';
        g_auto(GStrv) lines = g_strsplit(n == sizeof header ? header : "", "\n", 3);
        if (g_strv_length(lines) < 3 || !g_str_equal(lines[0], IMAGE_MAGIC))
                return xenops_fail_internal(error, "%s holds no suspend image", path);
        return g_str_equal(lines[1], vm) ||
               xenops_fail_internal(error, "the suspend image in %s is of VM %s", path, lines[1]);
}

static bool save_to(BackendContext *context, const XenopsVm *vm, uint32_t domid, int fd, XenopsError **error)
{
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        int r = header_write(fd, vm->id);
        if (r < 0)
                return xl_fail_errno(error, "cannot write the suspend image", r);
        int rc = xl_await(context, libxl_domain_suspend(ctx, domid, fd, 0, xl_how(context)));
        if (rc == ERROR_GUEST_TIMEDOUT)
                return xenops_fail_failed_to_suspend(error, vm->id, SUSPEND_SECONDS);
        if (rc != 0)
                return xl_fail(context, error, rc, "cannot save the domain");
        return fdatasync(fd) == 0 || errno == EINVAL ||
               xl_fail_errno(error, "cannot write the suspend image", -errno);
}

bool xl_save(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error)
{
        uint32_t domid;
        if (!xl_domid(context, vm->id, &domid, error))
                return false;
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return xl_fail_errno(error, "cannot open the suspend disk", -errno);
        bool good = save_to(context, vm, domid, fd, error);
        close(fd);
        return good;
}

bool xl_restore(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return xl_fail_errno(error, "cannot open the suspend disk", -errno);
        bool good = header_check(fd, vm->id, path, error) && xl_make(context, vm, fd, error);
        close(fd);
        return good;
}

/* The disk is that of others' records, too: a guest that crashes must not fill it. */
static bool check_room(BackendContext *context, const char *vm, const char *folder, XenopsError **error)
{
        struct statvfs disk;
        BackendDomain domain;
        if (statvfs(folder, &disk) < 0)
                return xl_fail_errno(error, "cannot look at the folder of cores", -errno);
        if (!xl_stat(context->backend, vm, &domain))
                return xenops_fail_domain_not_built(error);
        uint64_t free_kib = (uint64_t)disk.f_bavail * (disk.f_frsize / 1024);
        return (uint64_t)domain.memory_kib + CORES_SPARE_KIB <= free_kib ||
               xenops_fail_internal(error, "there is no room for %" PRId64 " KiB of memory in %s",
                                    domain.memory_kib, folder);
}

bool xl_core_dump(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        uint32_t domid;
        const char *folder = xl_of(context)->cores;
        g_autofree char *path = g_strdup_printf("%s/%s.core", folder, vm->id);
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_domid(context, vm->id, &domid, error))
                return false;
        if (g_mkdir_with_parents(folder, 0700) < 0)
                return xl_fail_errno(error, "cannot make the folder of cores", -errno);
        unlink(path);
        if (!check_room(context, vm->id, folder, error))
                return false;
        int rc = xl_await(context, libxl_domain_core_dump(ctx, domid, path, xl_how(context)));
        if (rc == 0)
                return true;
        unlink(path);
        return xl_fail(context, error, rc, "cannot dump the domain");
}

bool xl_fast_resume(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        Xenlight *xenlight = xl_of(context);
        BackendDomain domain;
        uint32_t domid;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_domid(context, vm->id, &domid, error) || !xl_stat(context->backend, vm->id, &domain))
                return false;
        if (!domain.shut_down || domain.reason != BACKEND_SUSPEND)
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_RUNNING,
                                                   XENOPS_POWER_STATE_SUSPENDED);
        XlVm *found = xl_table_lock(xenlight->table, vm->id);
        if (found) {
                found->shut_down = false;
                xl_table_unlock(xenlight->table, found);
        }
        int rc = xl_await(context, libxl_domain_resume(ctx, domid, 1, xl_how(context)));
        if (rc != 0)
                return xl_fail(context, error, rc, "cannot resume the domain");
        xl_events_watch(xenlight, domid); /* of an end it is told once */
        return true;
}
