/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's consoles: a terminal, which xenconsoled or the device model has, and the screen of the device model. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <glib.h>
#include <xenstore.h>

#include "xenlight.h"

/* Unix98 terminals, in the kernel's list of devices. */
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST  143

char *xl_console_vnc_path(const Xenlight *xenlight, const char *vm)
{
        return g_strdup_printf("%s/vnc-%s", xenlight->path, vm);
}

/* Where xenstore says which terminal it is. */
static char *terminal_key(uint32_t domid, bool hvm)
{
        return g_strdup_printf(hvm ? "/local/domain/%u/serial/0/tty" : "/local/domain/%u/console/tty", domid);
}

static void add_console(XenopsVmState *state, XenopsConsoleProtocol protocol, const char *path)
{
        XenopsConsole *console = BUS_LIST_ADD(&state->consoles);
        *console = (XenopsConsole){ protocol, 0, bus_strdup(path) };
}

void xl_console_state(Xenlight *xenlight, const XenopsVm *vm, uint32_t domid, XenopsVmState *state)
{
        bool hvm = vm->ty.tag == XENOPS_BUILDER_INFO_HVM;
        g_autofree char *terminal = terminal_key(domid, hvm);
        add_console(state, XENOPS_CONSOLE_PROTOCOL_VT100, terminal);
        if (hvm) {
                g_autofree char *vnc = xl_console_vnc_path(xenlight, vm->id);
                add_console(state, XENOPS_CONSOLE_PROTOCOL_RFB, vnc);
        }
}

/* The terminal's path; owned (free). NULL: it has none. */
static char *read_terminal(uint32_t domid, bool hvm, int *ret_errno)
{
        g_autofree char *key = terminal_key(domid, hvm);
        unsigned len;
        struct xs_handle *store = xs_open(0);
        char *path = store ? xs_read(store, XBT_NULL, key, &len) : NULL;
        *ret_errno = path ? 0 : -errno;
        if (store)
                xs_close(store);
        return path;
}

static int terminal_set_raw(int fd)
{
        struct termios settings;
        if (tcgetattr(fd, &settings) < 0)
                return -errno;
        cfmakeraw(&settings);
        return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : 0;
}

/* As the kernel numbers it in /proc/PID/stat; 0: it has no terminal, or is gone. */
static unsigned long terminal_of_process(const char *pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid), *text = NULL;
        unsigned long number;
        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;
        const char *rest = strrchr(text, ')'); /* what is before may have any character */
        return rest && sscanf(rest, ") %*c %*d %*d %*d %lu", &number) == 1 ? number : 0;
}

/* xenstore may tell of a terminal that was given to somebody else since, because what served it has died: then people work at
 * it, and what they type is not for whoever looks at a guest's console. */
static bool is_worked_at(dev_t terminal)
{
        unsigned long number =
            (minor(terminal) & 0xff) | major(terminal) << 8 | (unsigned long)(minor(terminal) & ~0xffu) << 12;
        g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir)))
                if (g_ascii_isdigit(*name) && terminal_of_process(name) == number)
                        return true;
        return false;
}

/* Whatever xenstore names, it is opened only if it is a terminal of the kind that is meant, root's, and nobody's place of work. */
int xl_console_open_terminal(const char *path)
{
        struct stat st;
        int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        int r = fstat(fd, &st) < 0 ? -errno
                : !S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_MAJOR_FIRST ||
                        major(st.st_rdev) > PTS_MAJOR_LAST
                    ? -ENOTTY
                : st.st_uid != geteuid() || is_worked_at(st.st_rdev) ? -EBUSY
                                                                     : terminal_set_raw(fd);
        if (r == 0)
                return fd;
        close(fd);
        return r;
}

static int open_terminal(uint32_t domid, bool hvm)
{
        int r;
        char *path = read_terminal(domid, hvm, &r);
        if (path)
                r = g_str_has_prefix(path, "/dev/pts/") ? xl_console_open_terminal(path) : -ENOTTY;
        free(path);
        return r;
}

int xl_console_connect(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                return fd;
        int r = -errno;
        close(fd);
        return r;
}

static int open_screen(const Xenlight *xenlight, const char *vm)
{
        g_autofree char *path = xl_console_vnc_path(xenlight, vm);
        return xl_console_connect(path);
}

int xl_open_console(Backend *backend, const XenopsVm *vm, XenopsConsoleProtocol protocol, XenopsError **error)
{
        Xenlight *xenlight = (Xenlight *)backend;
        BackendDomain domain;
        bool hvm = vm->ty.tag == XENOPS_BUILDER_INFO_HVM, screen = protocol == XENOPS_CONSOLE_PROTOCOL_RFB;
        if (!xl_stat(backend, vm->id, &domain) || domain.domid <= 0) {
                xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED, XENOPS_POWER_STATE_RUNNING);
                return -1;
        }
        if (screen && !hvm) {
                xenops_fail_does_not_exist(error, "console", "rfb");
                return -1;
        }
        int fd = screen ? open_screen(xenlight, vm->id) : open_terminal((uint32_t)domain.domid, hvm);
        if (fd >= 0)
                return fd;
        xl_fail_errno(error, "cannot open the console", fd);
        return -1;
}
