/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mac.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

bool mac_is_valid(const char *text)
{
        if (strlen(text) != MAC_TEXT_SIZE - 1)
                return false;
        for (int i = 0; i < MAC_TEXT_SIZE - 1; i++)
                if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
                        return false;
        return true;
}

void mac_from_seed(char ret_text[MAC_TEXT_SIZE], const char *seed, const char *device)
{
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
        uint8_t b[32];
        gsize n = sizeof(b);

        g_checksum_update(sum, (const guchar *)seed, (gssize)strlen(seed) + 1);
        g_checksum_update(sum, (const guchar *)device, (gssize)strlen(device));
        g_checksum_get_digest(sum, b, &n);
        snprintf(ret_text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", (b[0] & 0xfc) | 0x02, b[1], b[2],
                 b[3], b[4], b[5]);
}
