/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of keys and their texts that survives a kill -9 at any instant, for what need not survive a reboot: each change
 * is one line appended, and the last whole line of a key holds. Nothing is synced. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

typedef struct Ledger Ledger;

#define LEDGER_KEY_MAX  160u       /* bytes; of printable ASCII without spaces */
#define LEDGER_TEXT_MAX (4u << 20) /* bytes; one line */
#define LEDGER_RESERVE                                                                                       \
        (64u << 10) /* bytes of room that only removals may use, so that they work on a full disk */
#define LEDGER_GARBAGE_MIN (1u << 20) /* bytes of outdated lines before the file is ever written anew */

/* Opens the file, made with its folder if need be. What was written before the machine's last boot is dropped, and what
 * follows a torn or damaged line. NULL, and *ret_error says why (g_free): another process has it, or somebody else may change its
 * folder. */
Ledger *ledger_open(const char *path, char **ret_error);
void ledger_close(Ledger *ledger); /* NULL is legal */

/* Any thread. 0; -EINVAL: no such key or text can be; or what writing failed with, and nothing is changed. The text is
 * not empty. */
int ledger_put(Ledger *ledger, const char *key, const char *text);
int ledger_put_json(Ledger *ledger, const char *key, const json_t *json); /* borrows json */
int ledger_remove(Ledger *ledger, const char *key);                       /* 0 also when it was not there */
/* 0 and *ret_text owned (g_free); -ENOENT; or what reading failed with. */
int ledger_get(Ledger *ledger, const char *key, char **ret_text);
/* The same as JSON, owned; -EBADMSG: it is none. */
int ledger_get_json(Ledger *ledger, const char *key, json_t **ret_json);
/* The keys that begin with the prefix, NULL-terminated, in no order; owned (g_strfreev). */
char **ledger_keys(Ledger *ledger, const char *prefix);
