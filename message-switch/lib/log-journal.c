/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-journal.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <glib.h>

#include "buffer.h"

struct LogJournal {
        int fd;
        struct sockaddr_un address;
        atomic_uint n_lost;
};

LogJournal *log_journal_new(const char *path)
{
        LogJournal *journal = g_new0(LogJournal, 1);

        journal->address.sun_family = AF_UNIX;
        journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (journal->fd < 0 ||
            g_strlcpy(journal->address.sun_path, path, sizeof(journal->address.sun_path)) >=
                sizeof(journal->address.sun_path)) {
                log_journal_free(journal);
                return NULL;
        }
        return journal;
}

void log_journal_free(LogJournal *journal)
{
        if (!journal)
                return;
        if (journal->fd >= 0)
                close(journal->fd);
        g_free(journal);
}

static size_t value_length(const char *value)
{
        size_t n = strnlen(value, LOG_VALUE_MAX + 1);

        if (n <= LOG_VALUE_MAX)
                return n;
        n = LOG_VALUE_MAX;
        while (n > 0 && (value[n] & 0xc0) == 0x80)
                n--;
        return n;
}

/* In the form that holds any bytes: the length, 64 bits in little endian, stands before them. */
static void append_field(Buffer *b, const LogField *field)
{
        size_t n = value_length(field->value);
        uint64_t length = GUINT64_TO_LE(n);

        buffer_append_text(b, field->name);
        buffer_append_literal(b, "\n");
        buffer_append(b, &length, sizeof(length));
        buffer_append(b, field->value, n);
        buffer_append_literal(b, "\n");
}

static bool send_fields(LogJournal *journal, const LogField *fields, size_t n)
{
        auto_buffer message = { 0 };

        for (size_t i = 0; i < n; i++)
                append_field(&message, &fields[i]);
        return sendto(journal->fd, message.data, message.len, MSG_NOSIGNAL,
                      (struct sockaddr *)&journal->address, sizeof(journal->address)) >= 0;
}

/* False: there is still no room. */
static bool tell_lost(LogJournal *journal)
{
        unsigned lost = atomic_exchange(&journal->n_lost, 0);
        char number[16], priority[4];

        if (!lost)
                return true;
        snprintf(number, sizeof(number), "%u", lost);
        snprintf(priority, sizeof(priority), "%d", LOG_WARNING);
        if (send_fields(journal,
                        (LogField[]){ { "MESSAGE", "Messages were lost, for the journal took none" },
                                      { "PRIORITY", priority },
                                      { "MESSAGES_LOST", number } },
                        3))
                return true;
        atomic_fetch_add(&journal->n_lost, lost);
        return false;
}

void log_journal_send(LogJournal *journal, const LogField *fields, size_t n)
{
        if (!tell_lost(journal) || !send_fields(journal, fields, n))
                atomic_fetch_add(&journal->n_lost, 1);
}
