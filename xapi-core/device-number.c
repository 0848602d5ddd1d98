/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST_LETTER    'p' /* sixteen disks have a name */
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
                if (userdevice[length + 1] && (!parse_int(userdevice + length + 1, &n.partition) ||
                                               n.partition < 1 || n.partition > PARTITIONS_MAX))
                        return false;
                *ret = n;
                return true;
        }
        return false;
}

/* Disks are counted in letters: a to z, aa, ab... */
static char *put_letters(int64_t disk, char *end)
{
        for (; disk >= 0; disk = disk / 26 - 1)
                *--end = (char)('a' + disk % 26);
        return end;
}

#define LETTERS_MAX        6
#define LETTERED_DISKS_MAX 100000000 /* what that many letters can name */

void device_number_name(const DeviceNumber *n, char ret_name[DEVICE_NAME_SIZE])
{
        static const char *const PREFIX[] = {
                [DEVICE_BUS_XEN] = "xvd", [DEVICE_BUS_SCSI] = "sd", [DEVICE_BUS_IDE] = "hd"
        };
        char letters[LETTERS_MAX + 1] = "";

        ret_name[0] = '\0';
        if (n->disk < 0 || n->disk > LETTERED_DISKS_MAX)
                return;
        snprintf(ret_name, DEVICE_NAME_SIZE, "%s%s", PREFIX[n->bus],
                 put_letters(n->disk, letters + LETTERS_MAX));
        if (n->partition > 0 && n->partition <= PARTITIONS_MAX)
                snprintf(ret_name + strlen(ret_name), DEVICE_NAME_SIZE - strlen(ret_name), "%d",
                         (int)n->partition);
}
