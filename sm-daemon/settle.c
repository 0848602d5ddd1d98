/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "manager.h"
#include "message-switch/lib/condition.h"
#include "message-switch/lib/daemon.h"
#include "route.h"
#include "tidy.h"

#define SWEEP_USEC     (60u * 1000000u)
#define JOB_USEC       (300u * 1000000u) /* for one disk; systemd goes on trying by itself */
#define RETRY_MIN_USEC (500u * 1000u)    /* before what failed is tried again */
#define RETRY_MAX_USEC (60u * 1000000u)

typedef struct Job {
        Settle *settle;
        char *sr, *vdi; /* vdi NULL: the whole repository is to be tidied */
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

                good = !route_serves(use.volume) ||
                       disk_settle(manager->disks, &operation, &name, route_writes(use.volume), &failed);
                use_end(&use);
        }
        /* What a server was doing to its images when it died is begun again. */
        if (good)
                manager_untidy(manager, sr);
        if (!good) {
                char *text = storage_error_text(failed);

                log_error("A disk in use cannot be put right", "SM_SR", sr, "SM_VDI", vdi, "ERROR", text,
                          NULL);
                free(text);
                storage_error_free(failed);
        }
}

static bool ends(void *data)
{
        Settle *settle = data;
        bool answer;

        pthread_mutex_lock(&settle->mutex);
        answer = settle->ends;
        pthread_mutex_unlock(&settle->mutex);
        return answer;
}

/* With the mutex held: waits until that time, or until all ends. */
static void pause_until(Settle *settle, uint64_t until_usec)
{

        while (!settle->ends && clock_usec() < until_usec)
                condition_wait(&settle->changed, &settle->mutex, until_usec);
}

/* Again, if it was asked for meanwhile, or, after a while, if something failed: a server may have died under it. */
static void tidy(Settle *settle, const char *sr)
{
        uint64_t pause_usec = RETRY_MIN_USEC;
        bool again, good;

        do {
                good = tidy_repository(settle->manager, sr, ends, settle);
                pthread_mutex_lock(&settle->mutex);
                if (!good)
                        pause_until(settle, clock_usec() + pause_usec);
                pause_usec = good ? RETRY_MIN_USEC : MIN(2 * pause_usec, RETRY_MAX_USEC);
                again =
                    !settle->ends && (!good || GPOINTER_TO_INT(g_hash_table_lookup(settle->untidy, sr)) > 1);
                if (again)
                        g_hash_table_insert(settle->untidy, g_strdup(sr), GINT_TO_POINTER(1));
                else
                        g_hash_table_remove(settle->untidy, sr);
                pthread_mutex_unlock(&settle->mutex);
        } while (again);
}

static void *run(void *data)
{
        Job *job = data;
        Settle *settle = job->settle;

        if (job->vdi != NULL)
                settle_volume(settle->manager, job->sr, job->vdi);
        else
                tidy(settle, job->sr);
        g_free(job->sr);
        g_free(job->vdi);
        g_free(job);
        pthread_mutex_lock(&settle->mutex);
        settle->n_jobs--;
        pthread_cond_broadcast(&settle->changed);
        pthread_mutex_unlock(&settle->mutex);
        return NULL;
}

/* With the mutex held. */
static void begin_locked(Settle *settle, const char *sr, const char *vdi)
{
        pthread_t thread;
        Job *job;

        if (settle->ends)
                return;
        job = g_new0(Job, 1);
        job->settle = settle;
        job->sr = g_strdup(sr);
        job->vdi = g_strdup(vdi);
        if (pthread_create(&thread, NULL, run, job) == 0) {
                pthread_detach(thread);
                settle->n_jobs++;
                return;
        }
        log_error("No thread for looking after disks", "SM_SR", sr, NULL);
        g_free(job->sr);
        g_free(job->vdi);
        g_free(job);
}

static void begin(const char *sr, const char *vdi, void *data)
{
        Settle *settle = data;

        pthread_mutex_lock(&settle->mutex);
        begin_locked(settle, sr, vdi);
        pthread_mutex_unlock(&settle->mutex);
}

/* One job a repository; it goes round again for those who come meanwhile. */
static void begin_tidy(const char *sr, void *data)
{
        Settle *settle = data;
        int asked;

        pthread_mutex_lock(&settle->mutex);
        if (settle->ends) {
                pthread_mutex_unlock(&settle->mutex);
                return;
        }
        asked = GPOINTER_TO_INT(g_hash_table_lookup(settle->untidy, sr));
        g_hash_table_insert(settle->untidy, g_strdup(sr), GINT_TO_POINTER(asked > 0 ? 2 : 1));
        if (asked == 0)
                begin_locked(settle, sr, NULL);
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

typedef struct Wanted {
        GHashTable *attached; /* ids of disks */
        Manager *manager;
} Wanted;

/* Those that are attached; and those of whom the records that tell are damaged: who uses them, goes on. */
static bool wanted(const char *id, const char *sr, void *data)
{
        const Wanted *wanted = data;

        return g_hash_table_contains(wanted->attached, id) || manager_is_damaged(wanted->manager, sr);
}

static void tidy_all(Settle *settle)
{
        GHashTableIter repositories;
        gpointer id;

        g_hash_table_iter_init(&repositories, settle->manager->repositories);
        while (g_hash_table_iter_next(&repositories, &id, NULL))
                begin_tidy(id, settle);
}

void settle_start(Settle *settle, Manager *manager)
{
        g_autoptr(GHashTable) attached = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GPtrArray) active = g_ptr_array_new_with_free_func(g_free);
        Operation operation = own_operation(SWEEP_USEC);
        Wanted wish = { .attached = attached, .manager = manager };

        *settle = (Settle){ .manager = manager };
        pthread_mutex_init(&settle->mutex, NULL);
        condition_init(&settle->changed);
        settle->untidy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        collect(settle, attached, active);
        disks_sweep(manager->disks, &operation, wanted, &wish);
        manager->untidy = begin_tidy;
        manager->untidy_data = settle;
        disks_watch(manager->disks, begin, settle);
        for (guint i = 0; i < active->len; i += 2)
                begin(g_ptr_array_index(active, i), g_ptr_array_index(active, i + 1), settle);
        tidy_all(settle);
}

void settle_stop(Settle *settle)
{
        pthread_mutex_lock(&settle->mutex);
        settle->ends = true;
        pthread_cond_broadcast(&settle->changed);
        while (settle->n_jobs > 0)
                pthread_cond_wait(&settle->changed, &settle->mutex);
        pthread_mutex_unlock(&settle->mutex);
        g_clear_pointer(&settle->untidy, g_hash_table_unref);
}
