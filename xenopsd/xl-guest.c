/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-guest.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>
#include <xenstore.h>

#include "guest-facts.h"
#include "message-switch/lib/daemon.h"

/* What is watched in a domain's folder. The target is squeezed's; a guest cannot change it. Its devices tell by which drivers
 * they are served. */
static const char *const WATCHED[] = { "attr",    "data",          "control", "feature",
                                       "drivers", "memory/target", "device" };

typedef struct Guest {
        char *vm;
        uint32_t domid;
        bool hvm;
        /* The thread's alone: */
        bool watched;
        bool changed;
        unsigned n_changes;        /* since it was last looked at */
        uint64_t due_usec;         /* not looked at before */
        uint64_t quiet_until_usec; /* it floods */
        /* Under the lock: */
        bool forgotten, known;
        BusDict facts;
        bool has_drivers;
        int64_t target_kib; /* -1: not known */
} Guest;

struct XlGuests {
        Xenlight *xenlight;
        struct xs_handle *store; /* the thread's */
        pthread_t thread;
        int wake; /* eventfd */
        pthread_mutex_t lock;
        GHashTable *guests; /* domid -> Guest */
        bool stopping;
};

static void guest_free(gpointer data)
{
        Guest *guest = data;
        bus_dict_clear(&guest->facts);
        g_free(guest->vm);
        g_free(guest);
}

/* ---- reading ---- */

typedef struct Source {
        struct xs_handle *store;
        uint32_t domid;
} Source;

static char **source_list(void *data, const char *key, unsigned *ret_n)
{
        const Source *source = data;
        g_autofree char *path = g_strdup_printf("/local/domain/%u/%s", source->domid, key);
        *ret_n = 0;
        return xs_directory(source->store, XBT_NULL, path, ret_n);
}

static char *source_read(void *data, const char *key, unsigned *ret_len)
{
        const Source *source = data;
        g_autofree char *path = g_strdup_printf("/local/domain/%u/%s", source->domid, key);
        return xs_read(source->store, XBT_NULL, path, ret_len);
}

static int64_t read_target(const GuestStore *store)
{
        unsigned len;
        gint64 kib;
        char *text = store->read(store->data, "memory/target", &len);
        bool good = text && g_ascii_string_to_signed(text, 10, 0, INT64_MAX / 4096, &kib, NULL);
        free(text);
        return good ? kib : -1;
}

static bool same_facts(const BusDict *a, const BusDict *b)
{
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
                    strcmp(a->items[i].value, b->items[i].value) != 0)
                        return false;
        return true;
}

static int compare_keys(const void *p, const void *q)
{
        return strcmp(((const BusPair *)p)->key, ((const BusPair *)q)->key);
}

/* Looks at what it says, and tells when that is news. */
static void guest_look(XlGuests *guests, Guest *guest)
{
        Source source = { guests->store, guest->domid };
        GuestStore store = { source_list, source_read, &source };
        BusDict facts = { 0 };

        guest_facts_read(&store, &facts);
        if (facts.n > 1)
                qsort(facts.items, facts.n, sizeof *facts.items, compare_keys);
        bool drivers = !guest->hvm || guest_has_drivers(&store);
        int64_t target = read_target(&store);
        pthread_mutex_lock(&guests->lock);
        bool news = !guest->known || guest->has_drivers != drivers || guest->target_kib != target ||
                    !same_facts(&guest->facts, &facts);
        BusDict old = guest->facts;
        guest->facts = facts;
        guest->has_drivers = drivers;
        guest->target_kib = target;
        guest->known = true;
        bool forgotten = guest->forgotten;
        pthread_mutex_unlock(&guests->lock);
        bus_dict_clear(&old);
        if (news && !forgotten)
                guests->xenlight->backend.events.changed(guest->vm, guests->xenlight->backend.events.data);
}

/* ---- watching ---- */

static void guest_set_watched(XlGuests *guests, Guest *guest, bool watched)
{
        char token[16];

        if (guest->watched == watched)
                return;
        guest->watched = watched;
        g_snprintf(token, sizeof token, "%u", guest->domid);
        for (size_t i = 0; i < G_N_ELEMENTS(WATCHED); i++) {
                g_autofree char *path = g_strdup_printf("/local/domain/%u/%s", guest->domid, WATCHED[i]);
                if (watched)
                        xs_watch(guests->store, path, token);
                else
                        xs_unwatch(guests->store, path, token);
        }
}

/* Only this thread removes guests, so that those it found stay until it does. */
static Guest *guest_find(XlGuests *guests, uint32_t domid)
{
        pthread_mutex_lock(&guests->lock);
        Guest *guest = g_hash_table_lookup(guests->guests, GUINT_TO_POINTER(domid));
        pthread_mutex_unlock(&guests->lock);
        return guest;
}

#define WATCH_BATCH 256

/* Takes what has come, a batch at a time. */
static void take_changes(XlGuests *guests)
{
        for (unsigned i = 0; i < WATCH_BATCH; i++) {
                char **event = xs_check_watch(guests->store);
                if (!event)
                        return;
                Guest *guest =
                    guest_find(guests, (uint32_t)g_ascii_strtoull(event[XS_WATCH_TOKEN], NULL, 10));
                free(event);
                if (!guest)
                        continue;
                guest->changed = true;
                if (++guest->n_changes <= XL_GUEST_CHANGES_MAX || !guest->watched)
                        continue;
                log_warning("A guest floods xenstore: it is looked at less often", "XAPI_VM", guest->vm,
                            NULL);
                guest_set_watched(guests, guest, false);
                guest->quiet_until_usec = clock_usec() + XL_GUEST_QUIET_USEC;
        }
}

/* Does what is due; the result is when something is next. */
static uint64_t guest_serve(XlGuests *guests, Guest *guest, uint64_t now)
{
        if (!guest->watched && now >= guest->quiet_until_usec) {
                guest->n_changes = 0;
                guest->changed = true;
                guest_set_watched(guests, guest, true);
        }
        if (guest->changed && now >= guest->due_usec) {
                guest->changed = false;
                guest->n_changes = 0;
                guest->due_usec = now + XL_GUEST_INTERVAL_USEC;
                guest_look(guests, guest);
        }
        uint64_t next = guest->changed ? guest->due_usec : UINT64_MAX;
        return guest->watched ? next : MIN(next, guest->quiet_until_usec);
}

static GPtrArray *guests_list(XlGuests *guests)
{
        GPtrArray *list = g_ptr_array_new();
        GHashTableIter iter;
        gpointer guest;

        pthread_mutex_lock(&guests->lock);
        g_hash_table_iter_init(&iter, guests->guests);
        while (g_hash_table_iter_next(&iter, NULL, &guest))
                g_ptr_array_add(list, guest);
        pthread_mutex_unlock(&guests->lock);
        return list;
}

static uint64_t serve_all(XlGuests *guests)
{
        g_autoptr(GPtrArray) list = guests_list(guests);
        uint64_t next = UINT64_MAX;

        for (guint i = 0; i < list->len; i++) {
                Guest *guest = g_ptr_array_index(list, i);
                pthread_mutex_lock(&guests->lock);
                bool forgotten = guest->forgotten;
                pthread_mutex_unlock(&guests->lock);
                if (!forgotten) {
                        next = MIN(next, guest_serve(guests, guest, clock_usec()));
                        continue;
                }
                guest_set_watched(guests, guest, false);
                pthread_mutex_lock(&guests->lock);
                if (guest->forgotten) /* not watched again meanwhile */
                        g_hash_table_remove(guests->guests, GUINT_TO_POINTER(guest->domid));
                pthread_mutex_unlock(&guests->lock);
        }
        return next;
}

static void *guests_run(void *data)
{
        XlGuests *guests = data;
        struct pollfd fds[] = { { xs_fileno(guests->store), POLLIN, 0 }, { guests->wake, POLLIN, 0 } };

        for (;;) {
                uint64_t next = serve_all(guests), now = clock_usec(), count;
                int timeout_ms = next == UINT64_MAX ? -1 : next <= now ? 0 : (int)((next - now + 999) / 1000);
                poll(fds, G_N_ELEMENTS(fds), timeout_ms);
                if (fds[1].revents & POLLIN && read(guests->wake, &count, sizeof count) < 0 &&
                    errno != EAGAIN)
                        log_error("Guests are not followed any more", NULL);
                pthread_mutex_lock(&guests->lock);
                bool stopping = guests->stopping;
                pthread_mutex_unlock(&guests->lock);
                if (stopping)
                        return NULL;
                if (fds[0].revents & POLLIN)
                        take_changes(guests);
        }
}

static void guests_wake(XlGuests *guests)
{
        uint64_t one = 1;
        if (write(guests->wake, &one, sizeof one) < 0)
                log_debug("The guests' thread is awake", NULL);
}

/* ---- for others ---- */

XlGuests *xl_guests_new(Xenlight *xenlight, char **ret_error)
{
        XlGuests *guests = g_new0(XlGuests, 1);

        guests->xenlight = xenlight;
        guests->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        guests->store = guests->wake < 0 ? NULL : xs_open(0);
        guests->guests = g_hash_table_new_full(NULL, NULL, NULL, guest_free);
        pthread_mutex_init(&guests->lock, NULL);
        int r = guests->store ? pthread_create(&guests->thread, NULL, guests_run, guests) : errno;
        if (r == 0)
                return guests;
        *ret_error = g_strdup_printf("cannot follow xenstore: %s", g_strerror(r));
        guests->thread = 0;
        xl_guests_free(guests);
        return NULL;
}

void xl_guests_free(XlGuests *guests)
{
        if (!guests)
                return;
        if (guests->thread) {
                pthread_mutex_lock(&guests->lock);
                guests->stopping = true;
                pthread_mutex_unlock(&guests->lock);
                guests_wake(guests);
                pthread_join(guests->thread, NULL);
        }
        if (guests->store)
                xs_close(guests->store);
        if (guests->wake >= 0)
                close(guests->wake);
        g_hash_table_destroy(guests->guests);
        pthread_mutex_destroy(&guests->lock);
        g_free(guests);
}

void xl_guests_watch(XlGuests *guests, const char *vm, uint32_t domid)
{
        XlVm *entry = xl_table_lock(guests->xenlight->table, vm);
        bool hvm = entry && entry->hvm;
        if (entry)
                xl_table_unlock(guests->xenlight->table, entry);
        pthread_mutex_lock(&guests->lock);
        Guest *guest = g_hash_table_lookup(guests->guests, GUINT_TO_POINTER(domid));
        if (guest) {
                guest->forgotten = false;
        } else {
                guest = g_new0(Guest, 1);
                *guest = (Guest){ .vm = g_strdup(vm), .domid = domid, .hvm = hvm, .target_kib = -1 };
                g_hash_table_insert(guests->guests, GUINT_TO_POINTER(domid), guest);
        }
        pthread_mutex_unlock(&guests->lock);
        guests_wake(guests);
}

void xl_guests_forget(XlGuests *guests, uint32_t domid)
{
        pthread_mutex_lock(&guests->lock);
        Guest *guest = g_hash_table_lookup(guests->guests, GUINT_TO_POINTER(domid));
        if (guest)
                guest->forgotten = true;
        pthread_mutex_unlock(&guests->lock);
        guests_wake(guests);
}

void xl_guests_fill(XlGuests *guests, uint32_t domid, XenopsVmState *state)
{
        pthread_mutex_lock(&guests->lock);
        const Guest *guest = g_hash_table_lookup(guests->guests, GUINT_TO_POINTER(domid));
        if (guest && guest->known && !guest->forgotten) {
                for (size_t i = 0; i < guest->facts.n; i++) {
                        BusPair *pair = BUS_LIST_ADD(&state->guest_agent);
                        *pair = (BusPair){ bus_strdup(guest->facts.items[i].key),
                                           bus_strdup(guest->facts.items[i].value) };
                }
                state->pv_drivers_detected = guest->has_drivers;
                if (guest->target_kib >= 0)
                        state->memory_target = guest->target_kib * 1024;
        }
        pthread_mutex_unlock(&guests->lock);
}
