/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dbus-controller SOCKET: runs dbus-broker for a bus at SOCKET on which everybody may do everything. It stands where
 * dbus-broker-launch does: hands over the listening socket and the policy, and takes no part afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "tool.h"

/* The policy of org.bus1.DBus.Broker.AddListener as dbus-broker 33 takes it: for each uid and for each range of gids,
 * what may be connected, owned, sent and received; then SELinux contexts, AppArmor mode, and whether it is the system's
 * bus. */
#define CONTROLLER_BATCH  "bta(btbs)a(btssssuutt)a(btssssuutt)"
#define CONTROLLER_POLICY "a(u(" CONTROLLER_BATCH "))a(buu(" CONTROLLER_BATCH "))a(ss)bs"
#define CONTROLLER_ANY    UINT64_C(1), "", "", "", "", 0u, 0u, UINT64_C(0), UINT64_MAX

static void expect(int r, const char *what)
{
        if (r >= 0)
                return;
        errno = -r;
        die("%s", what);
}

static _Noreturn void broker_exec(int controller)
{
        char fd[16];
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        fcntl(controller, F_SETFD, 0);
        snprintf(fd, sizeof fd, "%d", controller);
        execlp("dbus-broker", "dbus-broker", "--controller", fd, "--machine-id",
               "0123456789abcdef0123456789abcdef", "--max-bytes", "1000000000", "--max-objects", "1000000",
               NULL);
        die("dbus-broker");
}

/* All is allowed to every uid. */
static void append_policy(sd_bus_message *m)
{
        expect(sd_bus_message_open_container(m, 'v', "(" CONTROLLER_POLICY ")"), "policy");
        expect(sd_bus_message_open_container(m, 'r', CONTROLLER_POLICY), "policy");
        expect(sd_bus_message_append(m, CONTROLLER_POLICY, 1, UINT32_MAX, 1, UINT64_C(1), /* connect */
                                     1, 1, UINT64_C(1), 1, "", /* own names that begin with "" */
                                     1, 1, CONTROLLER_ANY,     /* send */
                                     1, 1, CONTROLLER_ANY,     /* receive */
                                     0, 0, 0, ""),
               "policy");
        expect(sd_bus_message_close_container(m), "policy");
        expect(sd_bus_message_close_container(m), "policy");
}

int main(int argc, char **argv)
{
        int pair[2];
        sd_bus *bus;
        sd_bus_message *m;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        if (argc != 2)
                die("usage: dbus-controller SOCKET");
        int listener = unix_listen(argv[1]);
        set_blocking(listener, false);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
                die("socketpair");
        pid_t pid = fork();
        if (pid == 0)
                broker_exec(pair[1]);
        close(pair[1]);
        expect(pid < 0 ? -errno : 0, "fork");
        expect(sd_bus_new(&bus), "bus");
        expect(sd_bus_set_fd(bus, pair[0], pair[0]), "bus");
        expect(sd_bus_start(bus), "bus");
        expect(sd_bus_message_new_method_call(bus, &m, NULL, "/org/bus1/DBus/Broker", "org.bus1.DBus.Broker",
                                              "AddListener"),
               "call");
        expect(sd_bus_message_append(m, "oh", "/org/bus1/DBus/Listener/0", listener), "call");
        append_policy(m);
        int r = sd_bus_call(bus, m, 0, &error, NULL);
        if (r < 0)
                die("dbus-broker: %s", error.message);
        puts("ready");
        fflush(stdout);
        for (;;) {
                expect(sd_bus_wait(bus, UINT64_MAX), "wait");
                expect(sd_bus_process(bus, NULL), "dbus-broker");
        }
}
