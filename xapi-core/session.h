/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is logged in: session rows, their limits and their end. What a client sends as its session is a secret that is
 * never written down: rows, tasks and whatever else knows of a session have the reference that session_ref makes of it, with which
 * nobody gets in. So a copy of the database, or a record, gives no session away. */
#pragma once

#include "auth.h"
#include "call.h"

#define SESSION_IDLE_SEC             (24 * 60 * 60)
#define SESSION_REFRESH_SEC          600 /* last_active is written no more often than that */
#define SESSIONS_PER_ORIGINATOR_MAX  500
#define SESSIONS_PER_USER_MAX        500
#define SESSIONS_LOCAL_MAX           500
#define SESSION_ORIGINATOR_BYTES_MAX 1024u

typedef struct Sessions Sessions;

Sessions *sessions_new(Manager *manager);
void sessions_free(Sessions *sessions);

#define SESSION_REF_SIZE 47 /* with the NUL */
/* The reference of the session of that secret, whether there is one or not. */
void session_ref(char ret_ref[SESSION_REF_SIZE], const char *secret);

typedef struct SessionInfo {
        char ref[SESSION_REF_SIZE];
        uint32_t roles;  /* ROLE_ bits */
        bool local_root; /* may do everything */
} SessionInfo;

/* What this session may do; refreshes last_active where that is due. SESSION_INVALID [secret] otherwise. On the loop. */
bool sessions_check(Sessions *sessions, const char *secret, SessionInfo *ret, XapiError **error);
/* A new session, the oldest of its user or originator dropped where there are too many. Durable when it returns, where
 * the disk takes it; on a worker. Returns its secret, owned, or NULL. */
Str sessions_open(Sessions *sessions, const Principal *who, const char *originator, XapiError **error);
/* A session of the local super-user that is in memory only, for when there is no pool to ask; the one that was idle for
 * longest is dropped where there are too many. Any thread. Returns its secret, owned. */
Str sessions_open_local(Sessions *sessions);
bool sessions_close_local(Sessions *sessions, const char *ref); /* false: there is none */
/* What stands for a session where its reference must not be seen: "trackid=<hex>". Returns owned. */
Str session_track_id(const char *ref);
/* For session.get_by_uuid, which upstream answers with what opens the session (here only a pool-admin is told another's):
 * that of one that was used in this process since the last sessions_collect, owned; NULL: not known. Any thread. */
Str sessions_secret(Sessions *sessions, const char *ref);
/* Drops sessions that were idle for too long, and forgets what users may do, which is then asked anew. On the loop, now
 * and then. */
void sessions_collect(Sessions *sessions);
