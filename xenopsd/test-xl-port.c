/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What passes a guest's port: frames are sent into one end of a cable whose other end is the port, in a network namespace of
 * the test's own, and looked for at another port of the bridge. */
#include "xl-port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "xl-filter.h"

#define PORT        "vif9.0"
#define PATIENCE_MS 60000
#define FRAME_BYTES 256
#define GUEST_MAC   "\x00\x16\x3e\x00\x00\x01"
#define OTHER_MAC   "\x00\x16\x3e\x00\x00\x02"
#define GUEST_LOCAL "fe80::216:3eff:fe00:1"
#define EVERYBODY   "\xff\xff\xff\xff\xff\xff"

static int guest = -1, far = -1; /* packet sockets */

/* ---- frames ---- */

typedef GByteArray Frame;

static void add(Frame *frame, const void *data, guint n)
{
        g_byte_array_append(frame, data, n);
}

static void add_hex(Frame *frame, const char *hex)
{
        for (; *hex; hex += 2) {
                guint8 byte = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
                add(frame, &byte, 1);
        }
}

static void add_address(Frame *frame, const char *text)
{
        unsigned char bytes[16];
        int family = strchr(text, ':') ? AF_INET6 : AF_INET;
        g_assert_cmpint(inet_pton(family, text, bytes), ==, 1);
        add(frame, bytes, family == AF_INET ? 4 : 16);
}

static Frame *frame_of(const char *mac, const char *type_hex)
{
        Frame *frame = g_byte_array_new();
        add(frame, EVERYBODY, 6);
        add(frame, mac, 6);
        add_hex(frame, type_hex);
        return frame;
}

static Frame *arp(const char *operation_hex, const char *mac, const char *source, const char *target)
{
        Frame *frame = frame_of(GUEST_MAC, "0806"
                                           "0001"
                                           "0800"
                                           "0604");
        add_hex(frame, operation_hex);
        add(frame, mac, 6);
        add_address(frame, source);
        add_hex(frame, "000000000000");
        add_address(frame, target);
        return frame;
}

/* With a whole header: a bridge may look at it. */
static Frame *ipv4(const char *mac, const char *source, const char *fragment_hex, const char *protocol_hex,
                   const char *payload_hex)
{
        Frame *frame = frame_of(mac, "0800");
        g_autofree char *bytes = g_strdup_printf(
            "4500%04x0001%s40%s0000", (guint)(20 + strlen(payload_hex) / 2), fragment_hex, protocol_hex);
        guint32 sum = 0;
        add_hex(frame, bytes);
        add_address(frame, source);
        add_address(frame, "192.0.2.99");
        for (int i = 14; i < 34; i += 2)
                sum += (guint32)frame->data[i] << 8 | frame->data[i + 1];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = ~((sum & 0xffff) + (sum >> 16));
        frame->data[24] = (guint8)(sum >> 8);
        frame->data[25] = (guint8)sum;
        add_hex(frame, payload_hex);
        return frame;
}

static Frame *ipv6(const char *source, const char *next_hex, const char *payload_hex)
{
        Frame *frame = frame_of(GUEST_MAC, "86dd60000000");
        guint8 bytes[2] = { 0, (guint8)(strlen(payload_hex) / 2) };
        add(frame, bytes, 2);
        add_hex(frame, next_hex);
        add_hex(frame, "ff");
        add_address(frame, source);
        add_address(frame, "ff02::1");
        add_hex(frame, payload_hex);
        return frame;
}

/* Neighbour discovery's, with an option. */
static Frame *discovery(const char *source, const char *type_hex, const char *target, const char *option_hex)
{
        unsigned char bytes[16];
        g_autoptr(GString) payload = g_string_new(type_hex);
        g_string_append(payload, "00000000000000");
        g_assert_cmpint(inet_pton(AF_INET6, target, bytes), ==, 1);
        for (size_t i = 0; i < sizeof bytes; i++)
                g_string_append_printf(payload, "%02x", bytes[i]);
        g_string_append(payload, option_hex);
        return ipv6(source, "3a", payload->str);
}

/* ---- the wire ---- */

static int packet_socket(const char *name)
{
        struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                       .sll_protocol = htons(ETH_P_ALL),
                                       .sll_ifindex = (int)if_nametoindex(name) };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
        return fd;
}

static void transmit(const Frame *frame)
{
        g_assert_cmpint(send(guest, frame->data, frame->len, 0), ==, frame->len);
}

/* A frame that always passes, a router solicitation from no address; each is another. */
static Frame *sentinel_new(void)
{
        static guint n;
        g_autofree char *payload = g_strdup_printf("85000000%08x", ++n);
        return ipv6("::", "3a", payload);
}

/* Until that frame arrives. *ret_others: whether any did before it. False: it is late. */
static bool await_frame(const Frame *frame, int msec, bool *ret_others)
{
        unsigned char bytes[FRAME_BYTES];
        *ret_others = false;
        for (;;) {
                struct pollfd wait = { .fd = far, .events = POLLIN };
                struct sockaddr_ll from;
                socklen_t size = sizeof from;
                if (poll(&wait, 1, msec) != 1)
                        return false;
                ssize_t n = recvfrom(far, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
                g_assert_cmpint(n, >, 0);
                if (from.sll_pkttype == PACKET_OUTGOING)
                        continue;
                if ((guint)n == frame->len && memcmp(bytes, frame->data, frame->len) == 0)
                        return true;
                *ret_others = true;
        }
}

/* Whether the frame arrives before one that is sent after it. Takes it. */
static bool passes(Frame *taken)
{
        Frame *sentinel = sentinel_new();
        bool seen;
        transmit(taken);
        transmit(sentinel);
        g_assert_true(await_frame(sentinel, PATIENCE_MS, &seen));
        g_byte_array_unref(taken);
        g_byte_array_unref(sentinel);
        return seen;
}

/* The bridge takes frames of a port when the kernel has told it, later, that there is a carrier. */
static void connect_port(const XenopsVif *vif)
{
        bool there = false, ignored;
        g_assert_cmpint(xl_port_connect(PORT, vif), ==, 0);
        for (gint64 until = g_get_monotonic_time() + PATIENCE_MS * 1000; !there;) {
                Frame *sentinel = sentinel_new();
                transmit(sentinel);
                there = await_frame(sentinel, 20, &ignored);
                g_byte_array_unref(sentinel);
                g_assert_cmpint(g_get_monotonic_time(), <, until);
        }
}

static void run(const char *lines)
{
        g_autofree char *command = g_strdup_printf("ip -batch - <<'END'\n%s\nEND\n", lines);
        const char *argv[] = { "sh", "-c", command, NULL };
        g_autoptr(GError) error = NULL;
        int status;
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error);
        g_assert_no_error(error);
        g_assert_cmpint(status, ==, 0);
}

static void lay_cables(void)
{
        cpu_set_t one;
        int cpu = sched_getcpu();
        /* On one processor frames stay in their order. */
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        g_assert_cmpint(sched_setaffinity(0, sizeof one, &one), ==, 0);
        g_assert_cmpint(unshare(CLONE_NEWNET | CLONE_NEWNS), ==, 0);
        g_assert_cmpint(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
        g_assert_cmpint(mount("sysfs", "/sys", "sysfs", 0, NULL), ==,
                        0); /* which is of a network namespace */
        int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
        g_assert_true(fd < 0 || write(fd, "1", 1) == 1);
        close(fd);
        run("link add name br0 type bridge mcast_snooping 0\n"
            "link add name br1 type bridge mcast_snooping 0\n"
            "link add name guest0 type veth peer name " PORT "\n"
            "link add name port0 type veth peer name far0\n"
            "link set port0 master br0 up\n"
            "link set far0 up\nlink set guest0 up\nlink set br0 up\nlink set br1 up");
        guest = packet_socket("guest0");
        far = packet_socket("far0");
}

/* ---- what is asked for ---- */

static XenopsVif vif_of(XenopsLockingModeTag mode, const char *const *v4, size_t n4, const char *const *v6,
                        size_t n6)
{
        XenopsVif vif = { .mac = (char *)"00:16:3e:00:00:01",
                          .mtu = 1500,
                          .carrier = true,
                          .backend = { .tag = XENOPS_NETWORK_LOCAL, .local = (char *)"br0" },
                          .locking_mode = { .tag = mode } };
        vif.locking_mode.locked.ipv4 = (BusStrings){ .n = n4, .items = (char **)v4 };
        vif.locking_mode.locked.ipv6 = (BusStrings){ .n = n6, .items = (char **)v6 };
        return vif;
}

static void lock_to(const char *v4, const char *v6)
{
        const XenopsVif vif = vif_of(XENOPS_LOCKING_MODE_LOCKED, &v4, v4 != NULL, &v6, v6 != NULL);
        connect_port(&vif);
}

static void unlock(void)
{
        const XenopsVif vif = vif_of(XENOPS_LOCKING_MODE_UNLOCKED, NULL, 0, NULL, 0);
        connect_port(&vif);
}

#define UDP(from, to) from to "00080000"

static void test_ipv4(void)
{
        lock_to("10.0.0.7", NULL);
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.0.7", "0000", "06", "0000")));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.0.8", "0000", "06", "0000")));
        g_assert_false(passes(ipv4(OTHER_MAC, "10.0.0.7", "0000", "06", "0000")));
        /* A question for an address passes, an answer does not, whatever it says it is. */
        g_assert_true(passes(ipv4(GUEST_MAC, "0.0.0.0", "0000", "11", UDP("0044", "0043"))));
        g_assert_false(passes(ipv4(GUEST_MAC, "0.0.0.0", "0000", "11", UDP("0045", "0043"))));
        g_assert_false(passes(ipv4(GUEST_MAC, "0.0.0.0", "0000", "06", UDP("0044", "0043"))));
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.0.7", "0000", "11", UDP("1000", "0035"))));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.0.7", "0000", "11", UDP("0043", "0044"))));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.0.7", "2000", "11", UDP("0043", "0044"))));
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.0.7", "0001", "11", UDP("0043", "0044"))));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.0.8", "0001", "11", UDP("0043", "0044"))));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.0.7", "0000", "11", "00430044000800")));
        unlock();
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.0.8", "0000", "06", "0000")));
        g_assert_true(passes(ipv4(OTHER_MAC, "10.0.0.8", "0000", "11", UDP("0043", "0044"))));
}

static void test_arp(void)
{
        lock_to("10.0.0.7", NULL);
        g_assert_true(passes(arp("0001", GUEST_MAC, "10.0.0.7", "10.0.0.1")));
        g_assert_true(passes(arp("0002", GUEST_MAC, "10.0.0.7", "10.0.0.1")));
        g_assert_false(passes(arp("0001", GUEST_MAC, "10.0.0.1", "10.0.0.7")));
        g_assert_false(passes(arp("0002", GUEST_MAC, "10.0.0.1", "10.0.0.9")));
        g_assert_false(passes(arp("0002", OTHER_MAC, "10.0.0.7", "10.0.0.9")));
        g_assert_true(passes(arp("0001", GUEST_MAC, "0.0.0.0", "10.0.0.7")));
        g_assert_false(passes(arp("0001", GUEST_MAC, "0.0.0.0", "10.0.0.1")));
        g_assert_false(passes(arp("0002", GUEST_MAC, "0.0.0.0", "10.0.0.7")));
        unlock();
        g_assert_true(passes(arp("0002", OTHER_MAC, "10.0.0.1", "10.0.0.9")));
}

static void test_ipv6(void)
{
        static const char target_mac[] = "020100163e000001", source_mac[] = "010100163e000001",
                          other_target[] = "020100163e000002", other_source[] = "010100163e000002";
        lock_to(NULL, "fd00::7");
        g_assert_true(passes(ipv6("fd00::7", "06", "")));
        g_assert_false(passes(ipv6("fd00::8", "06", "")));
        g_assert_false(passes(ipv6(GUEST_LOCAL, "06", "")));
        g_assert_true(passes(ipv6("fd00::7", "3a", "80000000")));
        g_assert_false(passes(ipv6("fd00::8", "3a", "80000000")));
        /* Routers, and those that send traffic elsewhere. */
        g_assert_false(passes(ipv6("fd00::7", "3a", "8600000000000000")));
        g_assert_false(passes(ipv6("fd00::7", "3a", "8900000000000000")));
        g_assert_true(passes(ipv6("fd00::7", "3a", "85000000")));
        g_assert_false(passes(ipv6("fe80::9", "3a", "85000000")));
        /* Neighbours. */
        g_assert_true(passes(discovery("fd00::7", "88", "fd00::7", "")));
        g_assert_true(passes(discovery("fd00::7", "88", "fd00::7", target_mac)));
        g_assert_false(passes(discovery("fd00::7", "88", "fd00::7", other_target)));
        g_assert_false(passes(discovery("fd00::7", "88", "fd00::1", target_mac)));
        g_assert_false(passes(discovery("fd00::1", "88", "fd00::1", target_mac)));
        g_assert_false(passes(discovery("::", "88", "fd00::7", target_mac)));
        g_assert_true(passes(discovery("fd00::7", "87", "fd00::1", source_mac)));
        g_assert_false(passes(discovery("fd00::7", "87", "fd00::1", other_source)));
        g_assert_false(passes(discovery("fd00::1", "87", "fd00::9", source_mac)));
        g_assert_true(passes(discovery("::", "87", "fd00::7", "")));
        g_assert_true(passes(discovery("::", "87", "fd00::7", "0e01112233445566")));
        g_assert_false(passes(discovery("::", "87", "fd00::1", "")));
        /* Servers of addresses. */
        g_assert_false(passes(ipv6("fd00::7", "11", UDP("0223", "0222"))));
        g_assert_true(passes(ipv6("fd00::7", "11", UDP("0222", "0223"))));
        unlock();
        g_assert_true(passes(discovery("fd00::1", "88", "fd00::1", other_target)));
        g_assert_true(passes(ipv6("fd00::8", "3a", "8600000000000000")));
}

/* What stands behind other headers. */
static void test_ipv6_extensions(void)
{
        lock_to(NULL, "fd00::7");
        /* Router advertisements behind options, a destination's, a routing header, a fragment's. */
        g_assert_false(passes(ipv6("fd00::7", "00",
                                   "3a00050200000000"
                                   "8600000000000000")));
        g_assert_false(passes(ipv6("fd00::7", "3c",
                                   "3a00010400000000"
                                   "8600000000000000")));
        g_assert_false(passes(ipv6("fd00::7", "2b",
                                   "3a00000000000000"
                                   "8600000000000000")));
        g_assert_false(passes(ipv6("fd00::7", "2c",
                                   "3a00000100000000"
                                   "8600000000000000")));
        g_assert_false(passes(ipv6("fd00::7", "2c",
                                   "3c00000100000000"
                                   "3a00010400000000"
                                   "86000000")));
        g_assert_false(passes(ipv6("fd00::7", "00",
                                   "3c00050200000000"
                                   "3a00010400000000"
                                   "86000000")));
        g_assert_false(passes(ipv6("fd00::7", "2c", "1100000100000000" UDP("0223", "0222"))));
        /* Echo, data and reports of membership. */
        g_assert_true(passes(ipv6("fd00::7", "2c",
                                  "3a00000100000000"
                                  "80000000")));
        g_assert_true(passes(ipv6("fd00::7", "2c",
                                  "3a00000900000000"
                                  "86000000")));
        g_assert_true(passes(ipv6("fd00::7", "2c", "1100000100000000" UDP("0222", "0223"))));
        g_assert_false(passes(ipv6("fd00::8", "2c", "1100000900000000" UDP("0222", "0223"))));
        g_assert_true(passes(ipv6("::", "00",
                                  "3a00050200000000"
                                  "8f000000")));
        g_assert_true(passes(ipv6(GUEST_LOCAL, "00",
                                  "3a00050200000000"
                                  "8f000000")));
        g_assert_false(passes(ipv6("fe80::9", "00",
                                   "3a00050200000000"
                                   "8f000000")));
        g_assert_false(passes(ipv6("::", "00",
                                   "3a00050200000000"
                                   "82000000")));
}

/* Every frame that ends too soon for what it says it is. */
static void test_short_and_other(void)
{
        lock_to("10.0.0.7", "fd00::7");
        Frame *whole[] = { ipv4(GUEST_MAC, "10.0.0.7", "0000", "11", UDP("0043", "0044")),
                           arp("0002", GUEST_MAC, "10.0.0.1", "10.0.0.9"),
                           discovery("fd00::7", "88", "fd00::1", ""),
                           ipv6("fd00::7", "11", UDP("0223", "0222")),
                           ipv6("fd00::7", "2c",
                                "3a00000100000000"
                                "86000000") };
        for (size_t i = 0; i < G_N_ELEMENTS(whole); i++) {
                for (guint n = 15; n <= whole[i]->len; n++) {
                        Frame *cut = g_byte_array_new();
                        add(cut, whole[i]->data, n);
                        g_assert_false(passes(cut));
                }
                g_byte_array_unref(whole[i]);
        }
        Frame *frame = frame_of(GUEST_MAC, "81000007"
                                           "0800");
        add_hex(frame, "450000400001000040060000"
                       "0a000007"
                       "ffffffff");
        g_assert_false(passes(frame));
        g_assert_false(passes(frame_of(GUEST_MAC, "0026"
                                                  "424203")));
        g_assert_false(passes(frame_of(GUEST_MAC, "8035"
                                                  "0001")));
        unlock();
        g_assert_true(passes(frame_of(GUEST_MAC, "8035"
                                                 "0001")));
}

static void test_networks(void)
{
        lock_to("10.1.0.0/16", "fd00:7::/33");
        g_assert_true(passes(ipv4(GUEST_MAC, "10.1.255.1", "0000", "06", "")));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.2.0.1", "0000", "06", "")));
        g_assert_true(passes(arp("0001", GUEST_MAC, "10.1.2.3", "10.1.0.1")));
        g_assert_true(passes(ipv6("fd00:7:7fff::1", "06", "")));
        g_assert_false(passes(ipv6("fd00:7:8000::1", "06", "")));
        lock_to("0.0.0.0/0", "::/0");
        g_assert_true(passes(ipv4(GUEST_MAC, "192.0.2.1", "0000", "06", "")));
        g_assert_true(passes(ipv6("2001:db8::1", "06", "")));
        g_assert_false(passes(ipv6("2001:db8::1", "3a", "8600000000000000")));
}

static void test_number_of_addresses(void)
{
        g_autoptr(GPtrArray) v4 = g_ptr_array_new_with_free_func(g_free),
                             v6 = g_ptr_array_new_with_free_func(g_free);
        for (int i = 0; i <= XL_FILTER_ADDRESSES_MAX; i++) {
                g_ptr_array_add(v4, g_strdup_printf("10.0.%d.0/25", i));
                g_ptr_array_add(v6, g_strdup_printf("fd00::%x:0/113", i));
        }
        XenopsVif vif =
            vif_of(XENOPS_LOCKING_MODE_LOCKED, (const char *const *)v4->pdata, XL_FILTER_ADDRESSES_MAX,
                   (const char *const *)v6->pdata, XL_FILTER_ADDRESSES_MAX);
        connect_port(&vif);
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.99.1", "0000", "06", "")));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.100.1", "0000", "06", "")));
        g_assert_true(passes(discovery("fd00::63:1", "88", "fd00::63:2", "")));
        g_assert_false(passes(discovery("fd00::63:1", "88", "fd00::64:2", "")));
        vif.locking_mode.locked.ipv4.n++;
        g_assert_cmpint(xl_port_connect(PORT, &vif), ==, -E2BIG);
        vif.locking_mode.locked.ipv4.n = 0;
        vif.locking_mode.locked.ipv6.n++;
        g_assert_cmpint(xl_port_connect(PORT, &vif), ==, -E2BIG);
        /* The filter that was there still is. */
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.99.1", "0000", "06", "")));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.100.1", "0000", "06", "")));
        static const char *const bad[] = { "10.0.0", "fd00::1", "10.0.0.1/33", "10.0.0.1/", "" };
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                vif = vif_of(XENOPS_LOCKING_MODE_LOCKED, &bad[i], 1, NULL, 0);
                g_assert_cmpint(xl_port_connect(PORT, &vif), ==, -EINVAL);
        }
}

static bool is_up(const char *name)
{
        struct ifreq request = { 0 };
        g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
        g_assert_cmpint(ioctl(guest, SIOCGIFFLAGS, &request), ==, 0);
        return request.ifr_flags & IFF_UP;
}

/* A disabled port is down; another bridge changes nothing of the lock. */
static void test_disabled_and_moved(void)
{
        static const char *const address[] = { "10.0.0.7" };
        XenopsVif vif = vif_of(XENOPS_LOCKING_MODE_DISABLED, NULL, 0, NULL, 0);
        g_assert_cmpint(xl_port_connect(PORT, &vif), ==, 0);
        g_assert_false(is_up(PORT));
        vif = vif_of(XENOPS_LOCKING_MODE_LOCKED, address, 1, NULL, 0);
        g_assert_cmpint(xl_port_connect(PORT, &vif), ==, 0);
        vif.backend.local = (char *)"br1";
        g_assert_cmpint(xl_port_connect(PORT, &vif), ==, 0);
        vif.backend.local = (char *)"br0";
        connect_port(&vif);
        g_assert_true(passes(ipv4(GUEST_MAC, "10.0.0.7", "0000", "06", "")));
        g_assert_false(passes(ipv4(GUEST_MAC, "10.0.0.8", "0000", "06", "")));
        vif.backend.local = (char *)"br9";
        g_assert_cmpint(xl_port_connect(PORT, &vif), ==, -ENOENT);
        g_assert_cmpint(xl_port_connect("vif9.9", &vif), ==, -ENODEV);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        lay_cables();
        g_test_add_func("/xl-port/ipv4", test_ipv4);
        g_test_add_func("/xl-port/arp", test_arp);
        g_test_add_func("/xl-port/ipv6", test_ipv6);
        g_test_add_func("/xl-port/ipv6-extensions", test_ipv6_extensions);
        g_test_add_func("/xl-port/short-and-other", test_short_and_other);
        g_test_add_func("/xl-port/networks", test_networks);
        g_test_add_func("/xl-port/number-of-addresses", test_number_of_addresses);
        g_test_add_func("/xl-port/disabled-and-moved", test_disabled_and_moved);
        return g_test_run();
}
