/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin "file" when it is killed, or power goes, between any two of its system calls.
 * Every directory that may be found so is made, and must hold all that it should. */
#include <stdlib.h>
#include <string.h>

#include <glib/gstdio.h>

#include "test-remains.h"
#include "test-steps.h"
#include "test-volumes.h"

#define BYTES 65536

/* ---- what is done, and what must be found afterwards ---- */

typedef struct Found {
        char *key;
        int pattern; /* that its first bytes hold */
        bool may_be_gone;
} Found;

static void found_clear(void *data)
{
        g_free(((Found *)data)->key);
}

static GArray *found_new(void)
{
        GArray *found = g_array_new(FALSE, TRUE, sizeof(Found));

        g_array_set_clear_func(found, found_clear);
        return found;
}

typedef struct Scenario {
        GArray *found;
        char *key;       /* of the disk that something is done to */
        int new_pattern; /* of what may be made */
        MethodFunction method;
        json_t *args; /* but for "sr" */
} Scenario;

static void expect(Scenario *s, char *key, int pattern)
{
        g_array_append_vals(s->found, &(Found){ .key = key, .pattern = pattern }, 1);
}

static void acts(Scenario *s, MethodFunction method, json_t *args)
{
        s->method = method;
        s->args = args;
        json_object_set_new(args, "key", json_string(s->key));
}

/* A disk that holds 1. */
static void one_disk(Scenario *s, const char *sr, const char *format)
{
        s->key = make_disk(sr, format, MIB);
        fill(sr, s->key, 1, 0, BYTES);
        expect(s, s->key, 1);
        s->new_pattern = 1;
}

/* It holds 2, and a snapshot of it 1. */
static void two_disks(Scenario *s, const char *sr, const char *format)
{
        one_disk(s, sr, format);
        expect(s, snapshot(sr, s->key), 1);
        fill(sr, s->key, 2, 0, BYTES);
        g_array_index(s->found, Found, 0).pattern = 2;
        s->new_pattern = 2;
}

static void begin_create(Scenario *s, const char *sr, const char *format)
{
        one_disk(s, sr, format);
        s->new_pattern = 0;
        acts(s, volume_create,
             json_pack("{s:s, s:s, s:i, s:b, s:{}}", "name", "", "description", "", "size", MIB, "sharable",
                       0, "keys"));
}

static void begin_snapshot(Scenario *s, const char *sr, const char *format)
{
        one_disk(s, sr, format);
        acts(s, volume_snapshot, json_object());
}

static void begin_second_snapshot(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        acts(s, volume_snapshot, json_object());
}

static void begin_clone(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        acts(s, volume_clone, json_object());
}

static void begin_clone_of_snapshot(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        s->key = g_array_index(s->found, Found, 1).key;
        s->new_pattern = 1;
        acts(s, volume_clone, json_object());
}

static void begin_copy(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        acts(s, volume_copy, json_object());
}

static void begin_destroy(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        g_array_index(s->found, Found, 0).may_be_gone = true;
        acts(s, volume_destroy, json_object());
}

static void begin_destroy_snapshot(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        g_array_index(s->found, Found, 1).may_be_gone = true;
        s->key = g_array_index(s->found, Found, 1).key;
        acts(s, volume_destroy, json_object());
}

static void begin_rename(Scenario *s, const char *sr, const char *format)
{
        two_disks(s, sr, format);
        acts(s, volume_set_name, json_pack("{s:s}", "new_name", "renamed"));
}

/* All is in the lower image already. */
static void begin_set_top(Scenario *s, const char *sr, const char *format)
{
        g_autofree char *lower = NULL, *path = NULL;
        const char *ignored;
        json_t *chain;

        two_disks(s, sr, format);
        done(volume_destroy, at(sr, g_array_index(s->found, Found, 1).key));
        g_array_set_size(s->found, 1);
        path = image_of(sr, s->key, &ignored);
        g_assert_true(run("qemu-img commit -q -d -f qcow2 %s", path));
        chain = ok(volume_chain, at(sr, s->key));
        acts(s, volume_set_top, json_pack("{s:O}", "path", json_array_get(chain, 1)));
        json_decref(chain);
}

static void act(Scenario *s, const char *sr)
{
        Failure failure = { 0 };

        json_object_set_new(s->args, "sr", json_string(sr));
        json_object_set_new(s->args, "dest_sr", json_string(sr));
        json_decref(s->method(s->args, &failure));
}

/* ---- looking at what is left ---- */

static const Found *expected(const Scenario *s, const char *key)
{
        for (guint i = 0; i < s->found->len; i++)
                if (strcmp(g_array_index(s->found, Found, i).key, key) == 0)
                        return &g_array_index(s->found, Found, i);
        return NULL;
}

static void check(const Scenario *s, const char *sr)
{
        json_t *volumes, *volume;
        size_t i, fresh = 0;

        done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", sr));
        volumes = ok(directory_ls, of_sr(sr));
        json_array_foreach(volumes, i, volume)
        {
                const char *key = json_string_value(json_object_get(volume, "key"));
                const Found *found = expected(s, key);

                fresh += found == NULL;
                g_assert_true(holds(sr, key, found != NULL ? found->pattern : s->new_pattern, 0, BYTES));
        }
        for (guint j = 0; j < s->found->len; j++) {
                const Found *found = &g_array_index(s->found, Found, j);

                if (!found->may_be_gone)
                        done(volume_stat, at(sr, found->key));
        }
        g_assert_cmpuint(fresh, <=, 1);
        g_assert_cmpuint(json_array_size(volumes), >=, s->found->len - 1);
        json_decref(volumes);
        /* Nothing is left that nobody needs: what was attached was swept. */
        g_assert_cmpint(collect(sr), ==, 0);
        g_assert_cmpuint(files(sr), ==,
                         1 + length(directory_ls, of_sr(sr)) + length(directory_images, of_sr(sr)));
}

/* ---- killed ---- */

static char *copy_of(const char *sr, const char *name)
{
        char *copy = g_build_filename(scratch, name, NULL);

        g_assert_true(run("rm -rf %s", copy));
        g_assert_true(run("cp -a --sparse=always %s %s", sr, copy));
        return copy;
}

typedef struct Work {
        Scenario *scenario;
        const char *sr;
} Work;

static void do_work(void *data)
{
        const Work *work = data;

        act(work->scenario, work->sr);
}

static void act_in_child(Scenario *s, const char *sr, size_t end_after)
{
        Work work = { s, sr };

        steps_record(do_work, &work, end_after);
}

static void check_work(void *data)
{
        const Work *work = data;

        check(work->scenario, work->sr);
}

typedef void (*Begin)(Scenario *s, const char *sr, const char *format);
typedef struct Case {
        const char *name;
        Begin begin;
} Case;

static void test(const Case *c, const char *format)
{
        g_autofree char *name = g_strconcat(c->name, "-", format, NULL), *sr = make_sr_of(name, format);
        Scenario s = { .found = found_new() };
        g_autofree char *whole = NULL;
        size_t n;

        c->begin(&s, sr, format);
        /* Records are of the original's inodes, which `sr` keeps as long as nothing is done to it. */
        whole = copy_of(sr, "original");
        act_in_child(&s, whole, 0);
        n = steps->n;
        g_assert_cmpuint(n, >, 0);
        for (size_t i = 1; i <= n; i++) {
                g_autofree char *copy = copy_of(sr, "killed");

                act_in_child(&s, copy, i);
                g_assert_cmpuint(steps->n, ==, i);
                check(&s, copy);
        }
        act_in_child(&s, sr, 0);
        g_array_unref(s.found);
        json_decref(s.args);
}

static const Case CASES[] = {
        { "create", begin_create },
        { "snapshot", begin_snapshot },
        { "second-snapshot", begin_second_snapshot },
        { "clone", begin_clone },
        { "clone-of-snapshot", begin_clone_of_snapshot },
        { "copy", begin_copy },
        { "destroy", begin_destroy },
        { "destroy-snapshot", begin_destroy_snapshot },
        { "rename", begin_rename },
        { "set-top", begin_set_top },
};

/* Records on a copy whose files are the same inodes as in `before`, so that what is old is told from what is new. */
static void test_power(const Case *c, const char *format)
{
        g_autofree char *name = g_strconcat("power-", c->name, "-", format, NULL),
                        *sr = make_sr_of(name, format);
        g_autofree char *before = g_build_filename(scratch, "before", NULL),
                        *cut = g_build_filename(scratch, "cut", NULL);
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        Scenario s = { .found = found_new() };
        Work work = { &s, cut };
        size_t n;

        c->begin(&s, sr, format);
        g_assert_true(run("rm -rf %s", before));
        g_assert_true(run("cp -al %s %s", sr, before));
        act_in_child(&s, sr, 0);
        n = steps->n;
        for (size_t i = 0; i <= n; i++)
                remains_each(before, i, cut, seen, check_work, &work);
        g_assert_cmpuint(g_hash_table_size(seen), >=, 2);
        g_array_unref(s.found);
        json_decref(s.args);
}

static void test_killed_case(gconstpointer data)
{
        test(data, "raw");
        test(data, "qcow2");
}

static void test_power_case(gconstpointer data)
{
        test_power(data, "raw");
        test_power(data, "qcow2");
}

int main(int argc, char **argv)
{
        g_autofree char *kept = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        if (!volumes_begin("test-power"))
                return 0;
        kept = g_build_filename(scratch, "kept", NULL);
        steps_begin(kept);
        for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
                g_autofree char *killed = g_strconcat("/power/killed/", CASES[i].name, NULL);
                g_autofree char *cut = g_strconcat("/power/cut/", CASES[i].name, NULL);

                g_test_add_data_func(killed, &CASES[i], test_killed_case);
                g_test_add_data_func(cut, &CASES[i], test_power_case);
        }
        r = volumes_end(g_test_run());
        steps_end();
        return r;
}
