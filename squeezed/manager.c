/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message-switch/lib/condition.h"

Manager *manager_new(const ManagerSettings *settings, Backend *backend, char **ret_error)
{
        g_autofree char *path = g_build_filename(settings->path, "reservations", NULL);
        Manager *manager = g_new0(Manager, 1);
        Host host;

        manager->backend = backend;
        manager->reserved_kib = settings->reserved_kib;
        manager->balance = balance_new(settings->patience_usec);
        manager->demands = g_ptr_array_new();
        pthread_mutex_init(&manager->lock, NULL);
        condition_init(&manager->changed);
        manager->reservations = reservations_open(path, ret_error);
        if (!manager->reservations) {
                manager_free(manager);
                return NULL;
        }
        int r = backend->operations->look(backend, &host);
        if (r < 0) {
                *ret_error = g_strdup_printf("cannot ask %s for its memory: %s", backend->operations->name,
                                             g_strerror(-r));
                manager_free(manager);
                return NULL;
        }
        int64_t initial_kib = host.free_kib + host.control_kib;
        for (size_t i = 0; i < host.n; i++)
                initial_kib += host.domains[i].actual_kib;
        manager->initial_kib = reservations_initial_kib(manager->reservations, initial_kib);
        host_clear(&host);
        return manager;
}

void manager_stop(Manager *manager)
{
        pthread_mutex_lock(&manager->lock);
        manager->stopping = true;
        pthread_cond_broadcast(&manager->changed);
        pthread_mutex_unlock(&manager->lock);
}

void manager_free(Manager *manager)
{
        if (!manager)
                return;
        reservations_close(manager->reservations);
        balance_free(manager->balance);
        manager->backend->operations->free(manager->backend);
        g_ptr_array_unref(manager->demands);
        pthread_cond_destroy(&manager->changed);
        pthread_mutex_destroy(&manager->lock);
        g_free(manager);
}

static bool fail_backend(Manager *manager, int r, MemoryError **error)
{
        return memory_fail_internal(error, "%s: %s", manager->backend->operations->name, g_strerror(-r));
}

/* ---- one look ---- */

static void carry_out(Manager *manager, const Plan *plan)
{
        for (size_t i = 0; i < plan->n; i++) {
                int r = manager->backend->operations->set_target(manager->backend, plan->targets[i].domid,
                                                                 plan->targets[i].kib);
                if (r == 0 || r == -ESRCH)
                        continue;
                g_autofree char *domid = g_strdup_printf("%" G_GINT64_FORMAT, plan->targets[i].domid);
                log_warning("A domain's memory target cannot be set", "DOMID", domid, "ERROR", g_strerror(-r),
                            NULL);
        }
}

/* With the lock: looks at the host, decides, and does so. A demand that is granted is taken by whoever waits for it before
 * the lock is let go of the next time: it is not among the demands any more, and is not kept yet. */
static int look(Manager *manager)
{
        const BackendOperations *backend = manager->backend->operations;
        Plan plan = { 0 };
        Host host;
        int r = backend->look(manager->backend, &host);

        manager->looked_usec = clock_usec();
        if (r < 0)
                return r;
        reservations_forget_domains(manager->reservations, &host);
        int64_t kept = manager->reserved_kib + reservations_kept_kib(manager->reservations, &host);
        balance_decide(manager->balance, &host, kept, (Demand *const *)manager->demands->pdata,
                       manager->demands->len, manager->looked_usec, &plan);
        carry_out(manager, &plan);
        manager->moving = plan.moving;
        plan_clear(&plan);
        host_clear(&host);
        return 0;
}

void manager_look(Manager *manager)
{
        pthread_mutex_lock(&manager->lock);
        int r = look(manager);
        pthread_cond_broadcast(&manager->changed);
        pthread_mutex_unlock(&manager->lock);
        if (r < 0)
                log_error("The hypervisor does not tell of its memory", "ERROR", g_strerror(-r), NULL);
}

static bool is_wanted(const ServiceCall *call, MemoryError **error)
{
        return !call || !service_call_cancelled(call) ||
               memory_fail_internal(error, "nobody waits for the memory any more");
}

/* With the lock: waits until something may be different. False: nobody waits any more, and *error says so. */
static bool pause_until_changed(Manager *manager, const ServiceCall *call, uint64_t deadline_usec,
                                MemoryError **error)
{
        uint64_t until = MIN(deadline_usec, clock_usec() + manager->backend->operations->poll_usec);

        condition_wait(&manager->changed, &manager->lock, until);
        if (manager->stopping)
                return memory_fail_internal(error, "squeezed is being stopped");
        if (clock_usec() >= deadline_usec)
                return memory_fail_internal(error, "the guests took too long to give memory back");
        return is_wanted(call, error);
}

static uint64_t next_look_usec(Manager *manager)
{
        return manager->looked_usec + manager->backend->operations->poll_usec;
}

/* ---- reservations ---- */

static bool fail_demand(Manager *manager, const Demand *demand, MemoryError **error)
{
        Host host;
        BusInts domids = { 0 };

        if (!demand->refused || manager->backend->operations->look(manager->backend, &host) < 0)
                return memory_fail_cannot_free_this_much_memory(error, demand->minimum_kib, demand->free_kib);
        for (size_t i = 0; i < host.n; i++)
                if (balance_is_inactive(manager->balance, host.domains[i].domid))
                        *(int64_t *)bus_list_add((BusList *)(void *)&domids, sizeof(int64_t)) =
                            host.domains[i].domid;
        memory_fail_domains_refused_to_cooperate(error, &domids);
        free(domids.items);
        host_clear(&host);
        return false;
}

/* With the lock: until the demand is granted. */
static bool wait_granted(Manager *manager, const ServiceCall *call, Demand *demand, uint64_t deadline_usec,
                         MemoryError **error)
{
        int r = look(manager);

        for (;;) {
                if (r < 0)
                        return fail_backend(manager, r, error);
                if (demand->state == DEMAND_GRANTED)
                        return true;
                if (demand->state == DEMAND_IMPOSSIBLE)
                        return fail_demand(manager, demand, error);
                if (!pause_until_changed(manager, call, deadline_usec, error))
                        return false;
                /* Another's look granted it, but somebody may have been faster since: only one's own look counts. */
                r = look(manager);
        }
}

/* With the lock. */
static bool reserve(Manager *manager, const ServiceCall *call, const char *session, const char *request,
                    Demand *demand, uint64_t deadline_usec, const Reservation **ret, MemoryError **error)
{
        g_ptr_array_add(manager->demands, demand);
        /* Who gave up, and then asks for the same again, finds what was made before that, or has it not made any more. */
        bool good = wait_granted(manager, call, demand, deadline_usec, error) && is_wanted(call, error);
        g_ptr_array_remove(manager->demands, demand);
        if (!good)
                return false;
        int r = reservations_add(manager->reservations, session, request, demand->kib, ret);
        if (r == -E2BIG)
                return memory_fail_internal(error, "too many reservations, or too long a name of one");
        return r == 0 || memory_fail_internal(error, "cannot write the reservation down: %s", g_strerror(-r));
}

bool manager_reserve(Manager *manager, const ServiceCall *call, const char *session, const char *request,
                     int64_t minimum_kib, int64_t maximum_kib, uint64_t deadline_usec, MemoryReservation *ret,
                     MemoryError **error)
{
        Demand demand = { .minimum_kib = minimum_kib, .maximum_kib = maximum_kib };
        const Reservation *reservation;
        bool good = true;

        if (minimum_kib < 0 || minimum_kib > INT64_MAX / 4096)
                return memory_fail_invalid_memory_value(error, minimum_kib);
        if (maximum_kib < minimum_kib || maximum_kib > INT64_MAX / 4096)
                return memory_fail_invalid_memory_value(error, maximum_kib);
        pthread_mutex_lock(&manager->lock);
        reservation = reservations_of_request(manager->reservations, session, request);
        if (reservation && (reservation->kib < minimum_kib || reservation->kib > maximum_kib)) {
                int r = reservations_remove(manager->reservations, reservation->id);
                good = r == 0 || memory_fail_internal(error, "cannot give the former reservation back: %s",
                                                      g_strerror(-r));
                reservation = NULL;
        }
        if (good && !reservation)
                good = reserve(manager, call, session, request, &demand, deadline_usec, &reservation, error);
        if (good)
                *ret = (MemoryReservation){ bus_strdup(reservation->id), reservation->kib };
        pthread_cond_broadcast(&manager->changed);
        pthread_mutex_unlock(&manager->lock);
        return good;
}

bool manager_login(Manager *manager, const char *session, MemoryError **error)
{
        pthread_mutex_lock(&manager->lock);
        int r = reservations_forget_session(manager->reservations, session);
        pthread_cond_broadcast(&manager->changed);
        pthread_mutex_unlock(&manager->lock);
        return r == 0 || memory_fail_internal(error, "cannot give reservations back: %s", g_strerror(-r));
}

/* With the lock: one of the session's. */
static const Reservation *find(Manager *manager, const char *session, const char *id)
{
        const Reservation *reservation = reservations_find(manager->reservations, id);
        return reservation && g_str_equal(reservation->session, session) ? reservation : NULL;
}

bool manager_delete(Manager *manager, const char *session, const char *id, MemoryError **error)
{
        pthread_mutex_lock(&manager->lock);
        int r = find(manager, session, id) ? reservations_remove(manager->reservations, id) : 0;
        pthread_cond_broadcast(&manager->changed);
        pthread_mutex_unlock(&manager->lock);
        return r == 0 || memory_fail_internal(error, "cannot give the reservation back: %s", g_strerror(-r));
}

bool manager_transfer(Manager *manager, const char *session, const char *id, int64_t domid,
                      MemoryError **error)
{
        bool good;
        Host host;

        pthread_mutex_lock(&manager->lock);
        int r = manager->backend->operations->look(manager->backend, &host);
        if (r < 0) {
                good = fail_backend(manager, r, error);
        } else if (!find(manager, session, id)) {
                good = memory_fail_unknown_reservation(error, id);
        } else if (!host_domain(&host, domid)) {
                good = memory_fail_internal(error, "there is no domain %" G_GINT64_FORMAT, domid);
        } else {
                int given = reservations_give(manager->reservations, id, domid);
                good = given == 0 || memory_fail_internal(error, "cannot write the reservation down: %s",
                                                          g_strerror(-given));
        }
        pthread_mutex_unlock(&manager->lock);
        if (r == 0)
                host_clear(&host);
        return good;
}

bool manager_query(Manager *manager, int64_t domid, char **ret, MemoryError **error)
{
        pthread_mutex_lock(&manager->lock);
        const Reservation *reservation = reservations_of_domain(manager->reservations, domid);
        if (reservation)
                *ret = bus_strdup(reservation->id);
        pthread_mutex_unlock(&manager->lock);
        return reservation || memory_fail_no_reservation(error);
}

/* ---- balancing ---- */

bool manager_balance(Manager *manager, const ServiceCall *call, uint64_t deadline_usec, MemoryError **error)
{
        bool good = true;

        pthread_mutex_lock(&manager->lock);
        int r = look(manager);
        while (r == 0 && manager->moving && (good = pause_until_changed(manager, call, deadline_usec, error)))
                if (clock_usec() >= next_look_usec(manager))
                        r = look(manager);
        pthread_cond_broadcast(&manager->changed);
        pthread_mutex_unlock(&manager->lock);
        return r < 0 ? fail_backend(manager, r, error) : good;
}

/* ---- what is ---- */

bool manager_host(Manager *manager, Host *ret, MemoryError **error)
{
        pthread_mutex_lock(&manager->lock);
        int r = manager->backend->operations->look(manager->backend, ret);
        pthread_mutex_unlock(&manager->lock);
        return r == 0 || fail_backend(manager, r, error);
}

static void describe_reservation(const Reservation *reservation, void *data)
{
        g_string_append_printf(data, "reservation %s of %s: %" G_GINT64_FORMAT " KiB", reservation->id,
                               reservation->session, reservation->kib);
        if (reservation->domid)
                g_string_append_printf(data, " for domain %" G_GINT64_FORMAT, reservation->domid);
        g_string_append_c(data, '\n');
}

static void describe_domains(Manager *manager, const Host *host, GString *text)
{
        for (size_t i = 0; i < host->n; i++) {
                const HostDomain *domain = &host->domains[i];
                g_string_append_printf(text, "domain %" G_GINT64_FORMAT ": has %" G_GINT64_FORMAT " KiB",
                                       domain->domid, domain->actual_kib);
                if (domain->managed)
                        g_string_append_printf(text,
                                               ", target %" G_GINT64_FORMAT ", between %" G_GINT64_FORMAT
                                               " and %" G_GINT64_FORMAT,
                                               domain->target_kib, domain->dynamic_min_kib,
                                               domain->dynamic_max_kib);
                else
                        g_string_append(text, ", not ours");
                if (!domain->ran)
                        g_string_append(text, ", being built");
                else if (balance_is_inactive(manager->balance, domain->domid))
                        g_string_append(text, ", does not balloon");
                g_string_append_c(text, '\n');
        }
}

char *manager_diagnostics(Manager *manager)
{
        GString *text = g_string_new(NULL);
        Host host;

        pthread_mutex_lock(&manager->lock);
        int r = manager->backend->operations->look(manager->backend, &host);
        if (r < 0) {
                g_string_append_printf(text, "%s: %s\n", manager->backend->operations->name, g_strerror(-r));
        } else {
                g_string_append_printf(text,
                                       "%s: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                                       " KiB free, %" G_GINT64_FORMAT " always kept, %u wait for memory\n",
                                       manager->backend->operations->name, host.free_kib, host.total_kib,
                                       manager->reserved_kib, manager->demands->len);
                describe_domains(manager, &host, text);
                reservations_each(manager->reservations, describe_reservation, text);
                host_clear(&host);
        }
        pthread_mutex_unlock(&manager->lock);
        char *owned = bus_strdup(text->str);
        g_string_free(text, TRUE);
        return owned;
}
