/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

/* The value of the first line "key<spaces>: value"; owned. */
static char *field(const char *text, const char *key)
{
        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                const char *colon;

                line += *line == '\n';
                colon = strchr(line, ':');
                if (g_str_has_prefix(line, key) && colon &&
                    line + strlen(key) + strspn(line + strlen(key), " \t") == colon) {
                        const char *end = strchrnul(colon, '\n');

                        return g_strstrip(g_strndup(colon + 1, (gsize)(end - colon - 1)));
                }
        }
        return g_strdup("");
}

static void read_cpus(Machine *m)
{
        g_autofree char *text = NULL, *mhz = NULL, *sockets = NULL;

        if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
                text = g_strdup("");
        m->cpu_vendor = field(text, "vendor_id");
        m->cpu_model = field(text, "model name");
        m->cpu_flags = field(text, "flags");
        m->cpu_family = field(text, "cpu family");
        m->cpu_model_number = field(text, "model");
        m->cpu_stepping = field(text, "stepping");
        mhz = field(text, "cpu MHz");
        m->cpu_mhz = g_ascii_strtod(mhz, NULL);
        m->n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
        m->n_sockets = 1;
}

static void read_memory(Machine *m)
{
        g_autofree char *text = NULL, *total = NULL, *available = NULL;

        if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
                text = g_strdup("");
        total = field(text, "MemTotal");
        available = field(text, "MemAvailable");
        m->memory_total_bytes = g_ascii_strtoll(total, NULL, 10) * 1024;
        m->memory_free_bytes = g_ascii_strtoll(available, NULL, 10) * 1024;
}

/* The first address that others could reach; the loopback's where there is none. */
static void read_address(Machine *m)
{
        struct ifaddrs *all = NULL;
        char text[INET_ADDRSTRLEN] = "127.0.0.1";

        if (getifaddrs(&all) < 0)
                all = NULL;
        for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
                if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK))
                        continue;
                inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text, sizeof(text));
                break;
        }
        if (all)
                freeifaddrs(all);
        m->address = g_strdup(text);
}

void machine_read(Machine *ret)
{
        struct timespec up = { 0 };
        char name[256] = "";

        *ret = (Machine){ 0 };
        gethostname(name, sizeof(name) - 1);
        ret->hostname = g_strdup(*name ? name : "localhost");
        read_cpus(ret);
        read_memory(ret);
        clock_gettime(CLOCK_BOOTTIME, &up);
        ret->boot_time = time(NULL) - up.tv_sec;
        read_address(ret);
}

void machine_clear(Machine *m)
{
        g_free(m->hostname);
        g_free(m->address);
        g_free(m->cpu_vendor);
        g_free(m->cpu_model);
        g_free(m->cpu_flags);
        g_free(m->cpu_family);
        g_free(m->cpu_model_number);
        g_free(m->cpu_stepping);
        *m = (Machine){ 0 };
}
