/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "manager.h"
#include "role.h"
#include "uuid.h"
#include "xenapi.h"

struct Sessions {
        Manager *manager;
        GHashTable *known;    /* session ref -> SessionInfo; on the loop only */
        pthread_mutex_t lock; /* guards local_refs */
        GHashTable *local_refs;
};

Sessions *sessions_new(Manager *manager)
{
        Sessions *s = g_new0(Sessions, 1);

        s->manager = manager;
        s->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        s->local_refs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pthread_mutex_init(&s->lock, NULL);
        return s;
}

void sessions_free(Sessions *s)
{
        if (!s)
                return;
        g_hash_table_unref(s->known);
        g_hash_table_unref(s->local_refs);
        pthread_mutex_destroy(&s->lock);
        g_free(s);
}

static bool is_local(Sessions *s, const char *ref)
{
        bool found;

        pthread_mutex_lock(&s->lock);
        found = g_hash_table_contains(s->local_refs, ref);
        pthread_mutex_unlock(&s->lock);
        return found;
}

static void refresh(Sessions *s, const char *ref, time_t now)
{
        Txn *txn = txn_begin(s->manager->store);
        SessionRow *session = (SessionRow *)txn_edit(txn, &CLASS_SESSION, ref);

        if (session)
                session->last_active = now;
        txn_commit(txn, NULL, NULL);
}

/* What the user of this row may do; asked once a session and server, then remembered. */
static const SessionInfo *learn(Sessions *s, const SessionRow *session)
{
        SessionInfo *info = g_hash_table_lookup(s->known, session->row.ref);
        uint32_t roles;
        bool local_root;

        if (info)
                return info;
        if (session->is_local_superuser) {
                roles = ROLE_POOL_ADMIN;
                local_root = true;
        } else if (!auth_roles(s->manager->auth, session->auth_user_name, &roles, &local_root)) {
                return NULL;
        }
        info = g_new0(SessionInfo, 1);
        info->roles = roles;
        info->local_root = local_root;
        g_hash_table_insert(s->known, g_strdup(session->row.ref), info);
        return info;
}

bool sessions_check(Sessions *s, const char *ref, SessionInfo *ret, XapiError **error)
{
        const SessionRow *session = STORE_GET(SessionRow, CLASS_SESSION, s->manager->store, ref);
        const SessionInfo *info;
        time_t now = time(NULL);
        bool ok = false;

        if (!session) {
                g_hash_table_remove(s->known, ref);
                if (!is_local(s, ref))
                        return xapi_fail(error, ERR_SESSION_INVALID, ref, NULL);
                *ret = (SessionInfo){ .roles = ROLE_POOL_ADMIN, .local_root = true, .local = true };
                return true;
        }
        info = now - session->last_active <= SESSION_IDLE_SEC ? learn(s, session) : NULL;
        if (info) {
                *ret = *info;
                ok = true;
                if (now - session->last_active > SESSION_REFRESH_SEC)
                        refresh(s, ref, now);
        }
        row_unref(&session->row);
        return ok || xapi_fail(error, ERR_SESSION_INVALID, ref, NULL);
}

/* ---- making ---- */

typedef struct Oldest {
        const char *user, *originator;
        size_t of_user, of_originator;
        const SessionRow *oldest_of_user, *oldest_of_originator;
} Oldest;

static bool older(const SessionRow *a, const SessionRow *b)
{
        return !b || a->last_active < b->last_active ||
               (a->last_active == b->last_active && a->row.created < b->row.created);
}

static bool count_session(const Row *row, void *user)
{
        const SessionRow *session = (const SessionRow *)row;
        Oldest *o = user;

        if (strcmp(session->auth_user_name, o->user) == 0) {
                o->of_user++;
                if (older(session, o->oldest_of_user))
                        o->oldest_of_user = session;
        }
        if (strcmp(session->originator, o->originator) == 0) {
                o->of_originator++;
                if (older(session, o->oldest_of_originator))
                        o->oldest_of_originator = session;
        }
        return true;
}

static void make_room(Txn *txn, const char *user, const char *originator)
{
        Oldest o = { .user = user, .originator = originator };
        const SessionRow *a = NULL, *b = NULL;

        txn_each(txn, &CLASS_SESSION, count_session, &o);
        if (o.of_user >= SESSIONS_PER_USER_MAX)
                a = o.oldest_of_user;
        if (o.of_originator >= SESSIONS_PER_ORIGINATOR_MAX)
                b = o.oldest_of_originator;
        if (a)
                txn_delete(txn, &CLASS_SESSION, a->row.ref);
        if (b && b != a)
                txn_delete(txn, &CLASS_SESSION, b->row.ref);
}

/* Returns NULL with *error where it could not be stored. */
static Str make_session(Sessions *s, const Principal *who, const char *originator, bool durable, XapiError **error)
{
        Txn *txn = txn_begin(s->manager->store);
        SessionRow *session;
        auto_str ref = NULL;

        if (durable)
                make_room(txn, who->user, originator);
        session = (SessionRow *)txn_create(txn, &CLASS_SESSION, NULL, NULL);
        if (!durable)
                txn_make_volatile(txn, &CLASS_SESSION, session->row.ref);
        slot_str(&session->this_host, s->manager->host);
        slot_str(&session->auth_user_name, who->user);
        slot_str(&session->originator, originator);
        session->is_local_superuser = who->local_root;
        session->last_active = session->validation_time = time(NULL);
        if (!who->local_root)
                slot_set(&session->rbac_permissions, role_permissions(who->roles));
        ref = str_ref(session->row.ref);
        if (!txn_commit_wait(txn, error))
                return NULL;
        return str_ref(ref);
}

Str sessions_open(Sessions *s, const Principal *who, const char *originator, XapiError **error)
{
        XapiError *second = NULL;
        Str ref = make_session(s, who, originator, true, error);

        if (ref)
                return ref;
        /* Somebody has to get in to make room on a full disk: this session ends with the process. */
        ref = make_session(s, who, originator, false, &second);
        if (ref)
                g_clear_pointer(error, xapi_error_free);
        xapi_error_free(second);
        return ref;
}

Str sessions_open_local(Sessions *s)
{
        char uuid[UUID_TEXT_SIZE];
        Str ref;

        uuid_make(uuid);
        ref = str_printf("OpaqueRef:%s", uuid);
        pthread_mutex_lock(&s->lock);
        g_hash_table_add(s->local_refs, g_strdup(ref));
        pthread_mutex_unlock(&s->lock);
        return ref;
}

bool sessions_close_local(Sessions *s, const char *ref)
{
        bool found;

        pthread_mutex_lock(&s->lock);
        found = g_hash_table_remove(s->local_refs, ref);
        pthread_mutex_unlock(&s->lock);
        return found;
}

Str session_track_id(const char *ref)
{
        g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, ref, -1);

        return str_printf("trackid=%.32s", hex);
}

void sessions_collect(Sessions *s)
{
        time_t now = time(NULL);
        size_t n;
        const Row **rows = store_rows(s->manager->store, &CLASS_SESSION, &n);
        Txn *txn = NULL;

        for (size_t i = 0; i < n; i++) {
                if (now - ((const SessionRow *)rows[i])->last_active <= SESSION_IDLE_SEC)
                        continue;
                if (!txn)
                        txn = txn_begin(s->manager->store);
                txn_delete(txn, &CLASS_SESSION, rows[i]->ref);
        }
        if (txn)
                txn_commit(txn, NULL, NULL);
        store_rows_free(rows, n);
}
