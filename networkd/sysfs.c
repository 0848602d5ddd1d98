/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs.h"

#include <string.h>

#include <glib.h>

#include "idl/runtime/bus-type.h"
#include "link.h"

/* The last part of where a link of the interface's device leads to, or NULL. Owned (g_free). */
static char *device_link(const char *root, const char *name, const char *link)
{
        g_autofree char *path = NULL, *target = NULL;

        if (!link_name_is_valid(name))
                return NULL;
        path = g_build_filename(root, name, link, NULL);
        target = g_file_read_link(path, NULL);
        return target != NULL ? g_path_get_basename(target) : NULL;
}

bool sysfs_is_physical(const char *root, const char *name)
{
        g_autofree char *device = device_link(root, name, "device"),
                        *bus = device_link(root, name, "device/subsystem");

        return device != NULL && g_strcmp0(bus, "xen-backend") != 0;
}

char *sysfs_pci_path(const char *root, const char *name)
{
        g_autofree char *device = device_link(root, name, "device"),
                        *bus = device_link(root, name, "device/subsystem");

        return bus_strdup(device != NULL && g_strcmp0(bus, "pci") == 0 ? device : "");
}
