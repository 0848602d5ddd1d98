/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_cls.h>

/* Where things stand in a frame. A load from beyond its end would end the program with 0, which is TC_ACT_OK: before each,
 * the length has been looked at. */
enum {
        SOURCE_MAC = 6,
        TYPE = 12,
        ARP_FORMAT = 14, /* kinds and sizes of the addresses */
        ARP_SIZES = 18,
        ARP_OPERATION = 20,
        ARP_MAC = 22,
        ARP_SOURCE = 28,
        ARP_TARGET = 38,
        ARP_END = 42,
        IPV4 = 14,
        IPV4_FRAGMENT = 20,
        IPV4_PROTOCOL = 23,
        IPV4_SOURCE = 26,
        IPV4_END = 34,
        IPV6_LENGTH = 18,
        IPV6_NEXT = 20,
        IPV6_SOURCE = 22,
        IPV6_END = 54,
        EXTENSION_BYTES = 8, /* of a fragment's header, and of one with the option of RFC 2711 */
        FRAGMENT_NEXT = 54,
        FRAGMENT_OFFSET = 56,
        DISCOVERY_TARGET = 62,
        DISCOVERY_END = 78,
        DISCOVERY_BYTES = 24,
        OPTION_MAC = 80,
        OPTION_END = 86,
        UDP_TARGET = 2,
        UDP_BYTES = 8,
};

#define DHCP_SERVER   67
#define DHCP_CLIENT   68
#define DHCP6_CLIENT  546
#define NONCE         14  /* RFC 3971, 5.3.2; of duplicate address detection by RFC 7527 */
#define MLD2_REPORT   143 /* RFC 3810 */
#define FIRST_OFFSET6 0xfff8
#define FIRST_OFFSET4 0x1fff

typedef struct Address {
        uint32_t words[4], masks[4];
        int n_words; /* that matter */
} Address;

typedef struct Program {
        GArray *code;
        uint32_t mac_high, mac_low;
        uint32_t link_local[4];
} Program;

/* Jumps that are yet to be told where to. */
typedef GArray Jumps;

static void emit(Program *p, uint16_t code, uint32_t k, uint8_t when_true, uint8_t when_false)
{
        struct sock_filter instruction = { .code = code, .jt = when_true, .jf = when_false, .k = k };
        g_array_append_val(p->code, instruction);
}

static void load(Program *p, uint16_t size, uint32_t offset)
{
        emit(p, BPF_LD | size | BPF_ABS, offset, 0, 0);
}

static void end(Program *p, bool pass)
{
        emit(p, BPF_RET | BPF_K, pass ? TC_ACT_OK : TC_ACT_SHOT, 0, 0);
}

static void jump(Program *p, Jumps *to)
{
        g_array_append_val(to, p->code->len);
        emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* They go on here. */
static void land(Program *p, Jumps *jumps)
{
        for (guint i = 0; i < jumps->len; i++) {
                guint at = g_array_index(jumps, guint, i);
                g_array_index(p->code, struct sock_filter, at).k = p->code->len - at - 1;
        }
        g_array_set_size(jumps, 0);
}

static Jumps *jumps_new(void)
{
        return g_array_new(false, false, sizeof(guint));
}

/* What was loaded is `value`, or the frame is dropped. */
static void require(Program *p, uint32_t value)
{
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
        end(p, false);
}

static void refuse(Program *p, uint32_t value)
{
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        end(p, false);
}

static void jump_if(Program *p, uint32_t value, Jumps *to)
{
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        jump(p, to);
}

static void jump_unless(Program *p, uint32_t value, Jumps *to)
{
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
        jump(p, to);
}

static void require_bytes(Program *p, uint32_t n)
{
        emit(p, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
        emit(p, BPF_JMP | BPF_JGE | BPF_K, n, 1, 0);
        end(p, false);
}

static void require_mac(Program *p, uint32_t offset)
{
        load(p, BPF_W, offset);
        require(p, p->mac_high);
        load(p, BPF_H, offset + 4);
        require(p, p->mac_low);
}

/* Goes on where the words at the offset are these, each as far as its mask, and jumps by one `skip` where not. */
static void compare(Program *p, uint32_t offset, const Address *address)
{
        int left = 1; /* instructions that are skipped where a word differs, with the jump at the end */
        for (int i = address->n_words; i-- > 0;)
                left += 2 + (address->masks[i] != UINT32_MAX);
        for (int i = 0; i < address->n_words; i++) {
                load(p, BPF_W, offset + 4 * (uint32_t)i);
                if (address->masks[i] != UINT32_MAX)
                        emit(p, BPF_ALU | BPF_AND | BPF_K, address->masks[i], 0, 0);
                left -= 2 + (address->masks[i] != UINT32_MAX);
                emit(p, BPF_JMP | BPF_JEQ | BPF_K, address->words[i], 0, (uint8_t)left);
        }
}

static void jump_if_among(Program *p, uint32_t offset, const GArray *addresses, Jumps *to)
{
        for (guint i = 0; i < addresses->len; i++) {
                compare(p, offset, &g_array_index(addresses, Address, i));
                jump(p, to);
        }
}

static void require_among(Program *p, uint32_t offset, const GArray *addresses)
{
        g_autoptr(GArray) found = jumps_new();
        jump_if_among(p, offset, addresses, found);
        end(p, false);
        land(p, found);
}

static void jump_if_address(Program *p, uint32_t offset, const uint32_t words[4], Jumps *to)
{
        Address address = { .n_words = 4 };
        for (int i = 0; i < 4; i++) {
                address.words[i] = words[i];
                address.masks[i] = UINT32_MAX;
        }
        compare(p, offset, &address);
        jump(p, to);
}

/* ---- IPv4 ---- */

static void filter_arp(Program *p, const GArray *addresses)
{
        g_autoptr(GArray) known = jumps_new();
        require_bytes(p, ARP_END);
        load(p, BPF_W, ARP_FORMAT);
        require(p, 1u << 16 | ETHERTYPE_IP);
        load(p, BPF_H, ARP_SIZES);
        require(p, 6 << 8 | 4);
        require_mac(p, ARP_MAC);
        load(p, BPF_W, ARP_SOURCE);
        jump_unless(p, 0, known);
        load(p, BPF_H, ARP_OPERATION);
        require(p, 1);
        require_among(p, ARP_TARGET, addresses);
        end(p, true);
        land(p, known);
        require_among(p, ARP_SOURCE, addresses);
        end(p, true);
}

static void filter_udp4(Program *p)
{
        g_autoptr(GArray) other = jumps_new();
        load(p, BPF_B, IPV4_PROTOCOL);
        jump_unless(p, IPPROTO_UDP, other);
        load(p, BPF_H, IPV4_FRAGMENT);
        emit(p, BPF_JMP | BPF_JSET | BPF_K, FIRST_OFFSET4, 0, 1);
        jump(p, other);
        emit(p, BPF_LDX | BPF_B | BPF_MSH, IPV4, 0, 0);
        emit(p, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
        emit(p, BPF_ALU | BPF_SUB | BPF_X, 0, 0, 0);
        emit(p, BPF_JMP | BPF_JGE | BPF_K, IPV4 + UDP_BYTES, 1, 0);
        end(p, false);
        emit(p, BPF_LD | BPF_H | BPF_IND, IPV4 + UDP_TARGET, 0, 0);
        refuse(p, DHCP_CLIENT);
        jump_unless(p, DHCP_SERVER, other);
        emit(p, BPF_LD | BPF_H | BPF_IND, IPV4, 0, 0);
        jump_unless(p, DHCP_CLIENT, other);
        load(p, BPF_W, IPV4_SOURCE);
        jump_unless(p, 0, other);
        end(p, true);
        land(p, other);
}

static void filter_ipv4(Program *p, const GArray *addresses)
{
        require_bytes(p, IPV4_END);
        load(p, BPF_B, IPV4);
        emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x45, 0, 1);
        emit(p, BPF_JMP | BPF_JGT | BPF_K, 0x4f, 0, 1);
        end(p, false);
        filter_udp4(p);
        require_among(p, IPV4_SOURCE, addresses);
        end(p, true);
}

/* ---- IPv6 ---- */

/* Of what a frame is checked for at its end, and of the ways there. */
typedef struct Ways {
        Jumps *source; /* it is from an address of the guest's */
        Jumps *target; /* it tells of an address of the guest's, and the same unless it is from no address */
        Jumps *early;  /* it may be from no address, or from the usual link-local one */
} Ways;

static void jump_if_plain(Program *p, Jumps *to)
{
        static const uint8_t plain[] = { IPPROTO_TCP,  IPPROTO_DCCP, IPPROTO_GRE,
                                         IPPROTO_ESP,  IPPROTO_NONE, IPPROTO_SCTP,
                                         IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_UDPLITE };
        for (size_t i = 0; i < sizeof plain; i++)
                jump_if(p, plain[i], to);
}

static void refuse_udp6_answer(Program *p, uint32_t offset)
{
        require_bytes(p, offset + UDP_BYTES);
        load(p, BPF_H, offset + UDP_TARGET);
        refuse(p, DHCP6_CLIENT);
}

static void jump_if_harmless(Program *p, Jumps *to)
{
        static const uint8_t harmless[] = { ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED,
                                            ICMP6_PARAM_PROB,  ICMP6_ECHO_REQUEST,   ICMP6_ECHO_REPLY };
        for (size_t i = 0; i < sizeof harmless; i++)
                jump_if(p, harmless[i], to);
}

/* In fragments there is no neighbour discovery (RFC 6980). */
static void filter_fragment(Program *p, const Ways *ways)
{
        g_autoptr(GArray) udp = jumps_new();
        uint32_t start = IPV6_END + EXTENSION_BYTES;
        require_bytes(p, start);
        load(p, BPF_B, FRAGMENT_NEXT);
        jump_if_plain(p, ways->source);
        jump_if(p, IPPROTO_UDP, udp);
        require(p, IPPROTO_ICMPV6);
        load(p, BPF_H, FRAGMENT_OFFSET);
        emit(p, BPF_JMP | BPF_JSET | BPF_K, FIRST_OFFSET6, 0, 1);
        jump(p, ways->source);
        require_bytes(p, start + 1);
        load(p, BPF_B, start);
        jump_if_harmless(p, ways->source);
        end(p, false);
        land(p, udp);
        load(p, BPF_H, FRAGMENT_OFFSET);
        emit(p, BPF_JMP | BPF_JSET | BPF_K, FIRST_OFFSET6, 0, 1);
        jump(p, ways->source);
        refuse_udp6_answer(p, start);
        jump(p, ways->source);
}

/* At most one option, which gives the guest's own MAC address if it gives one. */
static void require_option(Program *p, uint8_t kind, bool or_nonce)
{
        g_autoptr(GArray) good = jumps_new();
        require_bytes(p, DISCOVERY_END);
        load(p, BPF_H, IPV6_LENGTH);
        jump_if(p, DISCOVERY_BYTES, good);
        require(p, DISCOVERY_BYTES + 8);
        require_bytes(p, OPTION_END);
        load(p, BPF_B, DISCOVERY_END);
        if (or_nonce)
                jump_if(p, NONCE, good);
        require(p, kind);
        require_mac(p, OPTION_MAC);
        land(p, good);
}

static void filter_discovery(Program *p, const Ways *ways, const uint32_t nobody[4])
{
        g_autoptr(GArray) advertisement = jumps_new(), dropped = jumps_new();
        jump_if(p, ND_ROUTER_SOLICIT, ways->early);
        jump_if(p, ND_NEIGHBOR_ADVERT, advertisement);
        require(p, ND_NEIGHBOR_SOLICIT);
        require_option(p, ND_OPT_SOURCE_LINKADDR, true);
        jump_if_address(p, IPV6_SOURCE, nobody, ways->target);
        jump(p, ways->source);
        land(p, advertisement);
        require_option(p, ND_OPT_TARGET_LINKADDR, false);
        jump_if_address(p, IPV6_SOURCE, nobody, dropped);
        jump(p, ways->target);
        land(p, dropped);
        end(p, false);
}

/* Reports of multicast group membership, which alone have an option before them. */
static void filter_options(Program *p, const Ways *ways)
{
        require_bytes(p, IPV6_END + EXTENSION_BYTES + 4);
        load(p, BPF_H, IPV6_END);
        require(p, IPPROTO_ICMPV6 << 8);
        load(p, BPF_B, IPV6_END + EXTENSION_BYTES);
        jump_if(p, MLD_LISTENER_REPORT, ways->early);
        jump_if(p, MLD_LISTENER_REDUCTION, ways->early);
        require(p, MLD2_REPORT);
        jump(p, ways->early);
}

static void filter_ends(Program *p, const Ways *ways, const GArray *addresses, const uint32_t nobody[4])
{
        g_autoptr(GArray) passes = jumps_new();
        land(p, ways->early);
        jump_if_address(p, IPV6_SOURCE, nobody, passes);
        jump_if_address(p, IPV6_SOURCE, p->link_local, passes);
        jump(p, ways->source);
        land(p, ways->target);
        require_among(p, DISCOVERY_TARGET, addresses);
        jump_if_address(p, IPV6_SOURCE, nobody, passes);
        land(p, ways->source);
        require_among(p, IPV6_SOURCE, addresses);
        land(p, passes);
        end(p, true);
}

static void filter_ipv6(Program *p, const GArray *addresses)
{
        static const uint32_t nobody[4];
        g_autoptr(GArray) source = jumps_new(), target = jumps_new(), early = jumps_new(),
                          fragment = jumps_new(), options = jumps_new(), udp = jumps_new();
        Ways ways = { .source = source, .target = target, .early = early };
        require_bytes(p, IPV6_END);
        load(p, BPF_B, IPV4);
        emit(p, BPF_ALU | BPF_AND | BPF_K, 0xf0, 0, 0);
        require(p, 0x60);
        load(p, BPF_B, IPV6_NEXT);
        jump_if_plain(p, source);
        jump_if(p, IPPROTO_UDP, udp);
        jump_if(p, IPPROTO_FRAGMENT, fragment);
        jump_if(p, IPPROTO_HOPOPTS, options);
        require(p, IPPROTO_ICMPV6);
        require_bytes(p, IPV6_END + 4);
        load(p, BPF_B, IPV6_END);
        jump_if_harmless(p, source);
        filter_discovery(p, &ways, nobody);
        land(p, udp);
        refuse_udp6_answer(p, IPV6_END);
        jump(p, source);
        land(p, fragment);
        filter_fragment(p, &ways);
        land(p, options);
        filter_options(p, &ways);
        filter_ends(p, &ways, addresses, nobody);
}

/* ---- all of it ---- */

/* "10.0.0.1", "fd00::/8" */
static int parse_address(int family, const char *text, Address *ret)
{
        unsigned char bytes[sizeof(struct in6_addr)];
        const char *slash = strchr(text, '/');
        g_autofree char *plain = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
        uint64_t bits = family == AF_INET ? 32 : 128;
        if (inet_pton(family, plain, bytes) != 1 ||
            (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0, bits, &bits, NULL)))
                return -EINVAL;
        *ret = (Address){ .n_words = (int)((bits + 31) / 32) };
        for (int i = 0; i < ret->n_words; i++) {
                uint64_t rest = bits - 32 * (uint64_t)i;
                memcpy(&ret->words[i], bytes + 4 * i, 4);
                ret->masks[i] = rest >= 32 ? UINT32_MAX : ~(UINT32_MAX >> rest);
                ret->words[i] = ntohl(ret->words[i]) & ret->masks[i];
        }
        return 0;
}

static int parse_addresses(int family, const BusStrings *texts, GArray *ret)
{
        if (texts->n > XL_FILTER_ADDRESSES_MAX)
                return -E2BIG;
        for (size_t i = 0; i < texts->n; i++) {
                Address address;
                int r = parse_address(family, texts->items[i], &address);
                if (r < 0)
                        return r;
                g_array_append_val(ret, address);
        }
        return 0;
}

static void filter_all(Program *p, const GArray *addresses4, const GArray *addresses6)
{
        g_autoptr(GArray) arp = jumps_new(), ipv4 = jumps_new(), ipv6 = jumps_new();
        load(p, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
        require(p, 0);
        require_bytes(p, ETHER_HDR_LEN);
        require_mac(p, SOURCE_MAC);
        load(p, BPF_H, TYPE);
        jump_if(p, ETHERTYPE_ARP, arp);
        jump_if(p, ETHERTYPE_IP, ipv4);
        jump_if(p, ETHERTYPE_IPV6, ipv6);
        end(p, false);
        land(p, arp);
        filter_arp(p, addresses4);
        land(p, ipv4);
        filter_ipv4(p, addresses4);
        land(p, ipv6);
        filter_ipv6(p, addresses6);
}

int xl_filter_program(const unsigned char mac[6], const XenopsLockedAddresses *locked, GArray **ret)
{
        g_autoptr(GArray) addresses4 = g_array_new(false, false, sizeof(Address)),
                          addresses6 = g_array_new(false, false, sizeof(Address));
        Program p = {
                .mac_high = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3],
                .mac_low = (uint32_t)mac[4] << 8 | mac[5],
                .link_local = { 0xfe800000, 0,
                                (uint32_t)(mac[0] ^ 2) << 24 | (uint32_t)mac[1] << 16 |
                                    (uint32_t)mac[2] << 8 | 0xff,
                                0xfe000000 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5] }
        };
        int r = parse_addresses(AF_INET, &locked->ipv4, addresses4);
        if (r == 0)
                r = parse_addresses(AF_INET6, &locked->ipv6, addresses6);
        if (r < 0)
                return r;
        p.code = g_array_new(false, false, sizeof(struct sock_filter));
        filter_all(&p, addresses4, addresses6);
        g_assert(p.code->len <= BPF_MAXINSNS);
        *ret = p.code;
        return 0;
}
