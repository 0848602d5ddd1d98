/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live-merge.h"

#include <string.h>

#include <libnbd.h>

#include "live-private.h"
#include "message-switch/lib/loop.h"

#define JOB_POLL_USEC   10000u
#define FLUSH_POLL_MSEC 1000

/* The job's state in QEMU's words; *ret NULL: there is no job. *ret_failed: what it failed with. Both owned. */
static char *job_status(Qmp *qmp, char **ret, char **ret_failed)
{
        json_t *jobs = NULL;

        *ret = *ret_failed = NULL;
        if (qmp_call(qmp, "query-jobs", NULL, &jobs) < 0)
                return live_failed(qmp, "query-jobs");
        for (size_t i = 0; i < json_array_size(jobs); i++) {
                const json_t *job = json_array_get(jobs, i);

                if (g_strcmp0(json_string_value(json_object_get(job, "id")), LIVE_JOB) != 0)
                        continue;
                *ret = g_strdup(json_string_value(json_object_get(job, "status")));
                *ret_failed = g_strdup(json_string_value(json_object_get(job, "error")));
        }
        json_decref(jobs);
        return NULL;
}

/* Waits for the job to conclude, and has it forgotten. */
static char *wait_concluded(Qmp *qmp)
{
        for (;;) {
                g_autofree char *status = NULL, *failed = NULL;
                char *why = job_status(qmp, &status, &failed);

                if (why != NULL || status == NULL)
                        return why;
                if (strcmp(status, "concluded") == 0) {
                        if (qmp_call(qmp, "job-dismiss", json_pack("{s:s}", "id", LIVE_JOB), NULL) < 0)
                                return live_failed(qmp, "job-dismiss");
                        return g_steal_pointer(&failed);
                }
                g_usleep(JOB_POLL_USEC);
        }
}

char *live_end_merge(Qmp *qmp)
{
        g_autofree char *status = NULL, *failed = NULL, *ignored = NULL;
        char *why = job_status(qmp, &status, &failed);

        if (why != NULL || status == NULL)
                return why;
        if (strcmp(status, "concluded") != 0 &&
            qmp_call(qmp, "block-job-cancel", json_pack("{s:s, s:b}", "device", LIVE_JOB, "force", 1), NULL) <
                0)
                return live_failed(qmp, "block-job-cancel");
        ignored = wait_concluded(qmp);
        return NULL;
}

static bool wait_some(struct nbd_handle *nbd, uint64_t deadline_usec)
{
        return clock_usec() < deadline_usec && nbd_poll(nbd, FLUSH_POLL_MSEC) >= 0;
}

static bool flush_over(struct nbd_handle *nbd, const DiskRecord *record, uint64_t deadline_usec)
{
        int64_t cookie;
        int fd, done;

        if (nbd_set_export_name(nbd, DISK_EXPORT) < 0)
                return false;
        fd = server_connect(record, DISK_SOCKET);
        if (fd < 0 || nbd_aio_connect_socket(nbd, fd) < 0)
                return false;
        while (nbd_aio_is_connecting(nbd))
                if (!wait_some(nbd, deadline_usec))
                        return false;
        cookie = nbd_aio_flush(nbd, NBD_NULL_COMPLETION, 0);
        if (cookie < 0)
                return false;
        while ((done = nbd_aio_command_completed(nbd, (uint64_t)cookie)) == 0)
                if (!wait_some(nbd, deadline_usec))
                        return false;
        return done > 0;
}

/* Has the server write what it keeps in memory of the disk's own image: the guest's writes go through, but what a merge copies
 * does not, and a header that says that the image needs no other any more must not be there before that. */
static char *flush(const DiskRecord *record, uint64_t deadline_usec)
{
        struct nbd_handle *nbd = nbd_create();
        bool good = nbd != NULL && flush_over(nbd, record, deadline_usec);

        if (nbd != NULL)
                nbd_close(nbd);
        return good ? NULL : g_strdup("The server does not flush its image");
}

static char *begin_up(Qmp *qmp, GPtrArray *layers, guint upper)
{
        g_autofree char *node = server_node(g_ptr_array_index(layers, upper));
        /* The header is changed when the job is finalized, which waits until what was copied has been flushed. */
        json_t *arguments =
            json_pack("{s:s, s:s, s:I, s:b, s:b}", "job-id", LIVE_JOB, "device", node, "speed",
                      (json_int_t)MERGE_BYTES_PER_SEC, "auto-finalize", 0, "auto-dismiss", 0);

        if (upper + 2 < layers->len) {
                const Layer *base = g_ptr_array_index(layers, upper + 2);
                g_autofree char *base_node = server_node(base), *name = g_path_get_basename(base->path);

                json_object_set_new(arguments, "base-node", json_string(base_node));
                json_object_set_new(arguments, "backing-file", json_string(name));
        }
        return qmp_call(qmp, "block-stream", arguments, NULL) < 0 ? live_failed(qmp, "block-stream") : NULL;
}

static char *begin_down(Qmp *qmp, GPtrArray *layers)
{
        g_autofree char *top = server_node(g_ptr_array_index(layers, 0)),
                        *base = server_node(g_ptr_array_index(layers, 1));
        json_t *arguments =
            json_pack("{s:s, s:s, s:s, s:I, s:b}", "job-id", LIVE_JOB, "device", top, "base-node", base,
                      "speed", (json_int_t)MERGE_BYTES_PER_SEC, "auto-dismiss", 0);

        return qmp_call(qmp, "block-commit", arguments, NULL) < 0 ? live_failed(qmp, "block-commit") : NULL;
}

typedef char *(*Step)(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, void *data);

static char *with_server(const DiskRecord *record, uint64_t deadline_usec, Step step, void *data)
{
        g_autoptr(GPtrArray) layers = NULL;
        Qmp *qmp;
        char *why;
        int r;

        r = layer_chain(record->path, record->format, &layers);
        if (r < 0)
                return live_failed_errno(record->path, r);
        r = live_open(record, deadline_usec, &qmp);
        if (r < 0)
                return live_failed_errno("QMP", r);
        why = step(qmp, record, layers, data);
        qmp_close(qmp);
        return why;
}

typedef struct Begin {
        Merge merge;
        const char *upper_path;
} Begin;

static char *begin(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, void *data)
{
        const Begin *wanted = data;
        char *why = live_end_merge(qmp);
        guint upper = 0;

        if (why != NULL)
                return why;
        while (upper < layers->len &&
               strcmp(((Layer *)g_ptr_array_index(layers, upper))->path, wanted->upper_path) != 0)
                upper++;
        if (upper + 1 >= layers->len || (wanted->merge == MERGE_DOWN && upper > 0))
                return g_strdup_printf("%s: no such layers", wanted->upper_path);
        return wanted->merge == MERGE_UP ? begin_up(qmp, layers, upper) : begin_down(qmp, layers);
}

char *live_merge_begin(const DiskRecord *record, Merge merge, const char *upper_path, uint64_t deadline_usec)
{
        Begin wanted = { .merge = merge, .upper_path = upper_path };

        return with_server(record, deadline_usec, begin, &wanted);
}

/* Nodes of ours that are in no layer any more: they are closed, and their space is free when their last name goes. Those
 * below others cannot be, so the order is of no matter: what could not be the first time can after another went. */
static void close_others(Qmp *qmp, GPtrArray *layers)
{
        json_t *nodes = NULL;

        if (qmp_call(qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), &nodes) < 0)
                return;
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < json_array_size(nodes); i++) {
                        const char *name =
                            json_string_value(json_object_get(json_array_get(nodes, i), "node-name"));

                        if (name != NULL && name[0] == (pass == 0 ? 'n' : 'f') &&
                            !live_is_layer(layers, name))
                                qmp_call(qmp, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL);
                }
        json_decref(nodes);
}

static char *finalize(Qmp *qmp, const DiskRecord *record, uint64_t deadline_usec)
{
        char *why = flush(record, deadline_usec);

        if (why == NULL && qmp_call(qmp, "job-finalize", json_pack("{s:s}", "id", LIVE_JOB), NULL) < 0)
                return live_failed(qmp, "job-finalize");
        return why;
}

typedef struct Look {
        uint64_t deadline_usec;
        MergeState *ret;
} Look;

static char *state(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, void *data)
{
        g_autofree char *status = NULL, *failed = NULL;
        const Look *look = data;
        char *why = job_status(qmp, &status, &failed);

        if (why != NULL)
                return why;
        *look->ret = MERGE_RUNNING;
        if (status == NULL || strcmp(status, "concluded") == 0) {
                *look->ret = MERGE_NONE;
                /* The header, too, before anybody removes what it has named. */
                why = flush(record, look->deadline_usec);
                if (why != NULL || status == NULL)
                        return why;
                why = wait_concluded(qmp);
                if (why == NULL)
                        close_others(qmp, layers);
        } else if (strcmp(status, "ready") == 0) {
                *look->ret = MERGE_READY;
        } else if (strcmp(status, "pending") == 0) {
                why = finalize(qmp, record, look->deadline_usec);
        }
        return why;
}

char *live_merge_state(const DiskRecord *record, uint64_t deadline_usec, MergeState *ret)
{
        Look look = { .deadline_usec = deadline_usec, .ret = ret };

        return with_server(record, deadline_usec, state, &look);
}

static char *cancel(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, void *data)
{
        return live_end_merge(qmp);
}

char *live_merge_cancel(const DiskRecord *record, uint64_t deadline_usec)
{
        return with_server(record, deadline_usec, cancel, NULL);
}

static char *take(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, void *data)
{
        g_autofree char *status = NULL, *failed = NULL;
        char *why = job_status(qmp, &status, &failed);

        if (why != NULL)
                return why;
        if (g_strcmp0(status, "ready") != 0)
                return g_strdup("The merge is not ready");
        why = live_close(qmp, record);
        if (why != NULL)
                return why;
        if (qmp_call(qmp, "job-complete", json_pack("{s:s}", "id", LIVE_JOB), NULL) < 0)
                return live_failed(qmp, "job-complete");
        return wait_concluded(qmp);
}

char *live_merge_take(const DiskRecord *record, uint64_t deadline_usec)
{
        return with_server(record, deadline_usec, take, NULL);
}

static char *give(Qmp *qmp, const DiskRecord *record, GPtrArray *layers, void *data)
{
        g_autofree char *top = server_node(g_ptr_array_index(layers, 0));
        char *why;

        if (!live_has_node(qmp, top))
                return g_strdup("The server has not got the disk's image open");
        close_others(qmp, layers);
        why = live_reopen(qmp, record, top, server_writes_through(layers));
        return why;
}

char *live_merge_give(const DiskRecord *record, uint64_t deadline_usec)
{
        return with_server(record, deadline_usec, give, NULL);
}
