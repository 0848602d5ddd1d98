/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "manager.h"
#include "message-switch/lib/daemon.h"
#include "route.h"

#define SWEEP_USEC (60u * 1000000u)
#define JOB_USEC   (300u * 1000000u) /* for one disk; systemd goes on trying by itself */

typedef struct Job {
        Settle *settle;
        char *sr, *vdi;
} Job;

static Operation own_operation(uint64_t usec)
{
        return (Operation){ .dbg = "sm-daemon", .deadline_usec = clock_usec() + usec };
}

static void settle_volume(Manager *manager, const char *sr, const char *vdi)
{
        Operation operation = own_operation(JOB_USEC);
        StorageError *failed = NULL;
        bool good;
        Use use;

        good = use_begin(&use, manager, &operation, USE_VOLUME, sr, vdi, &failed);
        if (good) {
                DiskName name = { .sr = sr, .vdi = vdi, .uri = use.volume->uri };

                good = !route_serves(use.volume) || disk_settle(manager->disks, &operation, &name, &failed);
                use_end(&use);
        }
        if (!good) {
                char *text = storage_error_text(failed);

                log_error("A disk in use cannot be put right", "SM_SR", sr, "SM_VDI", vdi, "ERROR", text,
                          NULL);
                free(text);
                storage_error_free(failed);
        }
}

static void *run(void *data)
{
        Job *job = data;
        Settle *settle = job->settle;

        settle_volume(settle->manager, job->sr, job->vdi);
        g_free(job->sr);
        g_free(job->vdi);
        g_free(job);
        pthread_mutex_lock(&settle->mutex);
        settle->n_jobs--;
        pthread_cond_broadcast(&settle->changed);
        pthread_mutex_unlock(&settle->mutex);
        return NULL;
}

static void begin(const char *sr, const char *vdi, void *data)
{
        Settle *settle = data;
        pthread_t thread;
        Job *job;

        pthread_mutex_lock(&settle->mutex);
        if (!settle->ends) {
                job = g_new0(Job, 1);
                job->settle = settle;
                job->sr = g_strdup(sr);
                job->vdi = g_strdup(vdi);
                if (pthread_create(&thread, NULL, run, job) == 0) {
                        pthread_detach(thread);
                        settle->n_jobs++;
                } else {
                        log_error("No thread for a disk in use", "SM_SR", sr, "SM_VDI", vdi, NULL);
                        g_free(job->sr);
                        g_free(job->vdi);
                        g_free(job);
                }
        }
        pthread_mutex_unlock(&settle->mutex);
}

/* Which disks there are: ids of those that are attached, and for each that is active a job. */
static void collect(Settle *settle, GHashTable *attached, GPtrArray *active)
{
        GHashTableIter repositories, volumes;
        gpointer repository, value;

        /* Nobody else is here yet. */
        g_hash_table_iter_init(&repositories, settle->manager->repositories);
        while (g_hash_table_iter_next(&repositories, NULL, &repository)) {
                const char *sr = ((Repository *)repository)->id;

                g_hash_table_iter_init(&volumes, ((Repository *)repository)->volumes);
                while (g_hash_table_iter_next(&volumes, NULL, &value)) {
                        const Volume *volume = value;

                        if (volume->datapaths->len > 0)
                                g_hash_table_add(attached, disk_record_id(sr, volume->key));
                        if (route_serves(volume)) {
                                g_ptr_array_add(active, g_strdup(sr));
                                g_ptr_array_add(active, g_strdup(volume->key));
                        }
                }
        }
}

static bool wanted(const char *id, void *data)
{
        return g_hash_table_contains(data, id);
}

void settle_start(Settle *settle, Manager *manager)
{
        g_autoptr(GHashTable) attached = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GPtrArray) active = g_ptr_array_new_with_free_func(g_free);
        Operation operation = own_operation(SWEEP_USEC);

        *settle = (Settle){ .manager = manager };
        pthread_mutex_init(&settle->mutex, NULL);
        pthread_cond_init(&settle->changed, NULL);
        collect(settle, attached, active);
        disks_sweep(manager->disks, &operation, wanted, attached);
        disks_watch(manager->disks, begin, settle);
        for (guint i = 0; i < active->len; i += 2)
                begin(g_ptr_array_index(active, i), g_ptr_array_index(active, i + 1), settle);
}

void settle_stop(Settle *settle)
{
        pthread_mutex_lock(&settle->mutex);
        settle->ends = true;
        while (settle->n_jobs > 0)
                pthread_cond_wait(&settle->changed, &settle->mutex);
        pthread_mutex_unlock(&settle->mutex);
}
