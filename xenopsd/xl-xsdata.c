/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest is told below vm-data in xenstore, while it runs. */
#include <errno.h>
#include <string.h>

#include <glib.h>
#include <xenstore.h>

#include "xenlight.h"

#define GUEST_PREFIX "vm-data"

typedef struct Place {
        struct xs_handle *xs;
        uint32_t domid;
} Place;

static char *path_of(const Place *place, const char *key)
{
        return g_strdup_printf("/local/domain/%u/%s", place->domid, key);
}

static int remove_others(const Place *place, const BusDict *before, const BusDict *data)
{
        int r = 0;
        for (size_t i = 0; i < before->n && r == 0; i++) {
                const char *key = before->items[i].key;
                g_autofree char *path = path_of(place, key);
                if (g_str_has_prefix(key, GUEST_PREFIX "/") && !bus_dict_get(data, key) &&
                    !xs_rm(place->xs, XBT_NULL, path) && errno != ENOENT)
                        r = -errno;
        }
        return r;
}

static int write_all(const Place *place, const BusDict *data)
{
        int r = 0;
        for (size_t i = 0; i < data->n && r == 0; i++) {
                const char *key = data->items[i].key, *value = data->items[i].value;
                g_autofree char *path = path_of(place, key);
                if (g_str_has_prefix(key, GUEST_PREFIX "/") &&
                    !xs_write(place->xs, XBT_NULL, path, value, (unsigned)strlen(value)))
                        r = -errno;
        }
        return r;
}

bool xl_set_xsdata(BackendContext *context, const XenopsVm *vm, const BusDict *data, XenopsError **error)
{
        Place place;
        if (!xl_domid(context, vm->id, &place.domid, error))
                return false;
        place.xs = xs_open(0);
        int r = place.xs ? remove_others(&place, &vm->xsdata, data) : -errno;
        if (r == 0)
                r = write_all(&place, data);
        if (place.xs)
                xs_close(place.xs);
        return r == 0 || xl_fail_errno(error, "cannot write the guest's data into xenstore", r);
}
