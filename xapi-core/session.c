/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "manager.h"
#include "role.h"
#include "uuid.h"
#include "xenapi.h"

#define REF_PREFIX "OpaqueRef:"

struct Sessions {
        Manager *manager;
        GHashTable *known;    /* session ref -> SessionInfo; on the loop only; emptied now and then */
        pthread_mutex_t lock; /* guards what is below; innermost */
        GHashTable *secrets;  /* session ref -> what opens it, of those in `known` */
        GQueue local;         /* of LocalSession, the one that was idle for longest first */
        GPtrArray *dropped;   /* refs of local sessions whose long polls have to end */
};

typedef struct LocalSession {
        char *ref;
        time_t last_active;
} LocalSession;

static void local_free(void *data)
{
        LocalSession *local = data;

        g_free(local->ref);
        g_free(local);
}

Sessions *sessions_new(Manager *manager)
{
        Sessions *s = g_new0(Sessions, 1);

        s->manager = manager;
        s->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        s->dropped = g_ptr_array_new_with_free_func(g_free);
        s->secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        pthread_mutex_init(&s->lock, NULL);
        return s;
}

void sessions_free(Sessions *s)
{
        if (!s)
                return;
        g_hash_table_unref(s->known);
        g_hash_table_unref(s->secrets);
        g_queue_clear_full(&s->local, local_free);
        g_ptr_array_unref(s->dropped);
        pthread_mutex_destroy(&s->lock);
        g_free(s);
}

/* With the lock held. */
static GList *find_local(Sessions *s, const char *ref)
{
        for (GList *i = s->local.head; i; i = i->next)
                if (strcmp(((LocalSession *)i->data)->ref, ref) == 0)
                        return i;
        return NULL;
}

static bool touch_local(Sessions *s, const char *ref, time_t now)
{
        GList *link;

        pthread_mutex_lock(&s->lock);
        link = find_local(s, ref);
        if (link) {
                ((LocalSession *)link->data)->last_active = now;
                g_queue_unlink(&s->local, link);
                g_queue_push_tail_link(&s->local, link);
        }
        pthread_mutex_unlock(&s->lock);
        return link;
}

static void refresh(Sessions *s, const char *ref, time_t now)
{
        Txn *txn = txn_begin(s->manager->store);
        SessionRow *session = (SessionRow *)txn_edit(txn, &CLASS_SESSION, ref);

        if (session)
                session->last_active = now;
        txn_commit(txn, NULL, NULL);
}

/* What the user of this row may do; asked once a session, then remembered until sessions_collect. */
static const SessionInfo *learn(Sessions *s, const SessionRow *session, const char *secret)
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
        g_strlcpy(info->ref, session->row.ref, sizeof(info->ref));
        info->roles = roles;
        info->local_root = local_root;
        g_hash_table_insert(s->known, g_strdup(session->row.ref), info);
        pthread_mutex_lock(&s->lock);
        g_hash_table_insert(s->secrets, g_strdup(session->row.ref), g_strdup(secret));
        pthread_mutex_unlock(&s->lock);
        return info;
}

void session_ref(char ret_ref[SESSION_REF_SIZE], const char *secret)
{
        _Static_assert(SESSION_REF_SIZE == sizeof(REF_PREFIX) - 1 + UUID_TEXT_SIZE, "");
        memcpy(ret_ref, REF_PREFIX, sizeof(REF_PREFIX) - 1);
        uuid_from_name(ret_ref + sizeof(REF_PREFIX) - 1, "session", secret);
}

/* What a client will send. */
static Str make_secret(void)
{
        char uuid[UUID_TEXT_SIZE];

        uuid_make(uuid);
        return str_printf(REF_PREFIX "%s", uuid);
}

bool sessions_check(Sessions *s, const char *secret, SessionInfo *ret, XapiError **error)
{
        char ref[SESSION_REF_SIZE];
        session_ref(ref, secret);
        const SessionRow *session = STORE_GET(SessionRow, CLASS_SESSION, s->manager->store, ref);
        const SessionInfo *info;
        time_t now = time(NULL);
        bool ok = false;

        if (!session) {
                if (!touch_local(s, ref, now))
                        return xapi_fail(error, ERR_SESSION_INVALID, secret, NULL);
                *ret = (SessionInfo){ .roles = ROLE_POOL_ADMIN, .local_root = true };
                memcpy(ret->ref, ref, sizeof(ref));
                return true;
        }
        info = now - session->last_active <= SESSION_IDLE_SEC ? learn(s, session, secret) : NULL;
        if (info) {
                *ret = *info;
                ok = true;
                if (now - session->last_active > SESSION_REFRESH_SEC || session->last_active > now)
                        refresh(s, ref, now);
        }
        row_unref(&session->row);
        return ok || xapi_fail(error, ERR_SESSION_INVALID, secret, NULL);
}

/* ---- making ---- */

typedef struct Oldest {
        const char *user, *originator;
        size_t of_user, of_originator;
        const SessionRow *oldest_of_user, *oldest_of_originator;
} Oldest;

/* Sessions are walked in the order of their creation: of two that were active in the same second, b is the older. */
static bool older(const SessionRow *a, const SessionRow *b)
{
        return !b || a->last_active < b->last_active;
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

/* False: there is none, and none may be made. */
static bool make_room(Txn *txn, const char *user, const char *originator, bool may_drop)
{
        Oldest o = { .user = user, .originator = originator };
        const SessionRow *a = NULL, *b = NULL;

        txn_each(txn, &CLASS_SESSION, count_session, &o);
        if (o.of_user >= SESSIONS_PER_USER_MAX)
                a = o.oldest_of_user;
        if (o.of_originator >= SESSIONS_PER_ORIGINATOR_MAX)
                b = o.oldest_of_originator;
        if ((a || b) && !may_drop)
                return false;
        if (a)
                txn_delete(txn, &CLASS_SESSION, a->row.ref);
        if (b && b != a)
                txn_delete(txn, &CLASS_SESSION, b->row.ref);
        return true;
}

/* Returns NULL with *error where it could not be stored. */
static Str make_session(Sessions *s, const Principal *who, const char *originator, bool durable,
                        XapiError **error)
{
        Txn *txn = txn_begin(s->manager->store);
        SessionRow *session;
        auto_str secret = make_secret();
        char ref[SESSION_REF_SIZE];

        if (!make_room(txn, who->user, originator, durable)) {
                txn_abort(txn);
                xapi_fail(error, ERR_TOO_BUSY, NULL);
                return NULL;
        }
        session_ref(ref, secret);
        session = (SessionRow *)txn_create(txn, &CLASS_SESSION, ref, NULL);
        if (!durable)
                txn_make_volatile(txn, &CLASS_SESSION, session->row.ref);
        slot_str(&session->this_host, s->manager->host);
        slot_str(&session->auth_user_name, who->user);
        slot_str(&session->originator, originator);
        session->is_local_superuser = who->local_root;
        session->last_active = session->validation_time = time(NULL);
        if (!who->local_root)
                slot_set(&session->rbac_permissions, role_permissions(who->roles));
        if (!txn_commit_wait(txn, error))
                return NULL;
        return str_ref(secret);
}

Str sessions_open(Sessions *s, const Principal *who, const char *originator, XapiError **error)
{
        XapiError *second = NULL;
        Str secret = make_session(s, who, originator, true, error);

        if (secret)
                return secret;
        /* Somebody has to get in to make room on a full disk: this session ends with the process. */
        secret = make_session(s, who, originator, false, &second);
        xapi_error_free(second);
        /* Nor can any row change where nothing could be written since this process began. */
        if (!secret && who->local_root)
                secret = sessions_open_local(s);
        if (secret)
                g_clear_pointer(error, xapi_error_free);
        return secret;
}

/* With the lock held. */
static void drop_oldest_local(Sessions *s)
{
        LocalSession *oldest = g_queue_pop_head(&s->local);

        g_ptr_array_add(s->dropped, g_steal_pointer(&oldest->ref));
        local_free(oldest);
}

Str sessions_open_local(Sessions *s)
{
        LocalSession *local = g_new0(LocalSession, 1);
        Str secret = make_secret();

        local->ref = g_malloc(SESSION_REF_SIZE);
        session_ref(local->ref, secret);
        local->last_active = time(NULL);
        pthread_mutex_lock(&s->lock);
        if (s->local.length >= SESSIONS_LOCAL_MAX)
                drop_oldest_local(s);
        g_queue_push_tail(&s->local, local);
        pthread_mutex_unlock(&s->lock);
        return secret;
}

bool sessions_close_local(Sessions *s, const char *ref)
{
        GList *link;

        pthread_mutex_lock(&s->lock);
        link = find_local(s, ref);
        if (link) {
                local_free(link->data);
                g_queue_delete_link(&s->local, link);
        }
        pthread_mutex_unlock(&s->lock);
        return link;
}

Str session_track_id(const char *ref)
{
        g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, ref, -1);

        return str_printf("trackid=%.32s", hex);
}

Str sessions_secret(Sessions *s, const char *ref)
{
        const char *secret;
        Str found;

        pthread_mutex_lock(&s->lock);
        secret = g_hash_table_lookup(s->secrets, ref);
        found = secret ? str_new(secret) : NULL;
        pthread_mutex_unlock(&s->lock);
        return found;
}

static void collect_local(Sessions *s, time_t now)
{
        g_autoptr(GPtrArray) dropped = NULL;
        const LocalSession *oldest;

        pthread_mutex_lock(&s->lock);
        for (GList *i = s->local.head; i; i = i->next) {
                LocalSession *local = i->data;

                local->last_active = MIN(local->last_active, now);
        }
        while ((oldest = g_queue_peek_head(&s->local)) && now - oldest->last_active > SESSION_IDLE_SEC)
                drop_oldest_local(s);
        g_hash_table_remove_all(s->secrets);
        dropped = g_steal_pointer(&s->dropped);
        s->dropped = g_ptr_array_new_with_free_func(g_free);
        pthread_mutex_unlock(&s->lock);
        for (guint i = 0; i < dropped->len; i++)
                watches_end_session(s->manager->watches, dropped->pdata[i]);
}

typedef struct Overdue {
        time_t now;
        GPtrArray *idle, *early; /* refs; early: active at a time that is still to come */
} Overdue;

static bool collect_overdue(const Row *row, void *user)
{
        const SessionRow *session = (const SessionRow *)row;
        Overdue *o = user;

        if (o->now - session->last_active > SESSION_IDLE_SEC)
                g_ptr_array_add(o->idle, (void *)str_ref(row->ref));
        else if (session->last_active > o->now)
                g_ptr_array_add(o->early, (void *)str_ref(row->ref));
        return true;
}

static void collect_stored(Sessions *s, time_t now)
{
        g_autoptr(GPtrArray) idle = g_ptr_array_new_with_free_func((GDestroyNotify)str_unref);
        g_autoptr(GPtrArray) early = g_ptr_array_new_with_free_func((GDestroyNotify)str_unref);
        Txn *txn = txn_begin(s->manager->store);

        txn_each(txn, &CLASS_SESSION, collect_overdue, &(Overdue){ now, idle, early });
        for (guint i = 0; i < idle->len; i++)
                txn_delete(txn, &CLASS_SESSION, idle->pdata[i]);
        /* The clock was set back: these would outlive all others, and be the last to make room. */
        for (guint i = 0; i < early->len; i++)
                ((SessionRow *)txn_edit(txn, &CLASS_SESSION, early->pdata[i]))->last_active = now;
        txn_commit(txn, NULL, NULL);
}

void sessions_collect(Sessions *s)
{
        const time_t now = time(NULL);

        collect_stored(s, now);
        collect_local(s, now);
        g_hash_table_remove_all(s->known); /* users come and go, and get other roles */
}
