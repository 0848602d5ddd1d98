/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-use.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "message-switch/lib/condition.h"

struct ImageMerge {
        ImageUse *images;
        char *upper, *lower;
        bool unwanted; /* under the mutex */
};

struct ImageUse {
        pthread_mutex_t mutex; /* of what follows */
        pthread_cond_t ended;
        GPtrArray *merges;   /* borrowed */
        GHashTable *opening; /* path -> by how many */
};

ImageUse *image_use_new(void)
{
        ImageUse *images = g_new0(ImageUse, 1);
        pthread_mutex_init(&images->mutex, NULL);
        condition_init(&images->ended);
        images->merges = g_ptr_array_new();
        images->opening = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return images;
}

void image_use_free(ImageUse *images)
{
        g_assert(images->merges->len == 0 && g_hash_table_size(images->opening) == 0);
        g_ptr_array_unref(images->merges);
        g_hash_table_unref(images->opening);
        pthread_cond_destroy(&images->ended);
        pthread_mutex_destroy(&images->mutex);
        g_free(images);
}

ImageMerge *image_merge_begin(ImageUse *images, const char *upper, const char *lower)
{
        ImageMerge *merge = NULL;

        pthread_mutex_lock(&images->mutex);
        if (!g_hash_table_contains(images->opening, upper) &&
            !g_hash_table_contains(images->opening, lower)) {
                merge = g_new0(ImageMerge, 1);
                merge->images = images;
                merge->upper = g_strdup(upper);
                merge->lower = g_strdup(lower);
                g_ptr_array_add(images->merges, merge);
        }
        pthread_mutex_unlock(&images->mutex);
        return merge;
}

bool image_merge_unwanted(ImageMerge *merge)
{
        bool unwanted;

        pthread_mutex_lock(&merge->images->mutex);
        unwanted = merge->unwanted;
        pthread_mutex_unlock(&merge->images->mutex);
        return unwanted;
}

void image_merge_end(ImageMerge *merge)
{
        ImageUse *images = merge->images;

        pthread_mutex_lock(&images->mutex);
        g_ptr_array_remove_fast(images->merges, merge);
        pthread_cond_broadcast(&images->ended);
        pthread_mutex_unlock(&images->mutex);
        g_free(merge->upper);
        g_free(merge->lower);
        g_free(merge);
}

static bool touches(const ImageMerge *merge, GPtrArray *paths)
{
        for (guint i = 0; i < paths->len; i++) {
                const char *path = g_ptr_array_index(paths, i);

                if (strcmp(path, merge->upper) == 0 || strcmp(path, merge->lower) == 0)
                        return true;
        }
        return false;
}

/* With the mutex held: has every merge of the paths end. Whether there is one. */
static bool send_away(ImageUse *images, GPtrArray *paths)
{
        bool any = false;

        for (guint i = 0; i < images->merges->len; i++) {
                ImageMerge *merge = g_ptr_array_index(images->merges, i);

                if (touches(merge, paths))
                        any = merge->unwanted = true;
        }
        return any;
}

/* With the mutex held. */
static void count(ImageUse *images, GPtrArray *paths, int by)
{
        for (guint i = 0; i < paths->len; i++) {
                const char *path = g_ptr_array_index(paths, i);
                int n = GPOINTER_TO_INT(g_hash_table_lookup(images->opening, path)) + by;

                if (n > 0)
                        g_hash_table_replace(images->opening, g_strdup(path), GINT_TO_POINTER(n));
                else
                        g_hash_table_remove(images->opening, path);
        }
}

int image_use_open(ImageUse *images, GPtrArray *paths, uint64_t deadline_usec)
{
        bool busy;
        int r = 0;

        pthread_mutex_lock(&images->mutex);
        count(images, paths, 1);
        while ((busy = send_away(images, paths)) && r == 0)
                r = condition_wait(&images->ended, &images->mutex, deadline_usec);
        if (busy)
                count(images, paths, -1);
        pthread_mutex_unlock(&images->mutex);
        return busy ? -ETIMEDOUT : 0;
}

void image_use_opened(ImageUse *images, GPtrArray *paths)
{
        pthread_mutex_lock(&images->mutex);
        count(images, paths, -1);
        pthread_mutex_unlock(&images->mutex);
}
