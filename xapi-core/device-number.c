/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LAST_LETTER 'p' /* sixteen disks have a name */
#define PARTITIONS_MAX 63

static bool parse_int(const char *text, int64_t *ret)
{
        char *end;
        long long v;

        if (!*text || strspn(text, "-0123456789") != strlen(text))
                return false;
        errno = 0;
        v = strtoll(text, &end, 10);
        *ret = v;
        return !*end && errno == 0;
}

bool device_number_parse(const char *userdevice, DeviceNumber *ret)
{
        static const struct {
                const char *prefix;
                DeviceBus bus;
        } NAMES[] = { { "xvd", DEVICE_BUS_XEN }, { "hd", DEVICE_BUS_IDE }, { "sd", DEVICE_BUS_SCSI } };
        DeviceNumber n = { 0 };

        if (parse_int(userdevice, &n.disk)) {
                *ret = n;
                return true;
        }
        for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
                size_t length = strlen(NAMES[i].prefix);
                char letter;

                if (strncmp(userdevice, NAMES[i].prefix, length) != 0)
                        continue;
                letter = userdevice[length];
                if (letter < 'a' || letter > LAST_LETTER)
                        return false;
                n.bus = NAMES[i].bus;
                n.disk = letter - 'a';
                if (userdevice[length + 1] &&
                    (!parse_int(userdevice + length + 1, &n.partition) || n.partition < 1 || n.partition > PARTITIONS_MAX))
                        return false;
                *ret = n;
                return true;
        }
        return false;
}
