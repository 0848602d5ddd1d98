/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that are no call but have a path of their own (http.idl): who asks, whether that may be, and the task that
 * goes along. On the loop. */
#pragma once

#include "http-server.h"
#include "http-stream.h"
#include "job.h"
#include "session.h"

/* A request that may go on; its handler owns it, and ends it by action_refuse or action_free. */
typedef struct Action {
        Manager *manager;
        const HttpAction *what;
        HttpExchange *exchange; /* NULL once it has been taken */
        char *session;          /* ref, "" where none was sent; one that has ended lets nobody in; owned */
        SessionInfo info;
        char *task; /* ref of the client's, NULL: none; owned */
        /* HTTP Basic, until it is looked at: */
        char *user, *password;
        bool let_in;
} Action;

/* For HttpServerOptions: `manager` is its data. Takes the requests that have a handler. */
bool actions_on_head(HttpExchange *exchange, void *manager);

/* A parameter of the query, or of the cookies. Returns owned (free), or NULL. */
char *action_value(const Action *action, const char *name);
/* The request is answered by an error page, and its task (if any) fails with the error, which is taken; NULL: the
 * handler's own task says it already. Frees. */
void action_refuse(Action *action, int status, XapiError *taken);
/* Frees what has been answered or taken. */
void action_free(Action *action);

/* The handlers, which each own the action. */
void vdi_import_begin(Action *action);        /* vdi-transfer.c */
void vdi_export_begin(Action *action);        /* vdi-transfer.c */
void console_connect_begin(Action *action);   /* console-relay.c */
void console_websocket_begin(Action *action); /* console-relay.c */
