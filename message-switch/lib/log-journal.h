/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages for the journal in its own protocol (systemd's JOURNAL_NATIVE_PROTOCOL). libsystemd's functions wait while the
 * journal does not read, which on a stalled disk is long; these never do. */
#pragma once

#include <stddef.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LOG_VALUE_MAX      8192u /* bytes; what is longer is cut, between characters */

typedef struct LogField {
        const char *name; /* capitals, digits and underscores */
        const char *value;
} LogField;

typedef struct LogJournal LogJournal;

/* Nothing need serve there yet, or all the time. NULL: no socket can be had. */
LogJournal *log_journal_new(const char *path);
void log_journal_free(LogJournal *journal); /* NULL is legal */
/* Any thread. What finds no room is lost; before the next that finds some goes a message of how many were. */
void log_journal_send(LogJournal *journal, const LogField *fields, size_t n);
