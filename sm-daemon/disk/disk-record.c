/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-record.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>
#include <jansson.h>

#include "sm-daemon/record.h"

#define RECORD_FILE "record.json"
#define ID_DIGITS   32u /* a socket's path has room for 108 bytes in all */

#define REMOVE_DESCRIPTORS 8 /* that are open at a time */

char *disk_record_id(const char *sr, const char *vdi)
{
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

        /* With its NUL, so that no two pairs are one text. */
        g_checksum_update(sum, (const guchar *)sr, (gssize)strlen(sr) + 1);
        g_checksum_update(sum, (const guchar *)vdi, (gssize)strlen(vdi));
        return g_strndup(g_checksum_get_string(sum), ID_DIGITS);
}

char *disk_server_folder(const DiskRecord *record)
{
        return g_build_filename(record->folder, DISK_SERVER_FOLDER, NULL);
}

char *disk_server_file(const DiskRecord *record, const char *name)
{
        return g_build_filename(record->folder, DISK_SERVER_FOLDER, name, NULL);
}

void disk_record_clear(DiskRecord *record)
{
        g_free(record->folder);
        g_free(record->sr);
        g_free(record->vdi);
        g_free(record->path);
        *record = (DiskRecord){ .device = DISK_NO_DEVICE };
}

static bool decode(const json_t *json, DiskRecord *record)
{
        const char *sr, *vdi, *path, *format;
        int active, writable, held;

        if (json_unpack((json_t *)json, "{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:i}", "sr", &sr, "vdi", &vdi,
                        "path", &path, "format", &format, "active", &active, "writable", &writable, "held",
                        &held, "device", &record->device) < 0)
                return false;
        if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
                return false;
        record->format = strcmp(format, "raw") == 0 ? LAYER_RAW : LAYER_QCOW2;
        record->sr = g_strdup(sr);
        record->vdi = g_strdup(vdi);
        record->path = g_strdup(path);
        record->active = active != 0;
        record->writable = writable != 0;
        record->held = held != 0;
        return true;
}

int disk_record_load(const char *folder, DiskRecord *ret)
{
        g_autofree char *path = g_build_filename(folder, RECORD_FILE, NULL);
        DiskRecord record = { .device = DISK_NO_DEVICE };
        json_t *json;
        bool good;
        int r;

        r = record_read(path, &json);
        if (r < 0)
                return r;
        good = decode(json, &record);
        json_decref(json);
        if (!good)
                return -EBADMSG;
        record.folder = g_strdup(folder);
        *ret = record;
        return 0;
}

int disk_record_save(const DiskRecord *record)
{
        g_autofree char *path = g_build_filename(record->folder, RECORD_FILE, NULL),
                        *server = disk_server_folder(record);
        json_t *json;
        int r;

        if (g_mkdir(record->folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        if (g_mkdir(server, 0700) < 0 && errno != EEXIST)
                return -errno;
        json = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:i}", "sr", record->sr, "vdi", record->vdi,
                         "path", record->path, "format", layer_format_name(record->format), "active",
                         record->active, "writable", record->writable, "held", record->held, "device",
                         record->device);
        if (json == NULL)
                return -EINVAL; /* a path that is no UTF-8 */
        r = record_write(path, json);
        json_decref(json);
        return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
        (void)st;
        (void)type;
        (void)place;
        remove(path);
        return 0;
}

void disk_record_remove(const char *folder)
{
        g_autofree char *path = g_build_filename(folder, RECORD_FILE, NULL);

        /* First: without it, the rest is a leftover. */
        g_unlink(path);
        nftw(folder, remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
