/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>

#include <glib.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "daemon.h"

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
static atomic_bool log_to_journal;

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
                atomic_store(&log_to_journal, log_stderr_is_journal());
                return true;
        }
        return false;
}

static void log_journal(int priority, const char *message, va_list fields)
{
        char *texts[3 + LOG_FIELDS_MAX];
        size_t n = 0;
        texts[n++] = g_strconcat("MESSAGE=", message, NULL);
        texts[n++] = g_strdup_printf("PRIORITY=%d", priority);
        texts[n++] = g_strconcat("SYSLOG_IDENTIFIER=", log_name, NULL);
        const char *field;
        while (n < G_N_ELEMENTS(texts) && (field = va_arg(fields, const char *))) {
                const char *value = va_arg(fields, const char *);
                texts[n++] = g_strconcat(field, "=", value ? value : "", NULL);
        }
        struct iovec parts[G_N_ELEMENTS(texts)];
        for (size_t i = 0; i < n; i++)
                parts[i] = (struct iovec){ .iov_base = texts[i], .iov_len = strlen(texts[i]) };
        sd_journal_sendv(parts, (int)n);
        for (size_t i = 0; i < n; i++)
                g_free(texts[i]);
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
        if (atomic_load_explicit(&log_to_journal, memory_order_relaxed))
                log_journal(priority, message, fields);
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
