/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include <glib.h>

#include "daemon.h"
#include "log-journal.h"

/* Fields of one message beyond MESSAGE, PRIORITY and SYSLOG_IDENTIFIER; more are left out. */
#define LOG_FIELDS_MAX 16

static const struct {
        const char *name;
        int priority;
} log_levels[] = {
        { "debug", LOG_DEBUG },
        { "info", LOG_INFO },
        { "warning", LOG_WARNING },
        { "error", LOG_ERR },
};

static const char *log_name = "daemon";
static atomic_int log_priority = LOG_INFO;
static _Atomic(LogJournal *) log_journal; /* NULL: to standard error; made once */

/* systemd names the journal's socket by device and inode where it is our standard error. */
static bool log_stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long device, inode;
        struct stat status;
        return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

bool log_setup(const char *name, const char *level)
{
        for (size_t i = 0; i < G_N_ELEMENTS(log_levels); i++) {
                if (strcmp(level, log_levels[i].name) != 0)
                        continue;
                log_name = name;
                atomic_store(&log_priority, log_levels[i].priority);
                if (!atomic_load(&log_journal) && log_stderr_is_journal())
                        atomic_store(&log_journal, log_journal_new(LOG_JOURNAL_SOCKET));
                return true;
        }
        return false;
}

static void log_send(LogJournal *journal, int priority, const char *message, va_list more)
{
        char number[4];
        LogField fields[3 + LOG_FIELDS_MAX] = { { "MESSAGE", message },
                                                { "PRIORITY", number },
                                                { "SYSLOG_IDENTIFIER", log_name } };
        size_t n = 3;
        const char *name;

        snprintf(number, sizeof(number), "%d", priority);
        while (n < G_N_ELEMENTS(fields) && (name = va_arg(more, const char *))) {
                const char *value = va_arg(more, const char *);
                fields[n++] = (LogField){ name, value ? value : "" };
        }
        log_journal_send(journal, fields, n);
}

/* One line whatever the text holds: a client's text must not look like a line of ours. */
static void log_append(GString *line, const char *text)
{
        for (const char *c = text ? text : ""; *c; c++)
                g_string_append_c(line, (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
}

static void log_stderr(const char *level, const char *message, va_list fields)
{
        g_autoptr(GString) line = g_string_new(log_name);
        g_string_append_printf(line, ": %s: ", level);
        log_append(line, message);
        const char *field;
        while ((field = va_arg(fields, const char *))) {
                g_string_append_printf(line, " %s=", field);
                log_append(line, va_arg(fields, const char *));
        }
        g_string_append_c(line, '\n');
        fwrite(line->str, 1, line->len, stderr);
}

static void log_message(size_t level, const char *message, va_list fields)
{
        int priority = log_levels[level].priority;
        if (priority > atomic_load_explicit(&log_priority, memory_order_relaxed))
                return;
        LogJournal *journal = atomic_load_explicit(&log_journal, memory_order_acquire);
        if (journal)
                log_send(journal, priority, message, fields);
        else
                log_stderr(log_levels[level].name, message, fields);
}

#define LOG_FUNCTION(function, level)                                                                        \
        void function(const char *message, ...)                                                              \
        {                                                                                                    \
                va_list fields;                                                                              \
                va_start(fields, message);                                                                   \
                log_message(level, message, fields);                                                         \
                va_end(fields);                                                                              \
        }

LOG_FUNCTION(log_debug, 0)
LOG_FUNCTION(log_info, 1)
LOG_FUNCTION(log_warning, 2)
LOG_FUNCTION(log_error, 3)
