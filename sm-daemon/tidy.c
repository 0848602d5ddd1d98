/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tidy.h"

#include <string.h>

#include "message-switch/lib/daemon.h"
#include "route.h"

#define CALL_USEC (60u * 1000000u) /* of one call that does not copy */
#define MERGE_USEC                                                                                           \
        (UINT64_C(86400) *                                                                                   \
         1000000u) /* of one that does: as long as there is to copy, unless it is in the way */
#define POLL_USEC 200000u

typedef struct Tidy {
        Manager *manager;
        const char *sr;
        bool (*ends)(void *data);
        void *data;
        SmapiImageList images;
        GHashTable *by_path;  /* borrowed SmapiImages */
        GHashTable *children; /* path -> how many images lie on it */
        GHashTable *tried;    /* paths of lower images with which there was no success */
        bool failed;          /* something that was tried, which may succeed another time */
        GPtrArray *active;    /* keys of volumes whose disk servers are at work */
} Tidy;

static Operation operation_for(uint64_t usec)
{
        return (Operation){ .dbg = "tidy", .deadline_usec = clock_usec() + usec };
}

static void drop_error(const char *what, Tidy *tidy, StorageError *error)
{
        char *text = storage_error_text(error);

        tidy->failed = true;
        log_info(what, "SM_SR", tidy->sr, "ERROR", text, NULL);
        free(text);
        storage_error_free(error);
}

static void forget_images(Tidy *tidy)
{
        g_hash_table_remove_all(tidy->by_path);
        g_hash_table_remove_all(tidy->children);
        g_ptr_array_set_size(tidy->active, 0);
        smapi_image_list_clear(&tidy->images);
}

static void note_active(Tidy *tidy, Repository *repository)
{
        GHashTableIter volumes;
        gpointer value;

        pthread_mutex_lock(&repository->mutex);
        g_hash_table_iter_init(&volumes, repository->volumes);
        while (g_hash_table_iter_next(&volumes, NULL, &value)) {
                const Volume *volume = value;

                for (guint i = 0; i < volume->datapaths->len; i++)
                        if (((Datapath *)g_ptr_array_index(volume->datapaths, i))->activated) {
                                g_ptr_array_add(tidy->active, g_strdup(volume->key));
                                break;
                        }
        }
        pthread_mutex_unlock(&repository->mutex);
}

/* What images there are, and who uses them. False: the plugin does not say. */
static bool look(Tidy *tidy)
{
        Operation operation = operation_for(CALL_USEC);
        SmapiError *failed = NULL;
        StorageError *error = NULL;
        bool good;
        Use use;

        forget_images(tidy);
        if (!use_begin(&use, tidy->manager, &operation, USE_SHARED, tidy->sr, NULL, &error)) {
                storage_error_free(error);
                return false;
        }
        good =
            smapi_sr_images(&use.caller.caller, 0, operation.dbg, use_handle(&use), &tidy->images, &failed);
        if (good)
                note_active(tidy, use.repository);
        else
                smapi_error_free(failed);
        use_end(&use);
        for (size_t i = 0; good && i < tidy->images.n; i++) {
                const SmapiImage *image = &tidy->images.items[i];

                g_hash_table_insert(tidy->by_path, image->path, (gpointer)image);
                if (image->backing != NULL) {
                        guint n = GPOINTER_TO_UINT(g_hash_table_lookup(tidy->children, image->backing));

                        g_hash_table_insert(tidy->children, image->backing, GUINT_TO_POINTER(n + 1));
                }
        }
        return good;
}

static const SmapiImage *image_of(Tidy *tidy, const char *volume)
{
        for (size_t i = 0; i < tidy->images.n; i++)
                if (g_strcmp0(tidy->images.items[i].volume, volume) == 0)
                        return &tidy->images.items[i];
        return NULL;
}

/* Bounded, because a plugin may say that images lie on each other in a ring. */
static bool lies_on(Tidy *tidy, const SmapiImage *top, const SmapiImage *image)
{
        for (unsigned i = 0; top != NULL && i < LAYERS_MAX; i++) {
                if (top == image)
                        return true;
                top = top->backing != NULL ? g_hash_table_lookup(tidy->by_path, top->backing) : NULL;
        }
        return false;
}

/* The disk servers that have the image open. */
static guint holders(Tidy *tidy, const SmapiImage *image, const char **ret_volume)
{
        guint n = 0;

        for (guint i = 0; i < tidy->active->len; i++) {
                const char *volume = g_ptr_array_index(tidy->active, i);

                if (!lies_on(tidy, image_of(tidy, volume), image))
                        continue;
                *ret_volume = volume;
                n++;
        }
        return n;
}

typedef struct AtRest {
        Tidy *tidy;
        Volume *volume;
        ImageMerge *images;
} AtRest;

static bool in_the_way(void *data)
{
        const AtRest *merge = data;

        return image_merge_unwanted(merge->images) || lock_wanted(&merge->volume->lock) ||
               lock_wanted(&merge->volume->repository->lock) || merge->tidy->ends(merge->tidy->data);
}

/* By the plugin, of a volume that nobody uses; whoever comes to want it, or its images, has precedence. */
static bool merge_at_rest(Tidy *tidy, const char *volume, ImageMerge *images)
{
        Operation operation = operation_for(MERGE_USEC), brief = operation_for(CALL_USEC);
        SmapiError *failed = NULL;
        StorageError *error = NULL;
        AtRest merge = { .tidy = tidy, .images = images };
        bool done = false;
        Use use;

        if (!use_begin(&use, tidy->manager, &brief, USE_VOLUME, tidy->sr, volume, &error)) {
                drop_error("Images are not brought together", tidy, error);
                return false;
        }
        merge.volume = use.volume;
        operation.unwanted = in_the_way;
        operation.unwanted_data = &merge;
        use.caller = plugin_caller(use.plugin, &operation);
        if (use.volume->datapaths->len == 0 &&
            !smapi_volume_coalesce(&use.caller.caller, 0, operation.dbg, use_handle(&use), volume, &done,
                                   &failed)) {
                plugin_fail(&error, failed);
                drop_error("Images are not brought together", tidy, error);
                done = false;
        }
        if (done)
                volume_unlearn(use.volume);
        use_end(&use);
        return done;
}

typedef struct SetTop {
        Use *use;
        const char *path;
} SetTop;

/* Has the plugin make the lower image the volume's. The volume's URI from now on, owned; NULL with *error. */
static char *set_top(void *data, StorageError **error)
{
        SetTop *wanted = data;
        Use *use = wanted->use;
        Volume *volume = use->volume;
        SmapiError *failed = NULL;
        SmapiVolume found;
        char *uri;

        volume_unlearn(volume);
        if (!smapi_volume_set_top(&use->caller.caller, 0, use->operation->dbg, use_handle(use), volume->key,
                                  wanted->path, &failed) ||
            !smapi_volume_stat(&use->caller.caller, 0, use->operation->dbg, use_handle(use), volume->key,
                               &found, &failed)) {
                plugin_fail(error, failed);
                return NULL;
        }
        uri = found.uri.n > 0 ? g_strdup(found.uri.items[0]) : NULL;
        smapi_volume_clear(&found);
        if (uri == NULL || !layer_uri_served(uri)) {
                g_free(uri);
                storage_fail_internal(error, "The plugin gave no URI for %s", volume->key);
                return NULL;
        }
        g_free(volume->uri);
        volume->uri = g_strdup(uri);
        volume_save(volume);
        return uri;
}

typedef struct LiveMerge {
        Merge merge;
        const SmapiImage *upper, *lower;
} LiveMerge;

/* Whether, by what the plugin says now, the lower image lies under the upper one alone and is no volume's. Nothing else can
 * come to lie on it while the volume's lock is held, nor afterwards without an end of the merge: only a copy of the upper
 * image's volume, which first has the server follow, does that. */
static bool still_so(Use *use, const LiveMerge *merge, StorageError **error)
{
        SmapiImageList images;
        SmapiError *failed = NULL;
        bool lower = false, upper = false, others = false;

        if (!smapi_sr_images(&use->caller.caller, 0, use->operation->dbg, use_handle(use), &images, &failed))
                return plugin_fail(error, failed);
        for (size_t i = 0; i < images.n; i++) {
                const SmapiImage *image = &images.items[i];
                bool on_lower = g_strcmp0(image->backing, merge->lower->path) == 0;

                if (strcmp(image->path, merge->lower->path) == 0)
                        lower = image->volume == NULL;
                if (on_lower && strcmp(image->path, merge->upper->path) == 0)
                        upper = g_strcmp0(image->volume, merge->upper->volume) == 0;
                else if (on_lower)
                        others = true;
        }
        smapi_image_list_clear(&images);
        return (lower && upper && !others) ||
               storage_fail_internal(error, "%s is not under one other alone any more", merge->lower->path);
}

typedef bool (*LiveStep)(Use *use, const DiskName *name, const LiveMerge *merge, StorageError **error);

static bool live_begin(Use *use, const DiskName *name, const LiveMerge *merge, StorageError **error)
{
        return still_so(use, merge, error) && disk_merge_begin(use->manager->disks, use->operation, name,
                                                               merge->merge, merge->upper->path, error);
}

static bool live_finish(Use *use, const DiskName *name, const LiveMerge *merge, StorageError **error)
{
        SetTop wanted = { .use = use, .path = merge->lower->path };

        return disk_merge_finish(use->manager->disks, use->operation, name, set_top, &wanted, error);
}

/* One step of a merge in a disk server, with the volume's lock. */
static bool live_step(Tidy *tidy, const char *volume, LiveStep step, const LiveMerge *merge)
{
        Operation operation = operation_for(CALL_USEC);
        StorageError *error = NULL;
        bool good;
        Use use;

        good = use_begin(&use, tidy->manager, &operation, USE_VOLUME, tidy->sr, volume, &error);
        if (good) {
                DiskName name = { .sr = tidy->sr, .vdi = volume };

                good = route_serves(use.volume)
                           ? step(&use, &name, merge, &error)
                           : storage_fail_internal(&error, "%s is no longer in use", volume);
                use_end(&use);
        }
        if (!good)
                drop_error("Images in use are not brought together", tidy, error);
        return good;
}

/* Somebody comes to open one of the images. Without the volume's lock, for which others may wait who wait for him. */
static bool give_way(Tidy *tidy, const DiskName *name)
{
        Operation operation = operation_for(CALL_USEC);
        StorageError *error = NULL;

        if (!disk_merge_cancel(tidy->manager->disks, &operation, name, &error))
                drop_error("A merge does not end", tidy, error);
        tidy->failed = true;
        return false;
}

/* By the disk server. The volume is not locked while bytes are copied: whoever changes its layers meanwhile ends this. */
static bool merge_in_use(Tidy *tidy, const char *volume, const LiveMerge *merge, ImageMerge *images)
{
        DiskName name = { .sr = tidy->sr, .vdi = volume };
        MergeState state;

        if (!live_step(tidy, volume, live_begin, merge))
                return false;
        do {
                Operation operation = operation_for(CALL_USEC);
                StorageError *error = NULL;

                if (tidy->ends(tidy->data))
                        return false;
                if (image_merge_unwanted(images))
                        return give_way(tidy, &name);
                g_usleep(POLL_USEC);
                if (!disk_merge_state(tidy->manager->disks, &operation, &name, &state, &error)) {
                        drop_error("Images in use are not brought together", tidy, error);
                        return false;
                }
        } while (state == MERGE_RUNNING);
        if (state == MERGE_READY)
                return live_step(tidy, volume, live_finish, merge);
        /* Done, or ended by whoever changed the layers: the next look tells. */
        tidy->failed |= merge->merge == MERGE_DOWN;
        return merge->merge == MERGE_UP;
}

/* The one image that lies on another; NULL: none, or several. */
static const SmapiImage *only_child(Tidy *tidy, const SmapiImage *lower)
{
        if (GPOINTER_TO_UINT(g_hash_table_lookup(tidy->children, lower->path)) != 1)
                return NULL;
        for (size_t i = 0; i < tidy->images.n; i++)
                if (g_strcmp0(tidy->images.items[i].backing, lower->path) == 0)
                        return &tidy->images.items[i];
        return NULL;
}

/* Whether it was done. */
static bool merge_with_child(Tidy *tidy, const SmapiImage *lower)
{
        const SmapiImage *upper = only_child(tidy, lower);
        const char *volume = NULL;
        ImageMerge *images;
        LiveMerge merge;
        bool done;
        guint n;

        /* Of two that are no volume's, the lower waits until the upper one has gone. */
        if (upper == NULL || upper->volume == NULL)
                return false;
        n = holders(tidy, upper, &volume);
        if (n > 1)
                return false; /* when all but one are at rest */
        images = image_merge_begin(tidy->manager->images, upper->path, lower->path);
        if (images == NULL) {
                tidy->failed = true;
                return false;
        }
        merge = (LiveMerge){ .merge = MERGE_UP, .upper = upper, .lower = lower };
        if (n > 0 && strcmp(upper->volume, volume) == 0 && upper->physical_size < lower->physical_size)
                merge.merge = MERGE_DOWN;
        done =
            n == 0 ? merge_at_rest(tidy, upper->volume, images) : merge_in_use(tidy, volume, &merge, images);
        image_merge_end(images);
        return done;
}

static void collect(Tidy *tidy)
{
        Operation operation = operation_for(CALL_USEC);
        SmapiError *failed = NULL;
        StorageError *error = NULL;
        BusStrings busy = { 0 };
        int64_t n = 0;
        Use use;

        if (!use_begin(&use, tidy->manager, &operation, USE_SHARED, tidy->sr, NULL, &error)) {
                storage_error_free(error);
                return;
        }
        /* What a server has open stays readable to it without a name, and is in the chain of a volume besides. */
        if (!smapi_sr_collect(&use.caller.caller, 0, operation.dbg, use_handle(&use), &busy, &n, &failed)) {
                plugin_fail(&error, failed);
                drop_error("Images are not collected", tidy, error);
        } else if (n > 0) {
                log_info("Images that nobody needs are gone", "SM_SR", tidy->sr, NULL);
        }
        use_end(&use);
}

/* One merge, and what it leaves. False: there is none to be done, or none that succeeds now. */
static bool step(Tidy *tidy)
{
        if (!look(tidy))
                return false;
        for (size_t i = 0; i < tidy->images.n; i++) {
                const SmapiImage *lower = &tidy->images.items[i];

                if (lower->volume != NULL || g_hash_table_contains(tidy->tried, lower->path))
                        continue;
                if (merge_with_child(tidy, lower)) {
                        log_info("Images brought together", "SM_SR", tidy->sr, "SM_PATH", lower->path, NULL);
                        collect(tidy);
                        return true;
                }
                if (tidy->failed)
                        g_hash_table_add(tidy->tried, g_strdup(lower->path));
        }
        return false;
}

bool tidy_repository(Manager *manager, const char *sr, bool (*ends)(void *data), void *data)
{
        Tidy tidy = { .manager = manager, .sr = sr, .ends = ends, .data = data };

        tidy.by_path = g_hash_table_new(g_str_hash, g_str_equal);
        tidy.children = g_hash_table_new(g_str_hash, g_str_equal);
        tidy.tried = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        tidy.active = g_ptr_array_new_with_free_func(g_free);
        if (look(&tidy))
                collect(&tidy);
        while (!ends(data) && step(&tidy))
                ;
        forget_images(&tidy);
        g_hash_table_unref(tidy.by_path);
        g_hash_table_unref(tidy.children);
        g_hash_table_unref(tidy.tried);
        g_ptr_array_unref(tidy.active);
        return !tidy.failed;
}
