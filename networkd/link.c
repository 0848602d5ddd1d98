/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include <arpa/inet.h>
#include <string.h>

static void link_free(gpointer data)
{
        Link *link = data;

        g_array_unref(link->addresses);
        g_free(link);
}

Links *links_new(void)
{
        Links *links = g_new0(Links, 1);

        links->links = g_ptr_array_new_with_free_func(link_free);
        links->routes = g_array_new(false, true, sizeof(Route));
        return links;
}

void links_free(Links *links)
{
        if (links == NULL)
                return;
        g_ptr_array_unref(links->links);
        g_array_unref(links->routes);
        g_free(links);
}

Link *links_add(Links *links, int index, const char *name)
{
        Link *link = g_new0(Link, 1);

        link->index = index;
        g_strlcpy(link->name, name, sizeof(link->name));
        link->addresses = g_array_new(false, true, sizeof(Address));
        g_ptr_array_add(links->links, link);
        return link;
}

const Link *links_find(const Links *links, const char *name)
{
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (strcmp(link->name, name) == 0)
                        return link;
        }
        return NULL;
}

const Link *links_by_index(const Links *links, int index)
{
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->index == index)
                        return link;
        }
        return NULL;
}

bool link_is_bridge(const Link *link)
{
        return strcmp(link->kind, LINK_KIND_BRIDGE) == 0;
}

bool link_has_address(const Link *link, const Address *address)
{
        for (guint i = 0; i < link->addresses->len; i++)
                if (address_equal(&g_array_index(link->addresses, Address, i), address))
                        return true;
        return false;
}

const Route *links_gateway(const Links *links, const Link *link, int family)
{
        for (guint i = 0; i < links->routes->len; i++) {
                const Route *route = &g_array_index(links->routes, Route, i);

                if (route->link == link->index && route->to.family == family && route->to.prefix_len == 0)
                        return route;
        }
        return NULL;
}

bool link_name_is_valid(const char *name)
{
        size_t len = strlen(name);

        /* With a "-" first it would be an option of programs that are told it, the DHCP client and its scripts. */
        if (len == 0 || len >= IFNAMSIZ || *name == '-' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return false;
        for (size_t i = 0; i < len; i++)
                if (!g_ascii_isgraph(name[i]) || strchr("/:%", name[i]) != NULL)
                        return false;
        return true;
}

bool link_mac_is_valid(const char *text)
{
        if (strlen(text) != LINK_MAC_SIZE - 1)
                return false;
        for (size_t i = 0; i < LINK_MAC_SIZE - 1; i++)
                if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
                        return false;
        return g_ascii_xdigit_value(text[1]) % 2 == 0 && strcmp(text, "00:00:00:00:00:00") != 0;
}

bool address_parse(int family, const char *text, int64_t prefix_len, Address *ret)
{
        struct in6_addr bytes;
        int max = family == AF_INET ? 32 : 128;

        if (text == NULL || inet_pton(family, text, &bytes) != 1 || prefix_len < 0 || prefix_len > max)
                return false;
        *ret = (Address){ .family = family, .prefix_len = (int)prefix_len };
        inet_ntop(family, &bytes, ret->text, sizeof(ret->text));
        return true;
}

bool address_equal(const Address *a, const Address *b)
{
        return a->family == b->family && a->prefix_len == b->prefix_len && strcmp(a->text, b->text) == 0;
}
