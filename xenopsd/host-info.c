/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-info.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

typedef struct CpuFact {
        const char *key; /* in /proc/cpuinfo */
        char **slot;
} CpuFact;

static void take_fact(const CpuFact *facts, size_t n, const char *key, const char *value)
{
        for (size_t i = 0; i < n; i++)
                if (g_str_equal(facts[i].key, key) && !*facts[i].slot)
                        *facts[i].slot = bus_strdup(value);
}

static int64_t count_nodes(void)
{
        int64_t n = 0;
        DIR *dir = opendir("/sys/devices/system/node");
        struct dirent *entry;
        while (dir && (entry = readdir(dir)))
                if (g_str_has_prefix(entry->d_name, "node") && g_ascii_isdigit(entry->d_name[4]))
                        n++;
        if (dir)
                closedir(dir);
        return MAX(n, 1);
}

void host_info_read(XenopsHost *host)
{
        XenopsCpuInfo *cpu = &host->cpu_info;
        g_autofree char *text = NULL, *siblings = NULL, *cores = NULL;
        g_autoptr(GHashTable) sockets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        const CpuFact facts[] = {
                { "vendor_id", &cpu->vendor },  { "cpu MHz", &cpu->speed }, { "model name", &cpu->modelname },
                { "cpu family", &cpu->family }, { "model", &cpu->model },   { "stepping", &cpu->stepping },
                { "flags", &cpu->flags },       { "siblings", &siblings },  { "cpu cores", &cores },
        };
        if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
                return;
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                char *colon = strchr(*line, ':');
                if (!colon)
                        continue;
                *colon = '\0';
                char *key = g_strstrip(*line), *value = g_strstrip(colon + 1);
                if (g_str_equal(key, "processor"))
                        cpu->cpu_count++;
                else if (g_str_equal(key, "physical id"))
                        g_hash_table_add(sockets, g_strdup(value));
                take_fact(facts, G_N_ELEMENTS(facts), key, value);
        }
        int64_t n_siblings = siblings ? g_ascii_strtoll(siblings, NULL, 10) : 0;
        int64_t n_cores = cores ? g_ascii_strtoll(cores, NULL, 10) : 0;
        cpu->socket_count = MAX(g_hash_table_size(sockets), 1);
        cpu->threads_per_core = n_cores > 0 ? MAX(n_siblings / n_cores, 1) : 1;
        cpu->nr_nodes = count_nodes();
}
