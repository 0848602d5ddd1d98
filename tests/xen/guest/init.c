// SPDX-License-Identifier: LGPL-2.1-or-later
// What a guest of tests/xen runs as its first process, and as poweroff and reboot. It says how it came up, and does what
// it is told on its console, a line each, answering with one line that begins with the command's name.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "blocks.h"
#include "network.h"
#include "store.h"

enum { LINE_MAX_BYTES = 8192, WORDS_MAX = 8 };

static char cmdline[4096];
static char boot_id[64];

static void read_text(const char *path, char *text, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        if (fd >= 0)
                close(fd);
}

// The value of NAME=VALUE on the kernel's command line, or NULL.
static const char *option(const char *name)
{
        static char copy[sizeof cmdline];

        strcpy(copy, cmdline);
        for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
                if (!strncmp(word, name, strlen(name)) && word[strlen(name)] == '=')
                        return word + strlen(name) + 1;
        return NULL;
}

static void load_modules(void)
{
        struct dirent **names;
        int n = scandir("/modules", &names, NULL, alphasort);
        const char *without = option("without");

        for (int i = 0; i < n; i++) {
                char path[512];
                int fd;

                if (names[i]->d_name[0] == '.' || (without && strstr(names[i]->d_name, without)))
                        continue;
                snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
                        printf("guest: module %s: %s\n", names[i]->d_name, strerror(errno));
                if (fd >= 0)
                        close(fd);
        }
}

// The kernel tells of a processor before it lets it be used.
static void use_processor(const char *name)
{
        char path[128];
        int tries = 100, fd;

        snprintf(path, sizeof path, "/sys/devices/system/cpu/%.16s/online", name);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        while (fd >= 0 && write(fd, "1", 1) != 1 && --tries)
                usleep(100000);
        if (fd < 0 || !tries)
                printf("guest: %s: %s\n", path, strerror(errno));
        if (fd >= 0)
                close(fd);
}

// Takes processors that come into use, as udev does elsewhere; forever, in a process of its own.
static void follow_processors(void)
{
        const char added[] = "add@/devices/system/cpu/";
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        int events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        char event[4096];
        ssize_t n;

        if (bind(events, (struct sockaddr *)&kernel, sizeof kernel) || fork())
                return;
        while ((n = recv(events, event, sizeof event - 1, 0)) > 0 || errno == ENOBUFS) {
                event[n > 0 ? n : 0] = '\0';
                if (!strncmp(event, added, strlen(added)))
                        use_processor(event + strlen(added));
        }
        _exit(1);
}

static void set_up(void)
{
        struct termios terminal;
        char type[32];

        mkdir("/proc", 0755);
        mkdir("/sys", 0755);
        mkdir("/dev", 0755);
        mount("proc", "/proc", "proc", 0, NULL);
        mount("sysfs", "/sys", "sysfs", 0, NULL);
        mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
        for (int fd = 0; fd < 3; fd++) {
                int console = open("/dev/console", O_RDWR | O_NOCTTY);

                if (console != fd)
                        dup2(console, fd);
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        if (!tcgetattr(0, &terminal)) {
                terminal.c_lflag &= ~(ECHO | ECHOE | ECHOK | ECHONL);
                tcsetattr(0, TCSANOW, &terminal);
        }
        read_text("/proc/cmdline", cmdline, sizeof cmdline);
        read_text("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
        load_modules();
        follow_processors();
        read_text("/sys/hypervisor/guest_type", type, sizeof type);
        printf("\nguest: up type=%s boot=%s nonce=%s\n", type, boot_id, option("nonce") ?: "none");
        if (option("address")) {
                char address[64];

                snprintf(address, sizeof address, "%s", option("address"));
                network_set_up("eth0", address);
                printf("guest: ping %s\n", network_ping(option("gateway") ?: "") ? "answered" : "unanswered");
        }
}

static void list(const char *folder, const char *prefix)
{
        struct dirent **names;
        int n = scandir(folder, &names, NULL, alphasort);

        for (int i = 0; i < n; i++)
                if (!strncmp(names[i]->d_name, prefix, strlen(prefix)))
                        printf(" %s", names[i]->d_name);
}

static void memory(void)
{
        char line[256];
        FILE *file = fopen("/proc/meminfo", "re");
        long kib = 0;

        while (file && fgets(line, sizeof line, file))
                if (sscanf(line, "MemTotal: %ld", &kib) == 1)
                        break;
        if (file)
                fclose(file);
        printf("memory %ld\n", kib);
}

static void panic(void)
{
        int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, "c", 1) != 1)
                printf("panic failed: %s\n", strerror(errno));
}

// Whether drivers take devices that are plugged from now on.
static void probe(const char *how)
{
        int fd = open("/sys/bus/xen/drivers_autoprobe", O_WRONLY | O_CLOEXEC);

        printf("probe %s\n", fd >= 0 && write(fd, how, 1) == 1 ? "set" : strerror(errno));
        if (fd >= 0)
                close(fd);
}

static void obey(char **word)
{
        const char *name = word[0];

        if (!strcmp(name, "id"))
                printf("id %s\n", boot_id);
        else if (!strcmp(name, "devices")) {
                printf("devices");
                list("/sys/block", "xvd");
                list("/sys/class/net", "eth");
                printf(" cpus=%ld\n", sysconf(_SC_NPROCESSORS_ONLN));
        } else if (!strcmp(name, "memory"))
                memory();
        else if (!strcmp(name, "panic"))
                panic();
        else if (!strcmp(name, "probe") && word[1])
                probe(word[1]);
        else if (!strcmp(name, "poweroff") || !strcmp(name, "reboot"))
                reboot(!strcmp(name, "reboot") ? RB_AUTOBOOT : RB_POWER_OFF);
        else if (!strcmp(name, "address") && word[1] && word[2]) {
                network_set_up(word[1], word[2]);
                printf("address set\n");
        } else if (!strcmp(name, "ping") && word[1])
                printf("ping %s\n", network_ping(word[1]) ? "answered" : "unanswered");
        else if (!blocks_obey(word) && !store_obey(word))
                printf("%s unknown\n", name);
}

int main(int argc, char **argv)
{
        static char line[LINE_MAX_BYTES];
        const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

        // The kernel runs these when the toolstack asks for a shutdown or a reboot.
        if (!strcmp(name, "poweroff") || !strcmp(name, "reboot")) {
                sync();
                return reboot(!strcmp(name, "reboot") ? RB_AUTOBOOT : RB_POWER_OFF);
        }
        set_up();
        for (;;) {
                char *word[WORDS_MAX + 1] = { NULL };

                if (!fgets(line, sizeof line, stdin)) {
                        clearerr(stdin);
                        usleep(100000);
                        continue;
                }
                word[0] = strtok(line, " \r\n");
                for (int i = 1; i < WORDS_MAX && word[i - 1]; i++)
                        word[i] = strtok(NULL, " \r\n");
                if (word[0])
                        obey(word);
        }
}
