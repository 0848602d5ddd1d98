// SPDX-License-Identifier: LGPL-2.1-or-later
// The wire format is xen/include/public/io/xs_wire.h's.
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { XS_WRITE = 11, XS_ERROR = 16, PAYLOAD_MAX = 4096 };

typedef struct Header {
        uint32_t type, req_id, tx_id, len;
} Header;

// Returns 0, or -1 with the error's name in `error`.
static int store_write(const char *path, const char *value, size_t value_len, char error[PAYLOAD_MAX + 1])
{
        static char message[sizeof(Header) + PAYLOAD_MAX];
        size_t path_len = strlen(path) + 1;
        Header header = { .type = XS_WRITE, .len = (uint32_t)(path_len + value_len) };
        int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);

        snprintf(error, PAYLOAD_MAX, "%s", strerror(errno));
        if (fd < 0 || path_len + value_len > PAYLOAD_MAX)
                return -1;
        memcpy(message, &header, sizeof header);
        memcpy(message + sizeof header, path, path_len);
        memcpy(message + sizeof header + path_len, value, value_len);
        if (write(fd, message, sizeof header + header.len) < 0 ||
            read(fd, &header, sizeof header) != (ssize_t)sizeof header || header.len > PAYLOAD_MAX ||
            read(fd, error, header.len) != (ssize_t)header.len) {
                snprintf(error, PAYLOAD_MAX, "%s", strerror(errno));
                header.type = XS_ERROR;
        } else
                error[header.len] = '\0';
        close(fd);
        return header.type == XS_ERROR ? -1 : 0;
}

static void flood(const char *path, unsigned long count)
{
        char key[512], error[PAYLOAD_MAX + 1];
        unsigned long i;

        for (i = 0; i < count; i++) {
                snprintf(key, sizeof key, "%s/%lu", path, i);
                if (store_write(key, "x", 1, error))
                        break;
        }
        printf("flood %lu%s%s\n", i, i < count ? " " : "", i < count ? error : "");
}

bool store_obey(char **word)
{
        static char huge[PAYLOAD_MAX];
        char error[PAYLOAD_MAX + 1];
        size_t len;

        if (!word[1] || !word[2])
                return false;
        if (!strcmp(word[0], "flood")) {
                flood(word[1], strtoul(word[2], NULL, 10));
                return true;
        }
        if (!strcmp(word[0], "huge")) {
                len = strtoul(word[2], NULL, 10);
                memset(huge, 0xff, sizeof huge);
                if (store_write(word[1], huge, len > sizeof huge ? sizeof huge : len, error))
                        printf("huge failed: %s\n", error);
                else
                        printf("huge ok\n");
                return true;
        }
        if (strcmp(word[0], "store"))
                return false;
        if (store_write(word[1], word[2], strlen(word[2]), error))
                printf("store failed: %s\n", error);
        else
                printf("store ok\n");
        return true;
}
