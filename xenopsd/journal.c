/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "file.h"
#include "message-switch/lib/daemon.h"

static const char *const entry_texts[] = {
        [JOURNAL_NOTHING] = "nothing",     [JOURNAL_START] = "start",   [JOURNAL_RESUME] = "resume",
        [JOURNAL_SHUTDOWN] = "shutdown",   [JOURNAL_REBOOT] = "reboot", [JOURNAL_SUSPEND] = "suspend",
        [JOURNAL_SUSPENDED] = "suspended",
};

struct Journal {
        int dir_fd;
        pthread_mutex_t lock;
        GHashTable *entries; /* VM -> JournalEntry */
};

static bool journal_load(Journal *journal, const char *vm)
{
        g_autofree char *text = NULL;
        if (file_read(journal->dir_fd, vm, &text, NULL) < 0)
                return false;
        for (size_t i = 1; i < G_N_ELEMENTS(entry_texts); i++)
                if (g_str_equal(text, entry_texts[i])) {
                        g_hash_table_insert(journal->entries, g_strdup(vm), GSIZE_TO_POINTER(i));
                        return true;
                }
        return false;
}

Journal *journal_new(const char *path, char **ret_error)
{
        Journal *journal = g_new0(Journal, 1);
        pthread_mutex_init(&journal->lock, NULL);
        journal->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        journal->dir_fd = folder_open(path, "journal");
        g_auto(GStrv) names = journal->dir_fd < 0 ? NULL : folder_list(journal->dir_fd);
        char **name;
        for (name = names; name && *name; name++)
                if (!journal_load(journal, *name))
                        break;
        if (!names || *name) {
                *ret_error = g_strdup_printf("%s/journal/%s cannot be read", path, names ? *name : "");
                journal_free(journal);
                return NULL;
        }
        return journal;
}

void journal_free(Journal *journal)
{
        if (!journal)
                return;
        g_hash_table_destroy(journal->entries);
        if (journal->dir_fd >= 0)
                close(journal->dir_fd);
        pthread_mutex_destroy(&journal->lock);
        g_free(journal);
}

bool journal_begin(Journal *journal, const char *vm, JournalEntry entry, XenopsError **error)
{
        int r = file_replace(journal->dir_fd, vm, entry_texts[entry], strlen(entry_texts[entry]));
        if (r < 0)
                return xenops_fail_internal(error, "cannot write the journal: %s", g_strerror(-r));
        pthread_mutex_lock(&journal->lock);
        g_hash_table_insert(journal->entries, g_strdup(vm), GSIZE_TO_POINTER(entry));
        pthread_mutex_unlock(&journal->lock);
        return true;
}

void journal_end(Journal *journal, const char *vm)
{
        int r = file_remove(journal->dir_fd, vm);
        if (r < 0)
                log_error("Cannot remove a journal entry", "XAPI_VM", vm, "ERROR", g_strerror(-r), NULL);
        pthread_mutex_lock(&journal->lock);
        g_hash_table_remove(journal->entries, vm);
        pthread_mutex_unlock(&journal->lock);
}

JournalEntry journal_get(Journal *journal, const char *vm)
{
        pthread_mutex_lock(&journal->lock);
        JournalEntry entry = (JournalEntry)GPOINTER_TO_SIZE(g_hash_table_lookup(journal->entries, vm));
        pthread_mutex_unlock(&journal->lock);
        return entry;
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
