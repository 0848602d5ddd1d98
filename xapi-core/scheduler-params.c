/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scheduler-params.h"

#include <stdlib.h>

#include <glib.h>

static int64_t number_of(const Map *params, const char *key, int64_t min, int64_t max, int64_t fallback)
{
        const char *text = map_get_str(params, key);
        gint64 value;

        return text && g_ascii_string_to_signed(text, 10, min, max, &value, NULL) ? value : fallback;
}

static bool has_cpu(const BusInts *cpus, int64_t cpu)
{
        for (size_t i = 0; i < cpus->n; i++)
                if (cpus->items[i] == cpu)
                        return true;
        return false;
}

static void add_cpu(BusInts *cpus, int64_t cpu)
{
        if (!has_cpu(cpus, cpu))
                *(int64_t *)bus_list_add((BusList *)(void *)cpus, sizeof(int64_t)) = cpu;
}

/* "0,1". False, and nothing is added: it is not such. */
static bool read_cpus(const char *text, BusInts *ret)
{
        g_auto(GStrv) words = g_strsplit(text, ",", -1);

        *ret = (BusInts){ 0 };
        for (char **word = words; *word; word++) {
                gint64 cpu;

                if (!g_ascii_string_to_signed(g_strstrip(*word), 10, 0, SCHEDULER_CPUS_MAX - 1, &cpu, NULL)) {
                        free(ret->items);
                        *ret = (BusInts){ 0 };
                        return false;
                }
                add_cpu(ret, cpu);
        }
        return ret->n > 0;
}

/* The host's wish goes before the VM's where both cannot be. */
static void limit(BusInts *cpus, const BusInts *to)
{
        BusInts both = { 0 };

        for (size_t i = 0; i < cpus->n; i++)
                if (has_cpu(to, cpus->items[i]))
                        add_cpu(&both, cpus->items[i]);
        bool none = both.n == 0;
        for (size_t i = 0; none && i < to->n; i++)
                add_cpu(&both, to->items[i]);
        free(cpus->items);
        *cpus = both;
}

static void read_affinity(const char *text, int64_t vcpus, XenopsIntListList *ret)
{
        g_auto(GStrv) masks = g_strsplit(text, ";", -1);

        for (char **mask = masks; *mask && (int64_t)ret->n < vcpus; mask++)
                if (!read_cpus(*mask, BUS_LIST_ADD(ret))) {
                        xenops_int_list_list_clear(ret);
                        return;
                }
}

void scheduler_params_read(const Map *vm, const Map *host, int64_t vcpus, XenopsSchedulerParams *ret)
{
        const char *mask = map_get_str(vm, "mask"), *host_mask = map_get_str(host, "mask");
        BusInts allowed = { 0 };

        vcpus = CLAMP(vcpus, 1, SCHEDULER_CPUS_MAX);
        *ret = (XenopsSchedulerParams){ .priority = bus_alloc(1, sizeof(XenopsPriority)) };
        *ret->priority = (XenopsPriority){
                .weight = number_of(vm, "weight", 1, SCHEDULER_WEIGHT_MAX, SCHEDULER_WEIGHT),
                .cap = number_of(vm, "cap", 0, vcpus * SCHEDULER_PERCENT_VCPU, 0),
        };
        if (mask)
                read_affinity(mask, vcpus, &ret->affinity);
        if (!host_mask || !read_cpus(host_mask, &allowed))
                return;
        if (ret->affinity.n == 0)
                BUS_LIST_ADD(&ret->affinity);
        for (size_t i = 0; i < ret->affinity.n; i++)
                limit(&ret->affinity.items[i], &allowed);
        free(allowed.items);
}
