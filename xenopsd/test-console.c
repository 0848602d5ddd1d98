/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The consoles of simulated guests, as a client that blocks sees them. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "sim-console.h"

typedef struct Fixture {
        Loop *loop;
        SimConsoles *consoles;
        GThread *thread;
} Fixture;

static gpointer run(gpointer data)
{
        loop_run(data);
        return NULL;
}

static void set_up(Fixture *f, gconstpointer data)
{
        f->loop = loop_new();
        f->consoles = sim_consoles_new(f->loop);
        f->thread = g_thread_new("loop", run, f->loop);
}

static void tear_down(Fixture *f, gconstpointer data)
{
        sim_consoles_free(f->consoles);
        loop_stop(f->loop);
        g_thread_join(f->thread);
        loop_free(f->loop);
}

static int open_console(Fixture *f, XenopsConsoleProtocol protocol)
{
        int fd = sim_consoles_open(f->consoles, "vm", "web 1", protocol);
        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static ssize_t receive(int fd, void *bytes, size_t n)
{
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
        return recv(fd, bytes, n, 0);
}

static void expect(int fd, const void *bytes, size_t n)
{
        g_autofree char *got = g_malloc(n);
        for (size_t at = 0; at < n;) {
                ssize_t more = receive(fd, got + at, n - at);
                g_assert_cmpint(more, >, 0);
                at += (size_t)more;
        }
        g_assert_cmpmem(got, n, bytes, n);
}

static void put(int fd, const void *bytes, size_t n)
{
        g_assert_cmpint(send(fd, bytes, n, MSG_NOSIGNAL), ==, (ssize_t)n);
}

static void expect_end(int fd)
{
        char bytes[4096];
        ssize_t n;
        while ((n = receive(fd, bytes, sizeof bytes)) > 0)
                ;
        g_assert_true(n == 0 || errno == ECONNRESET);
        close(fd);
}

/* Reads up to and with `text`. */
static void expect_text(int fd, const char *text)
{
        g_autoptr(GString) got = g_string_new("");
        while (!g_str_has_suffix(got->str, text)) {
                char byte;
                g_assert_cmpint(receive(fd, &byte, 1), ==, 1);
                g_string_append_c(got, byte);
        }
}

static void test_terminal(Fixture *f, gconstpointer data)
{
        int fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_VT100);
        expect_text(fd, "web 1: the console of a simulated guest\r\n");
        expect_text(fd, "# ");
        put(fd, "helloo\x7f\r", 8);
        expect(fd, "helloo\b \b\r\nhello\r\n# ", 20);
        sim_consoles_end(f->consoles, "other", "is gone");
        sim_consoles_end(f->consoles, "vm", "has shut down");
        expect(fd, "\r\nThe guest has shut down.\r\n", 28);
        expect_end(fd);
}

static void test_flood(Fixture *f, gconstpointer data)
{
        int fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_VT100);
        char bytes[65536];
        expect_text(fd, "# ");
        put(fd, "yes\r", 4);
        expect(fd, "yes\r\n", 5);
        for (size_t got = 0; got < 8u << 20;) {
                ssize_t n = receive(fd, bytes, sizeof bytes);
                g_assert_cmpint(n, >, 0);
                got += (size_t)n;
        }
        put(fd, "\x03", 1);
        expect_text(fd, "^C\r\n# ");
        put(fd, "yes\r", 4); /* and goes without having read it */
        close(fd);
}

static void update_request(int fd, bool incremental)
{
        char m[10] = { 3, incremental, 0, 0, 0, 0, 0, (char)160, 0, 100 };
        put(fd, m, sizeof m);
}

static void expect_update(int fd, size_t pixel_bytes, const void *first_pixel)
{
        static const char head[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, (char)160, 0, 100, 0, 0, 0, 0 };
        size_t n = (size_t)160 * 100 * pixel_bytes;
        g_autofree char *pixels = g_malloc(n);
        expect(fd, head, sizeof head);
        for (size_t at = 0; at < n;) {
                ssize_t more = receive(fd, pixels + at, n - at);
                g_assert_cmpint(more, >, 0);
                at += (size_t)more;
        }
        g_assert_cmpmem(pixels, pixel_bytes, first_pixel, pixel_bytes);
}

static void test_screen(Fixture *f, gconstpointer data)
{
        static const char init[] =
            "\x00\xa0\x00\x64\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00"
            "\x00\x00\x00\x05web 1";
        static const char format8[] =
            "\x00\x00\x00\x00\x08\x08\x00\x01\x00\x07\x00\x07\x00\x03\x00\x03\x06\x00\x00\x00";
        int fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_RFB);
        expect(fd, "RFB 003.008\n", 12);
        put(fd, "RFB 003.008\n", 12);
        expect(fd, "\x01\x01", 2);
        put(fd, "\x01", 1);
        expect(fd, "\x00\x00\x00\x00", 4);
        put(fd, "\x01", 1);
        expect(fd, init, sizeof init - 1);
        put(fd, "\x02\x00\x00\x01\x00\x00\x00\x00", 8);
        update_request(fd, false);
        expect_update(fd, 4, "\0\0\0\0");
        update_request(fd, true);                       /* nothing has changed yet */
        put(fd, "\x04\x01\x00\x00\x00\x00\x00\x61", 8); /* a key */
        expect_update(fd, 4, "\x00\x00\xff\x00");       /* red, little-endian */
        put(fd, format8, sizeof format8 - 1);
        update_request(fd, false);
        expect_update(fd, 1, "\x07");
        put(fd, "\x06\x00\x00\x00\x00\x00\xff\xf8", 8); /* the longest cut text */
        g_autofree char *text = g_malloc0(0xfff8);
        put(fd, text, 0xfff8);
        update_request(fd, false);
        expect_update(fd, 1, "\x07");
        put(fd, "\x06\x00\x00\x00\x00\x00\xff\xf9", 8); /* one more */
        expect_end(fd);
}

static void test_screen_versions(Fixture *f, gconstpointer data)
{
        static const char *const wrong[] = { "RFB 004.000\n", "GET / HTTP/1", "RFB 003.008 ",
                                             "RFB 003.0\n\n\n" };
        int fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_RFB);
        expect(fd, "RFB 003.008\n", 12);
        put(fd, "RFB 003.003\n", 12);
        expect(fd, "\x00\x00\x00\x01", 4);
        put(fd, "\x01", 1);
        expect(fd, "\x00\xa0\x00\x64", 4);
        sim_consoles_end(f->consoles, "vm", "is gone");
        expect_end(fd);
        fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_RFB);
        expect(fd, "RFB 003.008\n", 12);
        put(fd, "RFB 003.007\n", 12);
        expect(fd, "\x01\x01", 2);
        put(fd, "\x01\x01", 2);
        expect(fd, "\x00\xa0\x00\x64", 4); /* no result in between */
        close(fd);
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_RFB);
                put(fd, wrong[i], 12);
                expect_end(fd);
        }
        fd = open_console(f, XENOPS_CONSOLE_PROTOCOL_RFB);
        put(fd, "RFB 003.008\n\x02", 13); /* a security type that was not offered */
        expect_end(fd);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/console/terminal", Fixture, NULL, set_up, test_terminal, tear_down);
        g_test_add("/console/flood", Fixture, NULL, set_up, test_flood, tear_down);
        g_test_add("/console/screen", Fixture, NULL, set_up, test_screen, tear_down);
        g_test_add("/console/screen-versions", Fixture, NULL, set_up, test_screen_versions, tear_down);
        return g_test_run();
}
