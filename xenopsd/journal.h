/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which VM is in the middle of a change that must not be left half done: written before the first step, removed after
 * the last, so that the next xenopsd knows what to undo or complete. */
#pragma once

#include <stdbool.h>

#include "ledger.h"
#include "xenops.h"

typedef enum JournalEntry {
        JOURNAL_NOTHING,
        JOURNAL_START,     /* undo: there is to be no domain */
        JOURNAL_RESUME,    /* undo: there is to be no domain, the VM stays suspended */
        JOURNAL_SHUTDOWN,  /* complete: there is to be no domain */
        JOURNAL_REBOOT,    /* complete: the domain is to be replaced by a new one */
        JOURNAL_SUSPEND,   /* undo: the image is not whole; the domain goes on */
        JOURNAL_SUSPENDED, /* complete: the image is whole; there is to be no domain */
        /* Of one device: */
        JOURNAL_PLUG_VBD,   /* undo: it is not to be plugged */
        JOURNAL_PLUG_VIF,   /* the same */
        JOURNAL_UNPLUG_VBD, /* complete, if the domain has let go of it: so is its datapath to be */
        JOURNAL_INSERT_VBD, /* undo: the drive is to be empty */
        JOURNAL_EJECT_VBD,  /* complete */
} JournalEntry;

typedef struct Journal Journal;

/* Reads what the ledger, which is borrowed, has. */
Journal *journal_new(Ledger *ledger);
void journal_free(Journal *journal);

/* Writes down that it is begun, in place of what stands there. */
bool journal_begin(Journal *journal, const char *vm, JournalEntry entry, XenopsError **error);
bool journal_begin_device(Journal *journal, const char *vm, JournalEntry entry, const char *device,
                          XenopsError **error);
void journal_end(Journal *journal, const char *vm);
JournalEntry journal_get(Journal *journal, const char *vm);
/* Which device the entry is about, owned (g_free); NULL: about none. */
char *journal_device(Journal *journal, const char *vm);
/* The VMs that have an entry; owned (g_strfreev). */
char **journal_list(Journal *journal);
