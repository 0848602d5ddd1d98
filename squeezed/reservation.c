/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reservation.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "ledger.h"
#include "message-switch/lib/daemon.h"

#define PREFIX      "reservation/"
#define INITIAL_KEY "initial-free"

typedef char Key[sizeof PREFIX + 40];

struct Reservations {
        Ledger *ledger;
        GHashTable *by_id; /* Reservation.id -> Reservation */
};

static void reservation_free(gpointer data)
{
        Reservation *reservation = data;
        g_free(reservation->id);
        g_free(reservation->session);
        g_free(reservation->request);
        g_free(reservation);
}

static int reservation_write(Reservations *reservations, const Reservation *reservation, int64_t domid)
{
        Key key;
        json_t *json =
            json_pack("{ss ss? sI sI}", "session", reservation->session, "request", reservation->request,
                      "kib", (json_int_t)reservation->kib, "domid", (json_int_t)domid);
        if (!json)
                return -EINVAL;
        g_snprintf(key, sizeof key, PREFIX "%s", reservation->id);
        int r = ledger_put_json(reservations->ledger, key, json);
        json_decref(json);
        return r;
}

static bool reservation_load(Reservations *reservations, const char *key)
{
        const char *session;
        json_int_t kib, domid;
        json_t *json = NULL;
        bool good = ledger_get_json(reservations->ledger, key, &json) == 0 &&
                    json_unpack(json, "{ss sI sI}", "session", &session, "kib", &kib, "domid", &domid) == 0;
        if (good) {
                Reservation *reservation = g_new(Reservation, 1);
                *reservation = (Reservation){ g_strdup(key + strlen(PREFIX)), g_strdup(session),
                                              g_strdup(json_string_value(json_object_get(json, "request"))),
                                              kib, domid };
                g_hash_table_insert(reservations->by_id, reservation->id, reservation);
        }
        json_decref(json);
        return good;
}

Reservations *reservations_open(const char *path, char **ret_error)
{
        Ledger *ledger = ledger_open(path, ret_error);
        if (!ledger)
                return NULL;
        Reservations *reservations = g_new(Reservations, 1);
        reservations->ledger = ledger;
        reservations->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, reservation_free);
        g_auto(GStrv) keys = ledger_keys(ledger, PREFIX);
        for (char **key = keys; *key; key++)
                if (!reservation_load(reservations, *key))
                        log_error("A reservation cannot be read", "KEY", *key, NULL);
        return reservations;
}

void reservations_close(Reservations *reservations)
{
        if (!reservations)
                return;
        g_hash_table_destroy(reservations->by_id);
        ledger_close(reservations->ledger);
        g_free(reservations);
}

const Reservation *reservations_find(Reservations *reservations, const char *id)
{
        return g_hash_table_lookup(reservations->by_id, id);
}

#define EACH(iter, reservation)                                                                              \
        for (g_hash_table_iter_init(&iter, reservations->by_id);                                             \
             g_hash_table_iter_next(&iter, NULL, (gpointer *)&reservation);)

const Reservation *reservations_of_request(Reservations *reservations, const char *session,
                                           const char *request)
{
        GHashTableIter iter;
        const Reservation *reservation;

        EACH(iter, reservation)
        if (request && reservation->request && reservation->domid == 0 &&
            g_str_equal(reservation->request, request) && g_str_equal(reservation->session, session))
                return reservation;
        return NULL;
}

const Reservation *reservations_of_domain(Reservations *reservations, int64_t domid)
{
        GHashTableIter iter;
        const Reservation *reservation;

        EACH(iter, reservation)
        if (domid > 0 && reservation->domid == domid)
                return reservation;
        return NULL;
}

int reservations_add(Reservations *reservations, const char *session, const char *request, int64_t kib,
                     const Reservation **ret)
{
        if (g_hash_table_size(reservations->by_id) >= RESERVATIONS_MAX ||
            strlen(session) > RESERVATION_TEXT_BYTES_MAX ||
            (request && strlen(request) > RESERVATION_TEXT_BYTES_MAX))
                return -E2BIG;
        Reservation *reservation = g_new(Reservation, 1);
        *reservation = (Reservation){ g_uuid_string_random(), g_strdup(session), g_strdup(request), kib, 0 };
        int r = reservation_write(reservations, reservation, 0);
        if (r < 0) {
                reservation_free(reservation);
                return r;
        }
        g_hash_table_insert(reservations->by_id, reservation->id, reservation);
        *ret = reservation;
        return 0;
}

int reservations_give(Reservations *reservations, const char *id, int64_t domid)
{
        Reservation *reservation = g_hash_table_lookup(reservations->by_id, id);
        int r;

        if (!reservation)
                return -ENOENT;
        r = reservation_write(reservations, reservation, domid);
        if (r == 0)
                reservation->domid = domid;
        return r;
}

int reservations_remove(Reservations *reservations, const char *id)
{
        Key key;
        int r;

        if (!reservations_find(reservations, id))
                return 0;
        g_snprintf(key, sizeof key, PREFIX "%s", id);
        r = ledger_remove(reservations->ledger, key);
        if (r == 0)
                g_hash_table_remove(reservations->by_id, id);
        return r;
}

/* Copies, so that they can be removed one by one; ended by NULL. */
static char **matching(Reservations *reservations, bool (*match)(const Reservation *, const void *),
                       const void *data)
{
        g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
        GHashTableIter iter;
        const Reservation *reservation;

        EACH(iter, reservation)
        if (match(reservation, data))
                g_strv_builder_add(ids, reservation->id);
        return g_strv_builder_end(ids);
}

static bool is_sessions_own(const Reservation *reservation, const void *session)
{
        return reservation->domid == 0 && g_str_equal(reservation->session, session);
}

int reservations_forget_session(Reservations *reservations, const char *session)
{
        g_auto(GStrv) ids = matching(reservations, is_sessions_own, session);
        int r = 0;

        for (char **id = ids; *id && r == 0; id++)
                r = reservations_remove(reservations, *id);
        return r;
}

static bool is_orphan(const Reservation *reservation, const void *host)
{
        return reservation->domid != 0 && !host_domain(host, reservation->domid);
}

void reservations_forget_domains(Reservations *reservations, const Host *host)
{
        g_auto(GStrv) ids = matching(reservations, is_orphan, host);

        for (char **id = ids; *id; id++)
                if (reservations_remove(reservations, *id) < 0)
                        log_warning("A reservation cannot be forgotten", "RESERVATION", *id, NULL);
}

/* Whoever reserves for a VM may name it in the request; then what its domain has is counted from its first page. */
static const HostDomain *domain_being_built(const Host *host, const char *uuid)
{
        for (size_t i = 0; uuid && i < host->n; i++)
                if (!host->domains[i].ran && g_str_equal(host->domains[i].uuid, uuid))
                        return &host->domains[i];
        return NULL;
}

int64_t reservations_kept_kib(Reservations *reservations, const Host *host)
{
        GHashTableIter iter;
        const Reservation *reservation;
        int64_t kib = 0;

        EACH(iter, reservation)
        {
                const HostDomain *domain = reservation->domid
                                               ? host_domain(host, reservation->domid)
                                               : domain_being_built(host, reservation->request);
                if (domain && !domain->ran)
                        kib += MAX(reservation->kib - domain->actual_kib, 0);
                else if (reservation->domid == 0)
                        kib += reservation->kib;
        }
        return kib;
}

void reservations_each(Reservations *reservations, void (*function)(const Reservation *, void *data),
                       void *data)
{
        GHashTableIter iter;
        const Reservation *reservation;

        EACH(iter, reservation)
        function(reservation, data);
}

int64_t reservations_initial_kib(Reservations *reservations, int64_t now_kib)
{
        g_autofree char *text = NULL;
        char now[24];

        if (ledger_get(reservations->ledger, INITIAL_KEY, &text) == 0)
                return g_ascii_strtoll(text, NULL, 10);
        g_snprintf(now, sizeof now, "%" G_GINT64_FORMAT, now_kib);
        if (ledger_put(reservations->ledger, INITIAL_KEY, now) < 0)
                log_warning("The memory that was free at first cannot be written down", NULL);
        return now_kib;
}
