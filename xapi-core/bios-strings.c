/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bios-strings.h"

#include <string.h>

#include "xenapi.h"

static const struct {
        const char *key, *value;
        bool settable;
} STRINGS[] = {
        { "bios-vendor", "Xen", true },
        { "bios-version", "", true },
        { "system-manufacturer", "Xen", true },
        { "system-product-name", "HVM domU", true },
        { "system-version", "", true },
        { "system-serial-number", "", true },
        { "baseboard-manufacturer", "", true },
        { "baseboard-product-name", "", true },
        { "baseboard-version", "", true },
        { "baseboard-serial-number", "", true },
        { "baseboard-asset-tag", "", true },
        { "baseboard-location-in-chassis", "", true },
        { "enclosure-asset-tag", "", true },
        { "hp-rombios", "", false },
        { "oem-1", "Xen", false },
        /* What Windows' validation programme looks for. */
        { "oem-2", "MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d", false },
};

Map *bios_strings_generic(const Type *type)
{
        Map *map = map_empty(type);

        for (size_t i = 0; i < G_N_ELEMENTS(STRINGS); i++)
                slot_map(&map, map_with_str(map, STRINGS[i].key, STRINGS[i].value));
        return map;
}

static bool is_settable(const char *key)
{
        for (size_t i = 0; i < G_N_ELEMENTS(STRINGS); i++)
                if (strcmp(STRINGS[i].key, key) == 0)
                        return STRINGS[i].settable;
        return false;
}

static bool is_printable(const char *text)
{
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        return false;
        return true;
}

static bool check(const char *key, const char *value, XapiError **error)
{
        if (!is_settable(key))
                return xapi_fail(error, ERR_INVALID_VALUE, key, "There is no such string to set", NULL);
        if (!*value)
                return xapi_fail(error, ERR_INVALID_VALUE, key, "The value is empty", NULL);
        if (strlen(value) > BIOS_STRING_BYTES_MAX)
                return xapi_fail(error, ERR_INVALID_VALUE, key, "The value has more than 512 characters",
                                 NULL);
        if (!is_printable(value))
                return xapi_fail(error, ERR_INVALID_VALUE, key, "The value is not printable ASCII", NULL);
        return true;
}

Map *bios_strings_custom(const Map *wanted, XapiError **error)
{
        Map *map;

        for (uint32_t i = 0; i < wanted->n; i++)
                if (!check(wanted->entries[i].key.s, wanted->entries[i].value.s, error))
                        return NULL;
        map = bios_strings_generic(wanted->type);
        for (uint32_t i = 0; i < wanted->n; i++)
                slot_map(&map, map_with(map, wanted->entries[i].key, wanted->entries[i].value));
        return map;
}
