/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <stdlib.h>

#include <glib.h>

/* Answers a little before the caller stops waiting, with what is the matter. */
#define MARGIN_USEC (500u * 1000u)

static const char *text_of(const char *text)
{
        return text ? text : "";
}

static uint64_t deadline_of(const ServiceCall *call)
{
        uint64_t now = clock_usec();
        return call->deadline_usec > now + 2 * MARGIN_USEC ? call->deadline_usec - MARGIN_USEC
                                                           : call->deadline_usec;
}

static bool get_diagnostics(void *data, const ServiceCall *call, MemoryGetDiagnosticsArgs *args, char **ret,
                            MemoryError **error)
{
        *ret = manager_diagnostics(data);
        return true;
}

static bool login(void *data, const ServiceCall *call, MemoryLoginArgs *args, char **ret, MemoryError **error)
{
        if (!manager_login(data, text_of(args->service), error))
                return false;
        *ret = bus_strdup(text_of(args->service));
        return true;
}

static bool reserve_memory(void *data, const ServiceCall *call, MemoryReserveMemoryArgs *args, char **ret,
                           MemoryError **error)
{
        MemoryReservation reservation;

        if (!manager_reserve(data, call, text_of(args->session), service_operation_id(args->dbg), args->kib,
                             args->kib, deadline_of(call), &reservation, error))
                return false;
        *ret = g_steal_pointer(&reservation.id);
        return true;
}

static bool reserve_memory_range(void *data, const ServiceCall *call, MemoryReserveMemoryRangeArgs *args,
                                 MemoryReservation *ret, MemoryError **error)
{
        return manager_reserve(data, call, text_of(args->session), service_operation_id(args->dbg),
                               args->minimum_kib, args->maximum_kib, deadline_of(call), ret, error);
}

static bool delete_reservation(void *data, const ServiceCall *call, MemoryDeleteReservationArgs *args,
                               MemoryError **error)
{
        return manager_delete(data, text_of(args->session), text_of(args->reservation), error);
}

static bool transfer_reservation(void *data, const ServiceCall *call,
                                 MemoryTransferReservationToDomainArgs *args, MemoryError **error)
{
        return manager_transfer(data, text_of(args->session), text_of(args->reservation), args->domid, error);
}

static bool query_reservation(void *data, const ServiceCall *call, MemoryQueryReservationOfDomainArgs *args,
                              char **ret, MemoryError **error)
{
        return manager_query(data, args->domid, ret, error);
}

static bool balance_memory(void *data, const ServiceCall *call, MemoryBalanceMemoryArgs *args,
                           MemoryError **error)
{
        return manager_balance(data, call, deadline_of(call), error);
}

static bool get_host_reserved_memory(void *data, const ServiceCall *call,
                                     MemoryGetHostReservedMemoryArgs *args, int64_t *ret, MemoryError **error)
{
        *ret = ((Manager *)data)->reserved_kib;
        return true;
}

static bool get_host_initial_free_memory(void *data, const ServiceCall *call,
                                         MemoryGetHostInitialFreeMemoryArgs *args, int64_t *ret,
                                         MemoryError **error)
{
        *ret = ((Manager *)data)->initial_kib * 1024;
        return true;
}

static bool get_domain_zero_policy(void *data, const ServiceCall *call, MemoryGetDomainZeroPolicyArgs *args,
                                   MemoryDomainZeroPolicy *ret, MemoryError **error)
{
        Host host;

        if (!manager_host(data, &host, error))
                return false;
        *ret = (MemoryDomainZeroPolicy){ .tag = MEMORY_DOMAIN_ZERO_POLICY_FIXED_SIZE,
                                         .fixed_size = host.control_kib * 1024 };
        host_clear(&host);
        return true;
}

static bool get_host_memory(void *data, const ServiceCall *call, MemoryGetHostMemoryArgs *args,
                            MemoryHostMemory *ret, MemoryError **error)
{
        Host host;

        if (!manager_host(data, &host, error))
                return false;
        *ret = (MemoryHostMemory){ .total_kib = host.total_kib, .free_kib = host.free_kib };
        host_clear(&host);
        return true;
}

BusService *squeezed_serve(Daemon *daemon, Manager *manager)
{
        static const MemoryService functions = {
                .get_diagnostics = get_diagnostics,
                .login = login,
                .reserve_memory = reserve_memory,
                .reserve_memory_range = reserve_memory_range,
                .delete_reservation = delete_reservation,
                .transfer_reservation_to_domain = transfer_reservation,
                .query_reservation_of_domain = query_reservation,
                .balance_memory = balance_memory,
                .get_host_reserved_memory = get_host_reserved_memory,
                .get_host_initial_free_memory = get_host_initial_free_memory,
                .get_domain_zero_policy = get_domain_zero_policy,
                .get_host_memory = get_host_memory,
        };
        /* Gives memory back: never behind those who wait for it. */
        static const char *const urgent[] = { "delete_reservation", "get_diagnostics",
                                              "transfer_reservation_to_domain", NULL };

        return memory_serve(
            &functions, manager,
            &(BusServiceOptions){ .bus = daemon->bus, .workers = daemon->workers, .urgent = urgent });
}
