/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <stdlib.h>

#include <glib.h>

#include "idl/bus/memory.h"

#define MEMORY_SESSION      "xenopsd"
#define MEMORY_TIMEOUT_USEC (120u * 1000000u) /* of one wish, with all that is tried again */
#define MEMORY_RETRY_USEC   (50u * 1000u)

typedef struct MemoryCall {
        Bus *bus;
        Cancel *cancel; /* NULL: none */
        uint64_t deadline_usec;
        char *debug_info; /* with an id of what is asked for, by which squeezed knows a repeat */
        int64_t min_kib, max_kib;
        char *reservation;
        int64_t kib, domid;
        bool unanswered; /* squeezed may have done the last one, or may do it yet */
} MemoryCall;

typedef bool (*MemoryFunction)(MemoryCall *call, uint64_t timeout_usec, MemoryError **error);

static MemoryCall memory_call(const Operation *operation)
{
        g_autofree char *label =
            g_strndup(operation_debug_info(operation), strcspn(operation_debug_info(operation), "\n"));
        return (MemoryCall){ .bus = operation->manager->bus,
                             .cancel = operation->patience,
                             .deadline_usec = clock_usec() + MEMORY_TIMEOUT_USEC,
                             .debug_info = g_strdup_printf("%s\n%s", label, operation->vm),
                             .reservation = operation->reservation };
}

static bool is_absent(const MemoryError *error)
{
        const BusFailure *failure = memory_error_failure(error);
        return failure && failure->outcome == BUS_NO_SUCH_QUEUE;
}

/* All of the calls may be repeated. */
static bool is_worth_repeating(const MemoryError *error)
{
        const BusFailure *failure = memory_error_failure(error);
        return failure && (failure->outcome == BUS_OUTCOME_UNKNOWN || failure->outcome == BUS_DISCONNECTED ||
                           failure->outcome == BUS_OVER_QUOTA);
}

/* The VMs of domains, as far as they are known. */
static bool fail_uncooperative(const Operation *operation, const BusInts *domids, XenopsError **error)
{
        const BackendOperations *backend = operation->manager->backend->operations;
        g_auto(GStrv) vms = backend->list(operation->manager->backend);
        BusStrings guilty = { 0 };
        BackendDomain domain;

        for (char **vm = vms; *vm; vm++)
                for (size_t i = 0; i < domids->n; i++)
                        if (backend->stat(operation->manager->backend, *vm, &domain) &&
                            domain.domid == domids->items[i])
                                bus_strings_add(&guilty, *vm);
        xenops_fail_vms_failed_to_cooperate(error, &guilty);
        bus_strings_clear(&guilty);
        return false;
}

static bool fail_memory(const Operation *operation, MemoryError *taken, XenopsError **error)
{
        const BusFailure *failure = memory_error_failure(taken);
        if (failure && failure->outcome == BUS_CANCELLED) {
                xenops_fail_cancelled(error, task_id(operation->task));
        } else if (taken->tag == MEMORY_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY) {
                xenops_fail_cannot_free_this_much_memory(error,
                                                         taken->cannot_free_this_much_memory.needed_kib,
                                                         taken->cannot_free_this_much_memory.free_kib);
        } else if (taken->tag == MEMORY_ERROR_DOMAINS_REFUSED_TO_COOPERATE) {
                fail_uncooperative(operation, &taken->domains_refused_to_cooperate, error);
        } else {
                char *text = memory_error_text(taken);
                xenops_fail_internal(error, "squeezed: %s", text);
                free(text);
        }
        memory_error_free(taken);
        return false;
}

static bool is_unanswered(const MemoryError *error)
{
        const BusFailure *failure = memory_error_failure(error);
        return is_worth_repeating(error) ||
               (failure && (failure->outcome == BUS_TIMEOUT || failure->outcome == BUS_CANCELLED));
}

/* NULL: done. Else the error, owned. */
static MemoryError *memory_try(MemoryCall *call, MemoryFunction function)
{
        MemoryError *failed = NULL;

        for (;;) {
                uint64_t now = clock_usec();
                if (function(call, call->deadline_usec > now ? call->deadline_usec - now : 1, &failed))
                        return NULL;
                if (cancel_asked(call->cancel) || !is_worth_repeating(failed) ||
                    clock_usec() + MEMORY_RETRY_USEC > call->deadline_usec)
                        return failed;
                g_clear_pointer(&failed, memory_error_free);
                cancel_sleep(call->cancel, MEMORY_RETRY_USEC);
        }
}

/* False, with *error set; *ret_absent: there is no squeezed. */
static bool memory_do(Operation *operation, MemoryCall *call, MemoryFunction function, bool *ret_absent,
                      XenopsError **error)
{
        *ret_absent = !call->bus;
        if (*ret_absent)
                return xenops_fail_internal(error, "squeezed is not there");
        if (cancel_asked(call->cancel))
                return xenops_fail_cancelled(error, task_id(operation->task));
        MemoryError *failed = memory_try(call, function);
        *ret_absent = failed && is_absent(failed);
        call->unanswered = failed && is_unanswered(failed);
        return !failed || fail_memory(operation, failed, error);
}

static bool call_login(MemoryCall *call, uint64_t timeout_usec, MemoryError **error)
{
        char *session;

        if (!memory_login(call->bus, call->cancel, timeout_usec, call->debug_info, MEMORY_SESSION, &session,
                          error))
                return false;
        free(session);
        return true;
}

static bool call_reserve(MemoryCall *call, uint64_t timeout_usec, MemoryError **error)
{
        MemoryReservation reservation;

        if (!memory_reserve_memory_range(call->bus, call->cancel, timeout_usec, call->debug_info,
                                         MEMORY_SESSION, call->min_kib, call->max_kib, &reservation, error))
                return false;
        call->reservation = reservation.id;
        call->kib = reservation.kib;
        return true;
}

static bool call_transfer(MemoryCall *call, uint64_t timeout_usec, MemoryError **error)
{
        return memory_transfer_reservation_to_domain(call->bus, call->cancel, timeout_usec, call->debug_info,
                                                     MEMORY_SESSION, call->reservation, call->domid, error);
}

static bool call_delete(MemoryCall *call, uint64_t timeout_usec, MemoryError **error)
{
        return memory_delete_reservation(call->bus, call->cancel, timeout_usec, call->debug_info,
                                         MEMORY_SESSION, call->reservation, error);
}

static bool call_balance(MemoryCall *call, uint64_t timeout_usec, MemoryError **error)
{
        return memory_balance_memory(call->bus, call->cancel, timeout_usec, call->debug_info, error);
}

typedef enum LogIn { LOG_IN_DONE, LOG_IN_MINE, LOG_IN_OTHERS } LogIn;

static LogIn log_in_begin(Manager *manager)
{
        pthread_mutex_lock(&manager->memory_lock);
        LogIn state = manager->memory_logged_in    ? LOG_IN_DONE
                      : manager->memory_logging_in ? LOG_IN_OTHERS
                                                   : LOG_IN_MINE;
        if (state == LOG_IN_MINE)
                manager->memory_logging_in = true;
        pthread_mutex_unlock(&manager->memory_lock);
        return state;
}

static void log_in_end(Manager *manager, bool good)
{
        pthread_mutex_lock(&manager->memory_lock);
        manager->memory_logging_in = false;
        manager->memory_logged_in = good;
        pthread_mutex_unlock(&manager->memory_lock);
}

/* Once a process, before anything is reserved: what its predecessor reserved is nobody's any more. */
static bool log_in(Operation *operation, MemoryCall *call, bool *ret_absent, XenopsError **error)
{
        Manager *manager = operation->manager;
        uint64_t deadline = clock_usec() + MEMORY_TIMEOUT_USEC;
        LogIn state;

        *ret_absent = false;
        while ((state = log_in_begin(manager)) == LOG_IN_OTHERS) {
                if (cancel_sleep(call->cancel, MEMORY_RETRY_USEC))
                        return xenops_fail_cancelled(error, operation->vm);
                if (clock_usec() >= deadline)
                        return xenops_fail_internal(error, "squeezed does not answer");
        }
        if (state == LOG_IN_DONE)
                return true;
        bool good = memory_do(operation, call, call_login, ret_absent, error);
        log_in_end(manager, good);
        return good;
}

bool memory_reserve(Operation *operation, int64_t min_bytes, int64_t max_bytes, int64_t *ret_bytes,
                    XenopsError **error)
{
        const BackendOperations *backend = operation->manager->backend->operations;
        const XenopsVm *vm = &operation->config->metadata.vm;
        int64_t overhead =
            backend->memory_overhead ? backend->memory_overhead(operation->manager->backend, vm) : 0;
        MemoryCall call = memory_call(operation);
        XenopsError *failed = NULL;
        bool absent;

        leftovers_claim_memory(operation->manager->leftovers, operation->vm);
        call.min_kib = (min_bytes + overhead) / 1024;
        call.max_kib = (MAX(max_bytes, min_bytes) + overhead) / 1024;
        bool good = log_in(operation, &call, &absent, &failed) &&
                    memory_do(operation, &call, call_reserve, &absent, &failed);
        g_free(call.debug_info);
        if (call.unanswered)
                leftovers_add_memory(operation->manager->leftovers, operation->vm);
        if (good) {
                operation->reservation = call.reservation;
                *ret_bytes = call.kib * 1024 - overhead;
        } else if (absent) {
                xenops_error_free(failed);
                *ret_bytes = max_bytes;
                good = true;
        } else {
                *error = failed;
        }
        return good;
}

bool memory_hand_over(Operation *operation, XenopsError **error)
{
        BackendDomain domain;
        bool absent;

        if (!operation->reservation ||
            !operation->manager->backend->operations->stat(operation->manager->backend, operation->vm,
                                                           &domain) ||
            domain.domid <= 0)
                return true;
        MemoryCall call = memory_call(operation);
        call.domid = domain.domid;
        bool good = memory_do(operation, &call, call_transfer, &absent, error);
        g_free(call.debug_info);
        if (good)
                g_clear_pointer(&operation->reservation, free);
        return good;
}

void memory_give_back(Operation *operation)
{
        MemoryCall call = memory_call(operation);
        XenopsError *error = NULL;
        bool absent;

        if (cancel_asked(operation->patience)) {
                call.cancel = NULL;
                call.deadline_usec = clock_usec() + operation_grace_usec(operation);
        }
        if (operation->reservation && !memory_do(operation, &call, call_delete, &absent, &error)) {
                char *text = xenops_error_text(error);
                log_warning("Memory that is reserved cannot be given back", "XAPI_VM", operation->vm, "ERROR",
                            text, NULL);
                free(text);
                xenops_error_free(error);
        }
        if (call.unanswered)
                leftovers_add_memory(operation->manager->leftovers, operation->vm);
        g_free(call.debug_info);
        g_clear_pointer(&operation->reservation, free);
}

/* By its VM: the same is asked for again, as nothing, and that is given back. */
bool memory_reclaim(Bus *bus, Cancel *cancel, uint64_t timeout_usec, const char *vm)
{
        MemoryCall call = { .bus = bus,
                            .cancel = cancel,
                            .deadline_usec = clock_usec() + timeout_usec,
                            .debug_info = g_strdup_printf("leftover\n%s", vm) };
        MemoryError *failed = memory_try(&call, call_reserve);
        if (!failed)
                failed = memory_try(&call, call_delete);
        bool answered = !failed || !is_unanswered(failed);
        if (failed) {
                char *text = memory_error_text(failed);
                log_warning(answered ? "Memory cannot be given back" : "Memory is yet to be given back",
                            "XAPI_VM", vm, "ERROR", text, NULL);
                free(text);
        }
        memory_error_free(failed);
        free(call.reservation);
        g_free(call.debug_info);
        return answered;
}

bool memory_balance(Operation *operation, bool *ret_served, XenopsError **error)
{
        MemoryCall call = memory_call(operation);
        XenopsError *failed = NULL;
        bool absent, good = memory_do(operation, &call, call_balance, &absent, &failed);

        g_free(call.debug_info);
        *ret_served = !absent;
        if (absent)
                xenops_error_free(failed);
        else
                *error = failed;
        return good || absent;
}
