/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uuid.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <glib.h>

static void print(char text[UUID_TEXT_SIZE], const uint8_t b[16])
{
        snprintf(text, UUID_TEXT_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                 b[14], b[15]);
}

static void stamp(uint8_t b[16], unsigned version)
{
        b[6] = (uint8_t)((b[6] & 0x0f) | version << 4);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
}

void uuid_make(char ret_text[UUID_TEXT_SIZE])
{
        uint8_t b[16];

        while (getrandom(b, sizeof(b), 0) != sizeof(b))
                if (errno != EINTR)
                        abort();
        stamp(b, 4);
        print(ret_text, b);
}

void uuid_from_name(char ret_text[UUID_TEXT_SIZE], const char *space, const char *name)
{
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
        uint8_t digest[32];
        gsize len = sizeof(digest);

        g_checksum_update(sum, (const guchar *)space, (gssize)strlen(space) + 1);
        g_checksum_update(sum, (const guchar *)name, (gssize)strlen(name));
        g_checksum_get_digest(sum, digest, &len);
        stamp(digest, 8);
        print(ret_text, digest);
}

bool uuid_is_valid(const char *text)
{
        for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
                        return false;
        }
        return text[UUID_TEXT_SIZE - 1] == '\0';
}
