/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libxl runs when a device's back end is there or goes: "add", "online" or the like, with XENBUS_PATH in the
 * environment. It tells the kernel which block device a disk is, and that nothing more is to be waited for; ports of bridges are
 * xenopsd's. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <xenstore.h>

static bool node_write(struct xs_handle *xs, const char *base, const char *name, const char *text)
{
        char path[512];
        int n = snprintf(path, sizeof path, "%s/%s", base, name);
        return n > 0 && (size_t)n < sizeof path && xs_write(xs, XBT_NULL, path, text, (unsigned)strlen(text));
}

static char *node_read(struct xs_handle *xs, const char *base, const char *name)
{
        char path[512];
        unsigned size;
        int n = snprintf(path, sizeof path, "%s/%s", base, name);
        return n > 0 && (size_t)n < sizeof path ? xs_read(xs, XBT_NULL, path, &size) : NULL;
}

static int fail(struct xs_handle *xs, const char *base, const char *text)
{
        fprintf(stderr, "xen-hotplug: %s: %s\n", base, text);
        node_write(xs, base, "hotplug-error", text);
        node_write(xs, base, "hotplug-status", "error");
        return EXIT_FAILURE;
}

static int add_disk(struct xs_handle *xs, const char *base)
{
        struct stat status;
        char number[32], text[600];
        char *path = node_read(xs, base, "params");
        if (!path)
                return fail(xs, base, "no device is named");
        if (stat(path, &status) < 0 || !S_ISBLK(status.st_mode)) {
                snprintf(text, sizeof text, "%s is no block device", path);
                free(path);
                return fail(xs, base, text);
        }
        /* From it libxl knows what a device model can open. */
        bool told = node_write(xs, base, "physical-device-path", path);
        free(path);
        snprintf(number, sizeof number, "%x:%x", major(status.st_rdev), minor(status.st_rdev));
        if (!told || !node_write(xs, base, "physical-device", number))
                return fail(xs, base, "xenstore refuses the device's number");
        return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        const char *base = getenv("XENBUS_PATH"), *type = getenv("XENBUS_TYPE");
        if (argc < 2 || !base || !type) {
                fprintf(stderr, "xen-hotplug: run by libxl, with an action, XENBUS_TYPE and XENBUS_PATH\n");
                return EXIT_FAILURE;
        }
        if (strcmp(argv[1], "add") != 0 && strcmp(argv[1], "online") != 0)
                return EXIT_SUCCESS;
        struct xs_handle *xs = xs_open(0);
        if (!xs) {
                perror("xen-hotplug: xenstore");
                return EXIT_FAILURE;
        }
        int status = strcmp(type, "vbd") == 0 ? add_disk(xs, base) : EXIT_SUCCESS;
        if (status == EXIT_SUCCESS && !node_write(xs, base, "hotplug-status", "connected"))
                status = fail(xs, base, "xenstore refuses the status");
        xs_close(xs);
        return status;
}
