/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ip-address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

bool ip_address_is_valid(int family, const char *text)
{
        unsigned char binary[sizeof(struct in6_addr)];

        return inet_pton(family, text, binary) == 1;
}

static bool is_prefix(int family, const char *text)
{
        size_t n = strspn(text, "0123456789");

        return n >= 1 && n <= 3 && !text[n] && atoi(text) <= (family == AF_INET ? 32 : 128);
}

bool ip_cidr_is_valid(int family, const char *text)
{
        const char *slash = strchr(text, '/');
        char address[INET6_ADDRSTRLEN] = "";

        if (!slash || (size_t)(slash - text) >= sizeof(address))
                return false;
        memcpy(address, text, (size_t)(slash - text));
        return ip_address_is_valid(family, address) && is_prefix(family, slash + 1);
}
