/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A passive checkpoint copies whatever is in the log when it begins, while commits append more. The log starts over
 * only when all of it has been copied, so a second connection copies the bulk, again while much is left, and the writer
 * copies the little that remains, which is the only part that commits wait for. */
#include "store-checkpoint.h"

#include <pthread.h>
#include <stdbool.h>

#include <glib.h>

#include "store-vfs.h"

#define CHECKPOINT_LOG_PAGES  2048 /* 8 MiB: when to begin */
#define CHECKPOINT_REST_PAGES 64   /* what the writer may copy itself */
#define CHECKPOINT_PASSES_MAX 4

typedef enum CheckpointState { CHECKPOINT_IDLE, CHECKPOINT_WANTED, CHECKPOINT_NEARLY_DONE } CheckpointState;

struct Checkpoint {
        char *path;
        sqlite3 *writer;
        int log_pages; /* the writer's thread */
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        CheckpointState state;
        bool stop;
};

static int checkpoint_log_grew(void *data, sqlite3 *writer, const char *name, int log_pages)
{
        ((Checkpoint *)data)->log_pages = log_pages;
        return SQLITE_OK;
}

static void checkpoint_copy(sqlite3 *connection)
{
        for (int pass = 0; pass < CHECKPOINT_PASSES_MAX; pass++) {
                int in_log, copied;
                if (sqlite3_wal_checkpoint_v2(connection, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log,
                                              &copied) != SQLITE_OK)
                        return;
                if (in_log - copied <= CHECKPOINT_REST_PAGES)
                        return;
        }
}

static void *checkpoint_main(void *data)
{
        Checkpoint *checkpoint = data;
        sqlite3 *connection = NULL;
        bool usable =
            sqlite3_open_v2(checkpoint->path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                            store_vfs_name()) == SQLITE_OK;
        pthread_mutex_lock(&checkpoint->lock);
        while (true) {
                while (!checkpoint->stop && checkpoint->state != CHECKPOINT_WANTED)
                        pthread_cond_wait(&checkpoint->wake, &checkpoint->lock);
                if (checkpoint->stop)
                        break;
                pthread_mutex_unlock(&checkpoint->lock);
                if (usable)
                        checkpoint_copy(connection);
                pthread_mutex_lock(&checkpoint->lock);
                checkpoint->state = CHECKPOINT_NEARLY_DONE;
        }
        pthread_mutex_unlock(&checkpoint->lock);
        sqlite3_close(connection);
        return NULL;
}

Checkpoint *checkpoint_new(const char *path, sqlite3 *writer)
{
        Checkpoint *checkpoint = g_new0(Checkpoint, 1);
        checkpoint->path = g_strdup(path);
        checkpoint->writer = writer;
        pthread_mutex_init(&checkpoint->lock, NULL);
        pthread_cond_init(&checkpoint->wake, NULL);
        sqlite3_wal_hook(writer, checkpoint_log_grew, checkpoint);
        if (pthread_create(&checkpoint->thread, NULL, checkpoint_main, checkpoint) != 0)
                g_error("cannot make the checkpoint thread");
        return checkpoint;
}

void checkpoint_free(Checkpoint *checkpoint)
{
        if (checkpoint == NULL)
                return;
        pthread_mutex_lock(&checkpoint->lock);
        checkpoint->stop = true;
        pthread_cond_signal(&checkpoint->wake);
        pthread_mutex_unlock(&checkpoint->lock);
        pthread_join(checkpoint->thread, NULL);
        sqlite3_wal_hook(checkpoint->writer, NULL, NULL);
        pthread_cond_destroy(&checkpoint->wake);
        pthread_mutex_destroy(&checkpoint->lock);
        g_free(checkpoint->path);
        g_free(checkpoint);
}

void checkpoint_consider(Checkpoint *checkpoint)
{
        if (checkpoint == NULL)
                return;
        bool finish = false;
        pthread_mutex_lock(&checkpoint->lock);
        if (checkpoint->state == CHECKPOINT_IDLE && checkpoint->log_pages >= CHECKPOINT_LOG_PAGES) {
                checkpoint->state = CHECKPOINT_WANTED;
                pthread_cond_signal(&checkpoint->wake);
        } else if (checkpoint->state == CHECKPOINT_NEARLY_DONE) {
                checkpoint->state = CHECKPOINT_IDLE;
                finish = true;
        }
        pthread_mutex_unlock(&checkpoint->lock);
        /* The disk may be full or read-only: the log just grows on, and the next commit tries again. */
        if (finish)
                sqlite3_wal_checkpoint_v2(checkpoint->writer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
