/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What answers calls, without HTTP and without a bus. For tests. */
#pragma once

#include "daemon.h"
#include "manager.h"

typedef struct TestCore {
        Daemon daemon;
        Manager manager;
        bool local_socket;            /* calls come over the unix socket */
        char *folder, *password_file; /* temporary */
} TestCore;

/* With the objects of a new host. users: lines of the password file, in which * stands for a hash that nobody has the
 * password to. */
TestCore *test_core_new(const char *users);
void test_core_free(TestCore *core);

/* The answer as text: "CODE|parameter|..." for an error, else "= " and the value as JSON. Params are a JSON array, in
 * which ' stands for ". Returns owned. */
char *test_call(TestCore *core, const char *method, const char *params);
/* Logs in over the unix socket. Returns the session's ref, owned. */
char *test_login(TestCore *core);
/* The same for a session that is made with these roles, whatever its user's are. */
char *test_login_as(TestCore *core, const char *user, uint32_t roles);
/* Fails the test unless the answer begins so. The method's params have %s for the session where they need it. */
void test_expect(TestCore *core, const char *want, const char *method, const char *params_format, ...)
    __attribute__((format(printf, 4, 5)));
