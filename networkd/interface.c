/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interface.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

static bool name_valid(const char *name)
{
        size_t len = strlen(name);

        return len > 0 && len < IFNAMSIZ && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0;
}

static char *attribute_path(const char *root, const char *name, const char *attribute)
{
        return g_strdup_printf("%s/%s%s%s", root, name, attribute[0] != '\0' ? "/" : "", attribute);
}

static bool has(const char *root, const char *name, const char *attribute)
{
        g_autofree char *path = attribute_path(root, name, attribute);

        return name_valid(name) && access(path, F_OK) == 0;
}

/* One line of text. Returns owned (g_free); NULL: there is none, or it cannot be read now. */
static char *read_attribute(const char *root, const char *name, const char *attribute)
{
        g_autofree char *path = attribute_path(root, name, attribute);
        char *text = NULL;

        if (!name_valid(name) || !g_file_get_contents(path, &text, NULL, NULL))
                return NULL;
        return g_strchomp(text);
}

static int read_number(const char *root, const char *name, const char *attribute, int64_t *ret)
{
        g_autofree char *text = read_attribute(root, name, attribute);
        char *end;

        if (text == NULL)
                return -ENODEV;
        *ret = strtoll(text, &end, 0);
        return end != text && *end == '\0' ? 0 : -EBADMSG;
}

static int compare_texts(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder that pass; in order. */
static int list(const char *folder, const char *root, bool (*passes)(const char *root, const char *name),
                BusStrings *ret)
{
        struct dirent *entry;
        DIR *dir;

        dir = opendir(folder);
        if (dir == NULL)
                return -errno;
        while ((entry = readdir(dir)) != NULL)
                if (passes(root, entry->d_name))
                        bus_strings_add(ret, entry->d_name);
        closedir(dir);
        if (ret->n > 0)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_texts);
        return 0;
}

bool interface_exists(const char *root, const char *name)
{
        /* What else stands there (bonding_masters) is a file. */
        return has(root, name, "ifindex");
}

int interface_list(const char *root, BusStrings *ret)
{
        return list(root, root, interface_exists, ret);
}

int interface_mac(const char *root, const char *name, char **ret)
{
        g_autofree char *text = read_attribute(root, name, "address");

        if (text == NULL)
                return -ENODEV;
        *ret = bus_strdup(text);
        return 0;
}

int interface_mtu(const char *root, const char *name, int64_t *ret)
{
        return read_number(root, name, "mtu", ret);
}

int interface_is_up(const char *root, const char *name, bool *ret)
{
        int64_t flags;
        int r;

        r = read_number(root, name, "flags", &flags);
        if (r == 0)
                *ret = flags & IFF_UP;
        return r;
}

int interface_is_connected(const char *root, const char *name, bool *ret)
{
        int64_t carrier;

        if (!interface_exists(root, name))
                return -ENODEV;
        /* Of an interface that is down, the kernel does not say. */
        *ret = read_number(root, name, "carrier", &carrier) == 0 && carrier == 1;
        return 0;
}

int interface_is_physical(const char *root, const char *name, bool *ret)
{
        if (!interface_exists(root, name))
                return -ENODEV;
        *ret = has(root, name, "device");
        return 0;
}

static bool is_bridge(const char *root, const char *name)
{
        return has(root, name, "bridge");
}

int bridge_list(const char *root, BusStrings *ret)
{
        return list(root, root, is_bridge, ret);
}

int bridge_interfaces(const char *root, const char *name, BusStrings *ret)
{
        g_autofree char *folder = attribute_path(root, name, "brif");

        if (!is_bridge(root, name))
                return -ENODEV;
        return list(folder, root, interface_exists, ret);
}
