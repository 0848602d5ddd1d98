/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chains as seen from below: which images there are, who needs them, and what becomes of those that nobody, or one only,
 * needs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "chain.h"
#include "disk.h"

/* An image whose header cannot be read has no sizes, and nobody knows what it lies on. */
static bool is_damaged(const Image *image)
{
        return image->virtual_bytes == 0;
}

/* All names of a directory that mean something, read at one moment. */
typedef struct Survey {
        int directory;
        Image *images; /* sorted by name */
        size_t n_images, room;
        json_t *volumes;   /* keys that have a document: {key: true} */
        json_t *leftovers; /* what killed calls left behind, by name */
} Survey;

static int compare_images(const void *a, const void *b)
{
        return strcmp(((const Image *)a)->name, ((const Image *)b)->name);
}

static Image *survey_image(const Survey *survey, const char *name)
{
        Image wanted;

        if (strlen(name) >= sizeof(wanted.name))
                return NULL;
        strcpy(wanted.name, name);
        return bsearch(&wanted, survey->images, survey->n_images, sizeof(Image), compare_images);
}

/* The image that is the volume's: not the raw one under a qcow2 one. */
static Image *survey_top(const Survey *survey, const char *key)
{
        char name[IMAGE_NAME_SIZE];
        Image *image;

        image_name(name, key, IMAGE_QCOW2);
        image = survey_image(survey, name);
        if (image != NULL)
                return image;
        image_name(name, key, IMAGE_RAW);
        return survey_image(survey, name);
}

/* The volume whose image it is, or NULL. Returns borrowed; `key` is room for it. */
static const char *survey_volume(const Survey *survey, const Image *image, char key[IMAGE_KEY_LEN + 1])
{
        ImageFormat format;

        image_name_parse(image->name, key, &format);
        return json_object_get(survey->volumes, key) != NULL && survey_top(survey, key) == image ? key : NULL;
}

static size_t survey_users(const Survey *survey, const char *name)
{
        size_t n = 0;

        for (size_t i = 0; i < survey->n_images; i++)
                n += strcmp(survey->images[i].backing, name) == 0;
        return n;
}

static int add_image(Survey *survey, const char *name)
{
        int r;

        if (survey->n_images == survey->room) {
                size_t room = survey->room > 0 ? 2 * survey->room : 64;
                Image *images = realloc(survey->images, room * sizeof(*images));

                if (images == NULL)
                        return -ENOMEM;
                survey->images = images;
                survey->room = room;
        }
        r = image_stat(survey->directory, name, &survey->images[survey->n_images]);
        if (r == 0 || r == -EBADMSG)
                survey->n_images++;
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

static int survey_one(int directory, const char *name, void *data)
{
        Survey *survey = data;
        char key[IMAGE_KEY_LEN + 1];
        ImageFormat format;

        (void)directory;
        if (image_name_parse(name, key, &format))
                return add_image(survey, name);
        if (disk_document_name_parse(name, key))
                return json_object_set_new(survey->volumes, key, json_true());
        if (disk_leftover(name))
                return json_array_append_new(survey->leftovers, json_string(name));
        return 0;
}

static void survey_clear(Survey *survey)
{
        free(survey->images);
        json_decref(survey->volumes);
        json_decref(survey->leftovers);
}

/* On failure there is nothing to be cleared. */
static int survey_make(int directory, Survey *ret)
{
        int r;

        *ret = (Survey){ .directory = directory, .volumes = json_object(), .leftovers = json_array() };
        r = disk_walk(directory, survey_one, ret);
        if (r < 0) {
                survey_clear(ret);
                return r;
        }
        if (ret->n_images > 0)
                qsort(ret->images, ret->n_images, sizeof(Image), compare_images);
        return 0;
}

static json_t *describe(const Survey *survey, const Image *image)
{
        char key[IMAGE_KEY_LEN + 1];
        const char *volume = survey_volume(survey, image, key);
        json_t *description =
            json_pack("{s:s, s:s, s:I, s:I}", "name", image->name, "format", image_format_name(image->format),
                      "virtual_size", (json_int_t)image->virtual_bytes, "physical_size",
                      (json_int_t)image->physical_bytes);

        if (image->backing[0] != '\0')
                json_object_set_new(description, "backing", json_string(image->backing));
        if (volume != NULL)
                json_object_set_new(description, "volume", json_string(volume));
        return description;
}

int chain_images(int directory, json_t **ret)
{
        Survey survey;
        int r;

        r = survey_make(directory, &survey);
        if (r < 0)
                return r;
        *ret = json_array();
        for (size_t i = 0; i < survey.n_images; i++)
                json_array_append_new(*ret, describe(&survey, &survey.images[i]));
        survey_clear(&survey);
        return 0;
}

/* Not one that was destroyed while we read the directory's names: its document goes first. */
static bool is_volume_still(const Survey *survey, const char *key)
{
        json_t *document;
        int r = disk_document_read(survey->directory, key, &document);

        if (r == 0)
                json_decref(document);
        return r != -ENOENT;
}

static int fail_untold(const char *name, const char *why)
{
        fprintf(stderr, "The image %s is %s\n", name, why);
        return -EBADMSG;
}

/* Marks what the volume's image needs, itself included. 0 or -EBADMSG: that cannot be told, for an image is damaged, or is
 * away: what it lies on is needed when it is brought back. */
static int mark(const Survey *survey, const char *key, bool *needed)
{
        const Image *image = survey_top(survey, key);
        const char *name;

        if (image == NULL)
                return is_volume_still(survey, key) ? fail_untold(key, "missing") : 0;
        while (!needed[image - survey->images]) {
                if (is_damaged(image))
                        return fail_untold(image->name, "damaged");
                needed[image - survey->images] = true;
                if (image->backing[0] == '\0')
                        break;
                name = image->backing;
                image = survey_image(survey, name);
                if (image == NULL)
                        return fail_untold(name, "missing");
        }
        return 0;
}

static int mark_all(const Survey *survey, bool *needed)
{
        const char *key;
        json_t *value;

        json_object_foreach(survey->volumes, key, value)
        {
                int r = mark(survey, key, needed);

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_busy(json_t *busy, const char *name)
{
        for (size_t i = 0; i < json_array_size(busy); i++) {
                const char *other = json_string_value(json_array_get(busy, i));

                if (other != NULL && strcmp(other, name) == 0)
                        return true;
        }
        return false;
}

/* Unless somebody is at work on it, who has it locked. */
static void sweep_leftover(int directory, const char *name)
{
        int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                unlinkat(directory, name, 0);
        close(fd);
}

static int sweep(const Survey *survey, const bool *needed, json_t *busy)
{
        int removed = 0;

        for (size_t i = 0; i < survey->n_images; i++) {
                if (needed[i] || is_busy(busy, survey->images[i].name))
                        continue;
                if (unlinkat(survey->directory, survey->images[i].name, 0) < 0 && errno != ENOENT)
                        return -errno;
                removed++;
        }
        for (size_t i = 0; i < json_array_size(survey->leftovers); i++)
                sweep_leftover(survey->directory, json_string_value(json_array_get(survey->leftovers, i)));
        return removed;
}

/* What is done with the directory between `lock` and the return is done alone. */
static int lock(int directory)
{
        return flock(directory, LOCK_EX) < 0 ? -errno : 0;
}

static int unlock(int directory, int r)
{
        flock(directory, LOCK_UN);
        return r;
}

static int collect(int directory, json_t *busy)
{
        Survey survey;
        bool *needed;
        int r;

        r = survey_make(directory, &survey);
        if (r < 0)
                return r;
        needed = calloc(survey.n_images + 1, sizeof(*needed));
        r = needed != NULL ? mark_all(&survey, needed) : -ENOMEM;
        if (r == 0)
                r = sweep(&survey, needed, busy);
        free(needed);
        survey_clear(&survey);
        return r;
}

int chain_collect(int directory, json_t *busy)
{
        int r;

        r = lock(directory);
        return r < 0 ? r : unlock(directory, collect(directory, busy));
}

/* Whether `top`, of the volume `key`, may become one with the image that it lies on. */
static bool may_merge(const Survey *survey, const Image *top)
{
        char key[IMAGE_KEY_LEN + 1];
        const Image *parent;

        if (top == NULL || is_damaged(top) || top->backing[0] == '\0')
                return false;
        parent = survey_image(survey, top->backing);
        if (parent == NULL || is_damaged(parent) || survey_volume(survey, parent, key) != NULL ||
            survey_users(survey, parent->name) != 1)
                return false;
        /* Images on top of this one name it with its ending, which would change. */
        return parent->format == IMAGE_QCOW2 || survey_users(survey, top->name) == 0;
}

static int find_mergeable(int directory, const char *key, Image *ret_top)
{
        const Image *top;
        Survey survey;
        int r;

        r = survey_make(directory, &survey);
        if (r < 0)
                return r;
        top = survey_top(&survey, key);
        r = may_merge(&survey, top);
        if (r > 0)
                *ret_top = *top;
        survey_clear(&survey);
        return r;
}

static int sync_directory(int directory)
{
        return fsync(directory) < 0 ? -errno : 0;
}

/* The overlay goes, and the raw image gets the volume's name before it loses its own. */
static int uncover_raw(int directory, const char *key, const Image *top)
{
        char name[IMAGE_NAME_SIZE];
        int r;

        image_name(name, key, IMAGE_RAW);
        if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
                return -errno;
        if (linkat(directory, top->backing, directory, name, 0) < 0)
                return -errno;
        r = sync_directory(directory);
        if (r == 0 && unlinkat(directory, top->name, 0) < 0)
                r = -errno;
        if (r == 0)
                r = sync_directory(directory);
        if (r == 0 && unlinkat(directory, top->backing, 0) < 0)
                r = -errno;
        return r;
}

static int set_top(int directory, const char *key, const char *parent)
{
        char parent_key[IMAGE_KEY_LEN + 1];
        ImageFormat format;
        Image top;
        int r;

        r = find_mergeable(directory, key, &top);
        if (r < 0)
                return r;
        if (r == 0 || strcmp(top.backing, parent) != 0)
                return -EINVAL;
        image_name_parse(parent, parent_key, &format);
        if (format == IMAGE_RAW)
                return uncover_raw(directory, key, &top);
        if (renameat(directory, parent, directory, top.name) < 0)
                return -errno;
        return sync_directory(directory);
}

int chain_set_top(int directory, const char *key, const char *parent)
{
        int r;

        r = lock(directory);
        return r < 0 ? r : unlock(directory, set_top(directory, key, parent));
}

int chain_coalesce(int directory, const char *key)
{
        Image top;
        int r;

        r = lock(directory);
        if (r == 0)
                r = unlock(directory, find_mergeable(directory, key, &top));
        if (r <= 0)
                return r;
        /* Not under the lock: it takes as long as there are bytes. Nobody comes to need the lower image meanwhile, because
         * only a copy of the upper one, by the volume's own name, could. */
        r = image_commit(directory, &top);
        if (r == 0)
                r = chain_set_top(directory, key, top.backing);
        return r < 0 ? r : 1;
}
