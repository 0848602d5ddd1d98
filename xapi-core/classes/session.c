/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <string.h>

#include "auth.h"
#include "classes.h"
#include "manager.h"
#include "xenapi-handlers.h"

/* Whoever can open the unix socket is root already: any name and password will do there. */
static bool authenticate(Call *call, const char *user, const char *password, Principal *ret,
                         XapiError **error)
{
        if (call->local_socket) {
                *ret = (Principal){ .user = g_strdup("root"), .roles = ROLE_POOL_ADMIN, .local_root = true };
                return true;
        }
        if (auth_check(call->manager->auth, user, password, ret, error))
                return true;
        call->delay_usec = call->manager->login_delay_usec;
        return false;
}

static bool login_with_password(Call *call, const SessionLoginWithPasswordParams *p, XapiError **error)
{
        Principal who = { 0 };
        Str ref = NULL;

        if (strlen(p->originator) > SESSION_ORIGINATOR_BYTES_MAX)
                return xapi_fail(error, ERR_INVALID_VALUE, "originator", "It is too long", NULL);
        if (authenticate(call, p->uname, p->pwd, &who, error))
                ref = sessions_open(call->manager->sessions, &who, p->originator, error);
        principal_clear(&who);
        if (!ref)
                return false;
        return call_return(call, (Value){ .s = ref });
}

static bool slave_local_login_with_password(Call *call, const SessionSlaveLocalLoginWithPasswordParams *p,
                                            XapiError **error)
{
        Principal who = { 0 };
        bool ok = authenticate(call, p->uname, p->pwd, &who, error);

        if (ok && !who.local_root)
                ok = xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, p->uname, "Not the local super-user",
                               NULL);
        principal_clear(&who);
        if (!ok)
                return false;
        return call_return(call, (Value){ .s = sessions_open_local(call->manager->sessions) });
}

/* False: it is no local one. */
static bool close_local(Call *call)
{
        if (!sessions_close_local(call->manager->sessions, call->session))
                return false;
        watches_end_session(call->manager->watches, call->session);
        return true;
}

static bool logout(Call *call, const SessionLogoutParams *p, XapiError **error)
{
        if (!close_local(call))
                txn_delete(call_txn(call), &CLASS_SESSION, call->session);
        return true;
}

/* Of a session that is no local one nothing ends, as upstream. */
static bool local_logout(Call *call, const SessionLocalLogoutParams *p, XapiError **error)
{
        close_local(call);
        return true;
}

/* ---- subjects: sessions of users of a directory service ---- */

static bool collect_subject(const Row *row, void *user)
{
        const SessionRow *session = (const SessionRow *)row;
        Set **sids = user;
        Set *more;

        if (session->is_local_superuser || !*session->auth_user_sid)
                return true;
        more = set_with(*sids, (Value){ .s = session->auth_user_sid });
        set_unref(*sids);
        *sids = more;
        return true;
}

static bool get_all_subject_identifiers(Call *call, const SessionGetAllSubjectIdentifiersParams *p,
                                        XapiError **error)
{
        txn_each(call_txn(call), &CLASS_SESSION, collect_subject, &call->result.set);
        return true;
}

typedef struct SubjectSessions {
        const char *sid;
        GPtrArray *refs; /* borrowed from rows of the transaction */
} SubjectSessions;

static bool collect_sessions(const Row *row, void *user)
{
        SubjectSessions *found = user;

        if (strcmp(((const SessionRow *)row)->auth_user_sid, found->sid) == 0)
                g_ptr_array_add(found->refs, (void *)str_ref(row->ref));
        return true;
}

static bool logout_subject_identifier(Call *call, const SessionLogoutSubjectIdentifierParams *p,
                                      XapiError **error)
{
        SubjectSessions found = { .sid = p->subject_identifier, .refs = g_ptr_array_new() };

        if (*found.sid)
                txn_each(call_txn(call), &CLASS_SESSION, collect_sessions, &found);
        for (guint i = 0; i < found.refs->len; i++) {
                txn_delete(call->txn, &CLASS_SESSION, found.refs->pdata[i]);
                str_unref(found.refs->pdata[i]);
        }
        g_ptr_array_unref(found.refs);
        return true;
}

const SessionHandlers session_handlers = {
        .login_with_password = { PLACE_THREAD, login_with_password },
        .slave_local_login_with_password = { PLACE_THREAD, slave_local_login_with_password },
        .logout = { PLACE_LOOP, logout },
        .local_logout = { PLACE_LOOP, local_logout },
        .get_all_subject_identifiers = { PLACE_LOOP, get_all_subject_identifiers },
        .logout_subject_identifier = { PLACE_LOOP, logout_subject_identifier },
};
