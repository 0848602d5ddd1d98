/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-volumes.h"

#include <stdlib.h>

char *scratch;

json_t *ok(MethodFunction method, json_t *args)
{
        Failure failure = { 0 };
        json_t *result = method(args, &failure);

        if (result == NULL)
                g_error("%s %s %s", failure.code, failure.params[1], failure.params[2]);
        json_decref(args);
        return result;
}

void done(MethodFunction method, json_t *args)
{
        json_decref(ok(method, args));
}

void fails(MethodFunction method, json_t *args, const char *code)
{
        Failure failure = { 0 };

        g_assert_null(method(args, &failure));
        g_assert_cmpstr(failure.code, ==, code);
        json_decref(args);
}

json_t *at(const char *sr, const char *key)
{
        return json_pack("{s:s, s:s}", "sr", sr, "key", key);
}

json_t *of_sr(const char *sr)
{
        return json_pack("{s:s}", "sr", sr);
}

char *make_sr_of(const char *name, const char *formats)
{
        char *location = g_build_filename(scratch, name, NULL);
        json_t *configuration =
            json_pack("{s:s, s:s}", "location", location, "preferred-image-formats", formats);

        done(directory_create, json_pack("{s:s, s:o, s:s, s:s}", "uuid", SR_UUID, "configuration",
                                         configuration, "name", "Local", "description", ""));
        done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", location));
        return location;
}

char *make_sr(const char *name)
{
        return make_sr_of(name, "");
}

char *take_key(json_t *volume)
{
        char *key = g_strdup(json_string_value(json_object_get(volume, "key")));

        json_decref(volume);
        return key;
}

char *make_disk(const char *sr, const char *format, int64_t size)
{
        json_t *keys = format != NULL ? json_pack("{s:s}", "sm_config.image-format", format) : json_object();

        return take_key(ok(volume_create, json_pack("{s:s, s:s, s:s, s:I, s:b, s:o}", "sr", sr, "name",
                                                    "disk", "description", "", "size", (json_int_t)size,
                                                    "sharable", 0, "keys", keys)));
}

char *snapshot(const char *sr, const char *key)
{
        return take_key(ok(volume_snapshot, at(sr, key)));
}

char *clone_of(const char *sr, const char *key)
{
        return take_key(ok(volume_clone, at(sr, key)));
}

int64_t number(const char *sr, const char *key, const char *member)
{
        json_t *volume = ok(volume_stat, at(sr, key));
        int64_t value = json_integer_value(json_object_get(volume, member));

        json_decref(volume);
        return value;
}

char *image_of(const char *sr, const char *key, const char **ret_format)
{
        json_t *volume = ok(volume_stat, at(sr, key));
        const char *uri = json_string_value(json_array_get(json_object_get(volume, "uri"), 0));
        char *path;

        *ret_format = g_str_has_prefix(uri, "qcow2+file:///") ? "qcow2" : "raw";
        g_assert_true(g_str_has_prefix(uri, "qcow2+file:///") || g_str_has_prefix(uri, "raw+file:///"));
        path = g_strdup(strstr(uri, ":///") + strlen("://"));
        json_decref(volume);
        return path;
}

bool run(const char *format, ...)
{
        g_autofree char *command = NULL;
        int status;
        va_list ap;

        va_start(ap, format);
        command = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
        return status == 0;
}

void fill(const char *sr, const char *key, int pattern, int64_t offset, int64_t bytes)
{
        const char *format;
        g_autofree char *path = image_of(sr, key, &format);

        g_assert_true(run("qemu-io -t unsafe -f %s -c 'write -q -P %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
                          "' %s",
                          format, pattern, offset, bytes, path));
}

bool holds(const char *sr, const char *key, int pattern, int64_t offset, int64_t bytes)
{
        return holds_all(sr, key, &(Range){ pattern, offset, bytes }, 1);
}

/* qemu-io's status does not tell of a pattern that was not found. */
bool holds_all(const char *sr, const char *key, const Range *ranges, size_t n)
{
        const char *format;
        g_autofree char *path = image_of(sr, key, &format), *output = NULL;
        g_autoptr(GString) command = g_string_new(NULL);
        int status;

        g_string_printf(command, "qemu-io -r -f %s", format);
        for (size_t i = 0; i < n; i++)
                g_string_append_printf(command, " -c 'read -P %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "'",
                                       ranges[i].pattern, ranges[i].offset, ranges[i].bytes);
        g_string_append_printf(command, " %s", path);
        g_assert_true(g_spawn_command_line_sync(command->str, &output, NULL, &status, NULL));
        return status == 0 && strstr(output, "Pattern verification failed") == NULL;
}

void sound(const char *sr, const char *key)
{
        const char *format;
        g_autofree char *path = image_of(sr, key, &format);

        if (strcmp(format, "qcow2") == 0)
                g_assert_true(run("qemu-img check -q -f qcow2 %s", path));
}

size_t length(MethodFunction method, json_t *args)
{
        json_t *list = ok(method, args);
        size_t n = json_array_size(list);

        json_decref(list);
        return n;
}

size_t files(const char *sr)
{
        GDir *dir = g_dir_open(sr, 0, NULL);
        size_t n = 0;

        while (g_dir_read_name(dir) != NULL)
                n++;
        g_dir_close(dir);
        return n;
}

int64_t collect(const char *sr)
{
        json_t *result = ok(directory_collect, json_pack("{s:s, s:[]}", "sr", sr, "busy"));
        int64_t n = json_integer_value(result);

        json_decref(result);
        return n;
}

bool coalesce(const char *sr, const char *key)
{
        json_t *result = ok(volume_coalesce, at(sr, key));
        bool more = json_is_true(result);

        json_decref(result);
        return more;
}

void remove_tree(const char *path)
{
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", path);

        g_assert_cmpint(system(command), ==, 0);
}

bool volumes_begin(const char *name)
{
        g_autofree char *template = g_strconcat(name, "-XXXXXX", NULL);
        g_autofree char *qemu_img = g_find_program_in_path("qemu-img"),
                        *qemu_io = g_find_program_in_path("qemu-io");

        if (qemu_img == NULL || qemu_io == NULL) {
                g_print("1..0 # SKIP qemu-utils is not installed\n");
                return false;
        }
        directory_type = &directory_type_file;
        scratch = g_dir_make_tmp(template, NULL);
        return true;
}

int volumes_end(int result)
{
        remove_tree(scratch);
        g_free(scratch);
        return result;
}
