/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "xenlight.h"

struct XlLog {
        xentoollog_logger logger; /* first */
        pthread_mutex_t lock;
        char *error;
};

static void on_message(xentoollog_logger *logger, xentoollog_level level, int errnoval, const char *context,
                       const char *format, va_list arguments)
{
        XlLog *log = (XlLog *)logger;
        if (level < XTL_DETAIL)
                return;
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        g_strchomp(text);
        if (errnoval > 0) {
                char *with = g_strdup_printf("%s: %s", text, g_strerror(errnoval));
                g_free(text);
                text = with;
        }
        /* The operation that fails for it tells the log; this is for who wants to know more. */
        log_debug("libxl", "CONTEXT", context, "TEXT", text, NULL);
        if (level < XTL_ERROR)
                return;
        pthread_mutex_lock(&log->lock);
        if (!log->error)
                log->error = g_steal_pointer(&text);
        pthread_mutex_unlock(&log->lock);
}

static void on_progress(xentoollog_logger *logger, const char *context, const char *doing_what, int percent,
                        unsigned long done, unsigned long total)
{
}

XlLog *xl_log_new(void)
{
        XlLog *log = g_new0(XlLog, 1);
        log->logger.vmessage = on_message;
        log->logger.progress = on_progress;
        pthread_mutex_init(&log->lock, NULL);
        return log;
}

void xl_log_free(XlLog *log)
{
        if (!log)
                return;
        pthread_mutex_destroy(&log->lock);
        g_free(log->error);
        g_free(log);
}

xentoollog_logger *xl_log_logger(XlLog *log)
{
        return &log->logger;
}

char *xl_log_first_error(XlLog *log)
{
        pthread_mutex_lock(&log->lock);
        char *error = g_steal_pointer(&log->error);
        pthread_mutex_unlock(&log->lock);
        return error;
}
