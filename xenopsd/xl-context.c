/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl's contexts: one an operation, so that each waits for itself. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "xenlight.h"

/* Threads of operations have all signals blocked. What libxl starts lives without us and must hear of its end. */
static pid_t fork_with_signals(void *user)
{
        pid_t pid = fork();
        if (pid == 0) {
                sigset_t none;
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
        }
        return pid;
}

/* Several contexts have children at a time, and each may only take its own. */
static const libxl_childproc_hooks childproc_hooks = {
        .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
        .fork_replacement = fork_with_signals,
};

libxl_ctx *xl_ctx_new(XlLog *log, const libxl_osevent_hooks *hooks, void *user)
{
        libxl_ctx *ctx = NULL;
        if (libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, xl_log_logger(log)) != 0)
                return NULL;
        if (hooks) /* before there is anything to be registered by them */
                libxl_osevent_register_hooks(ctx, hooks, user);
        libxl_childproc_setmode(ctx, &childproc_hooks, NULL);
        return ctx;
}

Xenlight *xl_of(BackendContext *context)
{
        return (Xenlight *)context->backend;
}

BackendContext *xl_context_new(Backend *backend, Cancel *cancel)
{
        XlContext *context = g_new0(XlContext, 1);
        context->base = (BackendContext){ backend, cancel };
        context->wake_fd = -1;
        return &context->base;
}

void xl_context_free(BackendContext *context)
{
        XlContext *xl = (XlContext *)context;
        if (xl->asking)
                xl_await_until(context, 0, 0);
        libxl_ctx_free(xl->ctx);
        if (xl->wake_fd >= 0)
                close(xl->wake_fd);
        xl_log_free(xl->log);
        g_free(xl);
}

libxl_ctx *xl_ctx(BackendContext *context, XenopsError **error)
{
        XlContext *xl = (XlContext *)context;
        if (!xl->log)
                xl->log = xl_log_new();
        if (!xl->ctx && xl->wake_fd < 0)
                xl->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!xl->ctx && xl->wake_fd >= 0)
                xl->ctx = xl_ctx_new(xl->log, NULL, NULL);
        if (!xl->ctx)
                xl_fail(context, error, ERROR_FAIL, "cannot reach Xen");
        return xl->ctx;
}

const libxl_asyncop_how *xl_how(BackendContext *context)
{
        XlContext *xl = (XlContext *)context;
        /* Never the same again: a late cancel must not hit the next call. */
        xl->how.u.for_event++;
        g_free(xl_log_first_error(xl->log));
        return &xl->how;
}

/* On whatever thread, the loop's even: libxl's lock may be held for long, so the operation's own thread is woken to abort. */
static void on_cancel(void *data)
{
        XlContext *xl = data;
        eventfd_write(xl->wake_fd, 1);
}

static int is_completion(const libxl_event *event, void *data)
{
        const XlContext *xl = data;
        return event->type == LIBXL_EVENT_TYPE_OPERATION_COMPLETE && event->for_user == xl->how.u.for_event;
}

#define POLL_FDS_MAX 64

/* Lets libxl do what is due and sleeps until there is more, until the wish to cancel comes, or until the deadline. */
static int run_once(XlContext *xl, uint64_t deadline_usec)
{
        struct pollfd fds[POLL_FDS_MAX] = { { .fd = xl->wake_fd, .events = POLLIN } };
        int n = POLL_FDS_MAX - 1, timeout_ms = -1;
        struct timeval now;
        eventfd_t wishes;
        gettimeofday(&now, NULL);
        int rc = libxl_osevent_beforepoll(xl->ctx, &n, fds + 1, &timeout_ms, now);
        if (rc != 0)
                return rc;
        if (deadline_usec != UINT64_MAX) {
                uint64_t at = clock_usec();
                uint64_t left_ms = deadline_usec > at ? MIN((deadline_usec - at + 999) / 1000, INT_MAX) : 0;
                if (timeout_ms < 0 || left_ms < (uint64_t)timeout_ms)
                        timeout_ms = (int)left_ms;
        }
        if (poll(fds, (nfds_t)n + 1, timeout_ms) < 0)
                n = 0;
        else if (fds[0].revents)
                eventfd_read(xl->wake_fd, &wishes);
        gettimeofday(&now, NULL);
        libxl_osevent_afterpoll(xl->ctx, n, fds + 1, now);
        return 0;
}

int xl_await_until(BackendContext *context, uint64_t deadline_usec, int rc)
{
        XlContext *xl = (XlContext *)context;
        libxl_event *event;
        bool aborted = false, late = false;
        if (rc != 0)
                return rc;
        cancel_listen(context->cancel, on_cancel, xl);
        while ((rc = libxl_event_check(xl->ctx, &event, LIBXL_EVENTMASK_ALL, is_completion, xl)) ==
               ERROR_NOT_READY) {
                late = late || clock_usec() >= deadline_usec;
                if (!aborted && (late || cancel_asked(context->cancel))) {
                        aborted = true;
                        libxl_ao_abort(xl->ctx, &xl->how);
                        continue; /* that may have been its end, of which poll would not hear */
                }
                rc = run_once(xl, aborted ? UINT64_MAX : deadline_usec);
                if (rc != 0)
                        break;
        }
        cancel_listen(context->cancel, NULL, NULL);
        if (rc != 0)
                return rc;
        rc = event->u.operation_complete.rc;
        libxl_event_free(xl->ctx, event);
        return rc == ERROR_ABORTED && late && !cancel_asked(context->cancel) ? ERROR_TIMEDOUT : rc;
}

int xl_await(BackendContext *context, int rc)
{
        return xl_await_until(context, UINT64_MAX, rc);
}

bool xl_fail(BackendContext *context, XenopsError **error, int rc, const char *what)
{
        XlContext *xl = (XlContext *)context;
        g_autofree char *reason = xl->log ? xl_log_first_error(xl->log) : NULL;
        if (rc == ERROR_ABORTED || cancel_asked(context->cancel))
                return xenops_fail_cancelled(error, what);
        return xenops_fail_internal(error, "%s: %s (libxl: %s)", what, reason ? reason : "no reason is known",
                                    libxl_error_to_string(rc) ? libxl_error_to_string(rc) : "unknown");
}

bool xl_fail_errno(XenopsError **error, const char *what, int r)
{
        return xenops_fail_internal(error, "%s: %s", what, g_strerror(-r));
}
