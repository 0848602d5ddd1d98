/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a simulated guest's memory is saved as: a page that describes it, and bytes whose sum stands there. */
#include "simulator.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "checksum.h"

#define IMAGE_MAGIC        "XAPI-SIM-IMAGE-1"
#define IMAGE_HEADER_BYTES 4096
#define IMAGE_MEMORY_BYTES 65536 /* stands for all of the guest's memory, whatever its size */

typedef struct Image {
        char header[IMAGE_HEADER_BYTES];
        unsigned char memory[IMAGE_MEMORY_BYTES];
} Image;

static void memory_fill(unsigned char *memory, int64_t seed)
{
        uint64_t state = (uint64_t)seed * 2862933555777941757u + 3037000493u;
        for (size_t i = 0; i < IMAGE_MEMORY_BYTES; i++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                memory[i] = (unsigned char)(state >> 56);
        }
}

static int image_write(const char *path, const Image *image)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = 0;
        for (size_t done = 0; done < sizeof *image && r == 0;) {
                ssize_t n = pwrite(fd, (const char *)image + done, sizeof *image - done, (off_t)done);
                if (n >= 0)
                        done += (size_t)n;
                else if (errno != EINTR)
                        r = -errno;
        }
        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

static int image_read(const char *path, Image *ret)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = 0;
        for (size_t done = 0; done < sizeof *ret && r == 0;) {
                ssize_t n = pread(fd, (char *)ret + done, sizeof *ret - done, (off_t)done);
                if (n > 0)
                        done += (size_t)n;
                else if (n == 0)
                        r = -ENODATA;
                else if (errno != EINTR)
                        r = -errno;
        }
        close(fd);
        ret->header[IMAGE_HEADER_BYTES - 1] = '\0';
        return r;
}

bool simulator_save(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error)
{
        g_autofree Image *image = g_new0(Image, 1);
        SimDomain *domain = simulator_enter(context, vm->id, "save", error);
        if (!domain)
                return false;
        memory_fill(image->memory, domain->domid);
        int n = snprintf(image->header, sizeof image->header,
                         IMAGE_MAGIC "\n%s\n%" PRId64 " %" PRId64 " %" PRIu64 " %016" PRIx64 "\n", vm->id,
                         domain->memory_kib, domain->vcpus, domain->started_usec,
                         checksum(image->memory, IMAGE_MEMORY_BYTES));
        simulator_abandon(context, domain);
        int r = (size_t)n < sizeof image->header ? image_write(path, image) : -ENAMETOOLONG;
        return r == 0 || simulator_fail_errno(error, "cannot write the suspend image", r);
}

bool simulator_restore(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error)
{
        g_autofree Image *image = g_new0(Image, 1);
        int r = image_read(path, image);
        if (r < 0)
                return simulator_fail_errno(error, "cannot read the suspend image", r);
        g_auto(GStrv) lines = g_strsplit(image->header, "\n", 4);
        int64_t memory_kib, vcpus;
        uint64_t started_usec, sum;
        if (g_strv_length(lines) != 4 || !g_str_equal(lines[0], IMAGE_MAGIC) ||
            sscanf(lines[2], "%" SCNd64 " %" SCNd64 " %" SCNu64 " %" SCNx64, &memory_kib, &vcpus,
                   &started_usec, &sum) != 4 ||
            sum != checksum(image->memory, IMAGE_MEMORY_BYTES))
                return xenops_fail_internal(error, "simulator: %s holds no whole suspend image", path);
        if (!g_str_equal(lines[1], vm->id))
                return xenops_fail_internal(error, "simulator: the suspend image is of VM %s", lines[1]);
        SimDomain *domain = simulator_enter(context, vm->id, "restore", error);
        if (!domain)
                return false;
        domain->built = true;
        domain->vcpus = vcpus;
        domain->started_usec = started_usec;
        return simulator_leave(context, domain, error);
}
