/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-state.h"

#include <errno.h>
#include <stdlib.h>

#include <jansson.h>

static json_t *encode_address(const Address *address)
{
        return json_pack("[i, s, i]", address->family, address->text, address->prefix_len);
}

static json_t *encode_link(const Link *link)
{
        json_t *addresses = json_array();

        for (guint i = 0; i < link->addresses->len; i++)
                json_array_append_new(addresses, encode_address(&g_array_index(link->addresses, Address, i)));
        return json_pack("{s:i, s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:i, s:i, s:i, s:i, s:o}", "index",
                         link->index, "name", link->name, "kind", link->kind, "mac", link->mac, "mtu",
                         (json_int_t)link->mtu, "up", link->up, "ours", link->ours, "loopback",
                         link->loopback, "makes_link_local", link->makes_link_local, "takes", link->takes,
                         "master", link->master, "parent", link->parent, "tag", link->tag, "addresses",
                         addresses);
}

int sim_state_write(const char *path, const Links *links)
{
        json_t *all = json_array(), *routes = json_array(), *json;
        g_autoptr(GError) error = NULL;
        char *text;
        bool ok;

        for (guint i = 0; i < links->links->len; i++)
                json_array_append_new(all, encode_link(g_ptr_array_index(links->links, i)));
        for (guint i = 0; i < links->routes->len; i++) {
                const Route *route = &g_array_index(links->routes, Route, i);

                json_array_append_new(routes,
                                      json_pack("[i, o, s, b]", route->link, encode_address(&route->to),
                                                route->gateway, route->ours));
        }
        json = json_pack("{s:o, s:o}", "links", all, "routes", routes);
        text = json_dumps(json, JSON_INDENT(1));
        json_decref(json);
        ok = g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
        free(text);
        if (ok)
                return 0;
        return error->code == G_FILE_ERROR_NOSPC ? -ENOSPC : -EIO;
}

static bool decode_address(json_t *json, Address *ret)
{
        const char *text;
        int family, prefix_len;

        return json_unpack(json, "[i, s, i]", &family, &text, &prefix_len) == 0 &&
               address_parse(family, text, prefix_len, ret);
}

static bool decode_link(Links *links, json_t *json)
{
        const char *name, *kind, *mac;
        json_t *addresses, *item;
        Address address;
        json_int_t mtu;
        int index, up, ours, loopback, makes_link_local = false, takes = IPV6_IGNORES;
        size_t i;
        Link *link;

        if (json_unpack(json, "{s:i, s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:o, s?b, s?i}", "index", &index,
                        "name", &name, "kind", &kind, "mac", &mac, "mtu", &mtu, "up", &up, "ours", &ours,
                        "loopback", &loopback, "addresses", &addresses, "makes_link_local", &makes_link_local,
                        "takes", &takes) < 0)
                return false;
        link = links_add(links, index, name);
        g_strlcpy(link->kind, kind, sizeof(link->kind));
        g_strlcpy(link->mac, mac, sizeof(link->mac));
        link->mtu = mtu;
        link->up = up;
        link->carrier = up;
        link->ours = ours;
        link->loopback = loopback;
        link->makes_link_local = makes_link_local;
        link->takes = (Ipv6Advertisements)takes;
        if (json_unpack(json, "{s:i, s:i, s:i}", "master", &link->master, "parent", &link->parent, "tag",
                        &link->tag) < 0)
                return false;
        json_array_foreach(addresses, i, item)
        {
                if (!decode_address(item, &address))
                        return false;
                g_array_append_val(link->addresses, address);
        }
        return true;
}

static bool decode_route(Links *links, json_t *json)
{
        const char *gateway;
        Route route = { 0 };
        json_t *to;
        int ours;

        if (json_unpack(json, "[i, o, s, b]", &route.link, &to, &gateway, &ours) < 0 ||
            !decode_address(to, &route.to))
                return false;
        route.ours = ours;
        g_strlcpy(route.gateway, gateway, sizeof(route.gateway));
        g_array_append_val(links->routes, route);
        return true;
}

int sim_state_read(const char *path, Links **ret)
{
        g_autoptr(Links) links = links_new();
        json_t *json, *item;
        bool ok = true;
        size_t i;

        if (!g_file_test(path, G_FILE_TEST_EXISTS))
                return -ENOENT;
        json = json_load_file(path, 0, NULL);
        json_array_foreach(json_object_get(json, "links"), i, item) ok = ok && decode_link(links, item);
        json_array_foreach(json_object_get(json, "routes"), i, item) ok = ok && decode_route(links, item);
        ok = ok && json != NULL;
        json_decref(json);
        if (!ok)
                return -EBADMSG;
        *ret = g_steal_pointer(&links);
        return 0;
}

Links *links_copy(const Links *links)
{
        Links *copy = links_new();

        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);
                Link *made = links_add(copy, link->index, link->name);
                GArray *addresses = made->addresses;

                *made = *link;
                made->addresses = addresses;
                g_array_append_vals(addresses, link->addresses->data, link->addresses->len);
        }
        g_array_append_vals(copy->routes, links->routes->data, links->routes->len);
        return copy;
}
