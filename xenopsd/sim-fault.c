/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-fault.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <jansson.h>

#include "message-switch/lib/daemon.h"

#define FAULTS_KEY  "faults"
#define SECONDS_MAX 1e6

typedef struct SimFault {
        char *vm, *step; /* NULL: every one */
        uint64_t latency_usec;
        char *fail;    /* NULL: it does not */
        int64_t count; /* of times left; -1: for ever */
} SimFault;

struct SimFaults {
        Ledger *ledger;
        SimGuest standard;
        atomic_uint n_faults; /* so that nothing is locked where nothing is injected */
        pthread_mutex_t lock;
        GPtrArray *faults;  /* SimFault, in the order of injecting */
        GHashTable *guests; /* VM -> SimGuest; "" for all others */
};

static void fault_free(gpointer p)
{
        SimFault *fault = p;
        g_free(fault->vm);
        g_free(fault->step);
        g_free(fault->fail);
        g_free(fault);
}

static json_t *faults_to_json(const SimFaults *faults)
{
        json_t *list = json_array(), *guests = json_object();
        for (guint i = 0; i < faults->faults->len; i++) {
                const SimFault *fault = g_ptr_array_index(faults->faults, i);
                json_array_append_new(list,
                                      json_pack("{ss? ss? sI ss? sI}", "vm", fault->vm, "step", fault->step,
                                                "latency_usec", (json_int_t)fault->latency_usec, "fail",
                                                fault->fail, "count", (json_int_t)fault->count));
        }
        GHashTableIter iter;
        gpointer vm, p;
        g_hash_table_iter_init(&iter, faults->guests);
        while (g_hash_table_iter_next(&iter, &vm, &p)) {
                const SimGuest *guest = p;
                json_object_set_new(guests, vm,
                                    json_pack("{sb sb sb sb sI}", "acknowledges", guest->acknowledges,
                                              "answers", guest->answers, "tools", guest->tools, "balloons",
                                              guest->balloons, "delay_usec", (json_int_t)guest->delay_usec));
        }
        return json_pack("{so so}", "faults", list, "guests", guests);
}

static bool faults_from_json(SimFaults *faults, const json_t *json)
{
        size_t i;
        json_t *item;
        const char *vm;
        json_array_foreach(json_object_get(json, "faults"), i, item)
        {
                json_int_t latency, count;
                if (json_unpack(item, "{sI sI}", "latency_usec", &latency, "count", &count) < 0)
                        return false;
                SimFault *fault = g_new(SimFault, 1);
                *fault =
                    (SimFault){ g_strdup(json_string_value(json_object_get(item, "vm"))),
                                g_strdup(json_string_value(json_object_get(item, "step"))), (uint64_t)latency,
                                g_strdup(json_string_value(json_object_get(item, "fail"))), count };
                g_ptr_array_add(faults->faults, fault);
        }
        json_object_foreach(json_object_get(json, "guests"), vm, item)
        {
                int acknowledges, answers, tools, balloons = true;
                json_int_t delay;
                if (json_unpack(item, "{sb sb sb s?b sI}", "acknowledges", &acknowledges, "answers", &answers,
                                "tools", &tools, "balloons", &balloons, "delay_usec", &delay) < 0)
                        return false;
                SimGuest guest = { acknowledges, answers, tools, balloons, (uint64_t)delay };
                g_hash_table_insert(faults->guests, g_strdup(vm), g_memdup2(&guest, sizeof guest));
        }
        return true;
}

/* With the lock. */
static int faults_write(SimFaults *faults)
{
        atomic_store(&faults->n_faults, faults->faults->len);
        json_t *json = faults_to_json(faults);
        int r = ledger_put_json(faults->ledger, FAULTS_KEY, json);
        json_decref(json);
        return r;
}

SimFaults *sim_faults_new(Ledger *ledger, const SimGuest *standard)
{
        SimFaults *faults = g_new0(SimFaults, 1);
        json_t *json = NULL;
        faults->ledger = ledger;
        faults->standard = *standard;
        pthread_mutex_init(&faults->lock, NULL);
        faults->faults = g_ptr_array_new_with_free_func(fault_free);
        faults->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        int r = ledger_get_json(ledger, FAULTS_KEY, &json);
        if (r != -ENOENT && (r < 0 || !faults_from_json(faults, json)))
                log_error("What goes wrong on purpose cannot be read", NULL);
        json_decref(json);
        atomic_store(&faults->n_faults, faults->faults->len);
        return faults;
}

void sim_faults_free(SimFaults *faults)
{
        if (!faults)
                return;
        g_ptr_array_unref(faults->faults);
        g_hash_table_destroy(faults->guests);
        pthread_mutex_destroy(&faults->lock);
        g_free(faults);
}

bool sim_faults_meet(SimFaults *faults, const char *vm, const char *step, Cancel *cancel, XenopsError **error)
{
        if (atomic_load(&faults->n_faults) == 0)
                return true;
        uint64_t latency_usec = 0;
        g_autofree char *fail = NULL;
        bool used_up = false;
        pthread_mutex_lock(&faults->lock);
        for (guint i = 0; i < faults->faults->len && !fail;) {
                SimFault *fault = g_ptr_array_index(faults->faults, i);
                if ((fault->vm && !g_str_equal(fault->vm, vm)) ||
                    (fault->step && !g_str_equal(fault->step, step))) {
                        i++;
                        continue;
                }
                latency_usec += fault->latency_usec;
                fail = g_strdup(fault->fail);
                if (fault->count > 0) {
                        fault->count--;
                        used_up = true;
                }
                if (fault->count == 0)
                        g_ptr_array_remove_index(faults->faults, i);
                else
                        i++;
        }
        if (used_up)
                faults_write(faults);
        pthread_mutex_unlock(&faults->lock);
        if (latency_usec > 0 && cancel_sleep(cancel, latency_usec))
                return xenops_fail_cancelled(error, step);
        return !fail || xenops_fail_internal(error, "%s", fail);
}

SimGuest sim_faults_guest(SimFaults *faults, const char *vm)
{
        pthread_mutex_lock(&faults->lock);
        const SimGuest *guest = g_hash_table_lookup(faults->guests, vm);
        if (!guest)
                guest = g_hash_table_lookup(faults->guests, "");
        SimGuest found = guest ? *guest : faults->standard;
        pthread_mutex_unlock(&faults->lock);
        return found;
}

const char *sim_argument(const BusStrings *arguments, const char *key)
{
        size_t len = strlen(key);
        for (size_t i = 0; i < arguments->n; i++)
                if (strncmp(arguments->items[i], key, len) == 0 && arguments->items[i][len] == '=')
                        return arguments->items[i] + len + 1;
        return NULL;
}

bool sim_arguments_check(const BusStrings *arguments, const char *const *keys, XenopsError **error)
{
        for (size_t i = 0; i < arguments->n; i++) {
                g_autofree char *key = g_strndup(arguments->items[i], strcspn(arguments->items[i], "="));
                if (!g_strv_contains(keys, key) || !strchr(arguments->items[i], '='))
                        return xenops_fail_internal(error, "\"%s\" is no argument here", arguments->items[i]);
        }
        return true;
}

bool sim_argument_usec(const BusStrings *arguments, const char *key, uint64_t *ret_usec, XenopsError **error)
{
        const char *text = sim_argument(arguments, key);
        if (!text)
                return true;
        char *end;
        double seconds = g_ascii_strtod(text, &end);
        if (end == text || *end || !isfinite(seconds) || seconds < 0 || seconds > SECONDS_MAX)
                return xenops_fail_internal(error, "%s=%s is no time in seconds", key, text);
        *ret_usec = (uint64_t)(seconds * 1e6);
        return true;
}

static bool argument_bool(const BusStrings *arguments, const char *key, bool *ret, XenopsError **error)
{
        const char *text = sim_argument(arguments, key);
        if (!text)
                return true;
        if (!g_str_equal(text, "true") && !g_str_equal(text, "false"))
                return xenops_fail_internal(error, "%s=%s is neither true nor false", key, text);
        *ret = g_str_equal(text, "true");
        return true;
}

static bool faults_inject(SimFaults *faults, const BusStrings *arguments, XenopsError **error)
{
        static const char *const keys[] = { "vm", "step", "latency", "fail", "count", NULL };
        uint64_t latency_usec = 0;
        int64_t count = -1;
        const char *text = sim_argument(arguments, "count");
        if (!sim_arguments_check(arguments, keys, error) ||
            !sim_argument_usec(arguments, "latency", &latency_usec, error))
                return false;
        if (text && !g_ascii_string_to_signed(text, 10, 1, INT32_MAX, &count, NULL))
                return xenops_fail_internal(error, "count=%s is no number of times", text);
        if (faults->faults->len >= SIM_FAULTS_MAX)
                return xenops_fail_internal(error, "%u faults are injected already", SIM_FAULTS_MAX);
        SimFault *fault = g_new(SimFault, 1);
        *fault =
            (SimFault){ g_strdup(sim_argument(arguments, "vm")), g_strdup(sim_argument(arguments, "step")),
                        latency_usec, g_strdup(sim_argument(arguments, "fail")), count };
        g_ptr_array_add(faults->faults, fault);
        return true;
}

static bool faults_behave(SimFaults *faults, const BusStrings *arguments, XenopsError **error)
{
        static const char *const keys[] = { "vm",       "acknowledges", "answers", "tools",
                                            "balloons", "delay",        NULL };
        const char *vm = sim_argument(arguments, "vm");
        const SimGuest *old = g_hash_table_lookup(faults->guests, vm ? vm : "");
        SimGuest guest = old ? *old : faults->standard;
        if (!sim_arguments_check(arguments, keys, error) ||
            !argument_bool(arguments, "acknowledges", &guest.acknowledges, error) ||
            !argument_bool(arguments, "answers", &guest.answers, error) ||
            !argument_bool(arguments, "tools", &guest.tools, error) ||
            !argument_bool(arguments, "balloons", &guest.balloons, error) ||
            !sim_argument_usec(arguments, "delay", &guest.delay_usec, error))
                return false;
        if (!old && g_hash_table_size(faults->guests) >= SIM_GUESTS_MAX)
                return xenops_fail_internal(error, "%u guests have a behaviour already", SIM_GUESTS_MAX);
        g_hash_table_insert(faults->guests, g_strdup(vm ? vm : ""), g_memdup2(&guest, sizeof guest));
        return true;
}

static bool faults_forget(SimFaults *faults, const BusStrings *arguments, XenopsError **error)
{
        static const char *const keys[] = { "vm", NULL };
        const char *vm = sim_argument(arguments, "vm");
        if (!sim_arguments_check(arguments, keys, error))
                return false;
        for (guint i = faults->faults->len; i-- > 0;) {
                const SimFault *fault = g_ptr_array_index(faults->faults, i);
                if (!vm || g_strcmp0(fault->vm, vm) == 0)
                        g_ptr_array_remove_index(faults->faults, i);
        }
        if (vm)
                g_hash_table_remove(faults->guests, vm);
        else
                g_hash_table_remove_all(faults->guests);
        return true;
}

int sim_faults_trigger(SimFaults *faults, const char *command, const BusStrings *arguments,
                       XenopsError **error)
{
        bool (*function)(SimFaults *, const BusStrings *, XenopsError **);
        if (g_str_equal(command, "inject"))
                function = faults_inject;
        else if (g_str_equal(command, "behave"))
                function = faults_behave;
        else if (g_str_equal(command, "forget"))
                function = faults_forget;
        else
                return 1;
        pthread_mutex_lock(&faults->lock);
        int r = function(faults, arguments, error) ? 0 : -EINVAL;
        if (r == 0)
                r = faults_write(faults);
        pthread_mutex_unlock(&faults->lock);
        if (r < 0 && !*error)
                xenops_fail_internal(error, "cannot write it down: %s", g_strerror(-r));
        return r;
}

char *sim_faults_text(SimFaults *faults)
{
        pthread_mutex_lock(&faults->lock);
        json_t *json = faults_to_json(faults);
        pthread_mutex_unlock(&faults->lock);
        char *dumped = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
        char *text = g_strdup(dumped);
        free(dumped);
        json_decref(json);
        return text;
}
