/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "vm-store.h"

static const char *const entry_texts[] = {
        [JOURNAL_NOTHING] = "nothing",       [JOURNAL_START] = "start",
        [JOURNAL_RESUME] = "resume",         [JOURNAL_SHUTDOWN] = "shutdown",
        [JOURNAL_REBOOT] = "reboot",         [JOURNAL_SUSPEND] = "suspend",
        [JOURNAL_SUSPENDED] = "suspended",   [JOURNAL_PLUG_VBD] = "plug-vbd",
        [JOURNAL_PLUG_VIF] = "plug-vif",     [JOURNAL_UNPLUG_VBD] = "unplug-vbd",
        [JOURNAL_INSERT_VBD] = "insert-vbd", [JOURNAL_EJECT_VBD] = "eject-vbd",
};

typedef struct Entry {
        JournalEntry kind;
        char *device; /* NULL: it is about the whole VM */
} Entry;

struct Journal {
        Ledger *ledger;
        pthread_mutex_t lock;
        GHashTable *entries; /* VM -> Entry */
};

#define KEY_PREFIX "journal/"

typedef char Key[sizeof KEY_PREFIX + VM_ID_MAX];

static void make_key(Key key, const char *vm)
{
        g_snprintf(key, sizeof(Key), KEY_PREFIX "%s", vm);
}

static void entry_free(gpointer data)
{
        Entry *entry = data;
        g_free(entry->device);
        g_free(entry);
}

static void remember(Journal *journal, const char *vm, JournalEntry kind, const char *device)
{
        Entry *entry = g_new(Entry, 1);
        *entry = (Entry){ kind, g_strdup(device) };
        g_hash_table_insert(journal->entries, g_strdup(vm), entry);
}

static void journal_load(Journal *journal, const char *key)
{
        g_autofree char *text = NULL;
        if (ledger_get(journal->ledger, key, &text) < 0)
                return;
        char *device = strchr(text, ' ');
        if (device)
                *device++ = '\0';
        for (size_t i = 1; i < G_N_ELEMENTS(entry_texts); i++)
                if (g_str_equal(text, entry_texts[i]))
                        remember(journal, key + strlen(KEY_PREFIX), (JournalEntry)i, device);
}

Journal *journal_new(Ledger *ledger)
{
        Journal *journal = g_new0(Journal, 1);
        journal->ledger = ledger;
        pthread_mutex_init(&journal->lock, NULL);
        journal->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
        g_auto(GStrv) keys = ledger_keys(ledger, KEY_PREFIX);
        for (char **key = keys; *key; key++)
                journal_load(journal, *key);
        return journal;
}

void journal_free(Journal *journal)
{
        if (!journal)
                return;
        g_hash_table_destroy(journal->entries);
        pthread_mutex_destroy(&journal->lock);
        g_free(journal);
}

bool journal_begin(Journal *journal, const char *vm, JournalEntry entry, XenopsError **error)
{
        return journal_begin_device(journal, vm, entry, NULL, error);
}

bool journal_begin_device(Journal *journal, const char *vm, JournalEntry entry, const char *device,
                          XenopsError **error)
{
        Key key;
        make_key(key, vm);
        g_autofree char *text = g_strconcat(entry_texts[entry], device ? " " : NULL, device, NULL);
        int r = ledger_put(journal->ledger, key, text);
        if (r < 0)
                return xenops_fail_internal(error, "cannot write the journal: %s", g_strerror(-r));
        pthread_mutex_lock(&journal->lock);
        remember(journal, vm, entry, device);
        pthread_mutex_unlock(&journal->lock);
        return true;
}

void journal_end(Journal *journal, const char *vm)
{
        Key key;
        make_key(key, vm);
        int r = ledger_remove(journal->ledger, key);
        if (r < 0)
                log_error("Cannot remove a journal entry", "XAPI_VM", vm, "ERROR", g_strerror(-r), NULL);
        pthread_mutex_lock(&journal->lock);
        g_hash_table_remove(journal->entries, vm);
        pthread_mutex_unlock(&journal->lock);
}

JournalEntry journal_get(Journal *journal, const char *vm)
{
        pthread_mutex_lock(&journal->lock);
        const Entry *entry = g_hash_table_lookup(journal->entries, vm);
        JournalEntry kind = entry ? entry->kind : JOURNAL_NOTHING;
        pthread_mutex_unlock(&journal->lock);
        return kind;
}

char *journal_device(Journal *journal, const char *vm)
{
        pthread_mutex_lock(&journal->lock);
        const Entry *entry = g_hash_table_lookup(journal->entries, vm);
        char *device = entry ? g_strdup(entry->device) : NULL;
        pthread_mutex_unlock(&journal->lock);
        return device;
}

char **journal_list(Journal *journal)
{
        g_autoptr(GStrvBuilder) vms = g_strv_builder_new();
        GHashTableIter iter;
        gpointer vm;
        pthread_mutex_lock(&journal->lock);
        g_hash_table_iter_init(&iter, journal->entries);
        while (g_hash_table_iter_next(&iter, &vm, NULL))
                g_strv_builder_add(vms, vm);
        pthread_mutex_unlock(&journal->lock);
        return g_strv_builder_end(vms);
}
