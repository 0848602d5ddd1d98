/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin "file" when it is killed, or power goes, between any two of its system calls.
 *
 * Those that change a file or the directory are wrapped by the linker. Killed: the call is made in a child that ends
 * after the first n of them. Power: of the recorded ones, a file system must keep those before the last fsync of the directory,
 * and of the later ones any subset; a file's bytes it must keep after an fsync of the file only. Every directory that may be
 * found so is made, and must hold all that it should. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "test-volumes.h"

#define STEPS_MAX   64u
#define PENDING_MAX 8u /* entries of a directory between two fsyncs of it */
#define NAME_SIZE   64u
#define BYTES       65536

typedef enum StepKind {
        STEP_CREATE,
        STEP_LINK,
        STEP_RENAME,
        STEP_UNLINK,
        STEP_WRITE,
        STEP_SYNC,
        STEP_SYNC_DIRECTORY
} StepKind;

typedef struct Step {
        StepKind kind;
        ino_t inode;
        char from[NAME_SIZE], to[NAME_SIZE];
} Step;

typedef struct Record {
        size_t n, end_after; /* 0: never */
        Step steps[STEPS_MAX];
} Record;

static Record *record; /* shared with the child */
static bool recording; /* in the child */
static char *kept;     /* where files go that were synced, named by inode */

int __real_openat64(int directory, const char *name, int flags, ...);
int __wrap_openat64(int directory, const char *name, int flags, ...);
int __real_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __real_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);
ssize_t __real_pwrite64(int fd, const void *data, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t offset);
ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_fsync(int fd);

static void note(StepKind kind, ino_t inode, const char *from, const char *to)
{
        Step *step;

        if (!recording)
                return;
        g_assert_cmpuint(record->n, <, STEPS_MAX);
        step = &record->steps[record->n++];
        step->kind = kind;
        step->inode = inode;
        g_strlcpy(step->from, from, NAME_SIZE);
        g_strlcpy(step->to, to, NAME_SIZE);
        if (record->n == record->end_after)
                _exit(0);
}

static ino_t inode_at(int directory, const char *name)
{
        struct stat st = { 0 };

        fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW);
        return st.st_ino;
}

static void note_write(int fd)
{
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
                note(STEP_WRITE, st.st_ino, "", "");
}

int __wrap_openat64(int directory, const char *name, int flags, ...)
{
        bool fresh = (flags & O_CREAT) && faccessat(directory, name, F_OK, 0) < 0;
        va_list ap;
        mode_t mode;
        int fd;

        va_start(ap, flags);
        mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        fd = __real_openat64(directory, name, flags, mode);
        if (fd >= 0 && fresh)
                note(STEP_CREATE, inode_at(directory, name), "", name);
        return fd;
}

int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
        int r = __real_linkat(from_directory, from, to_directory, to, flags);

        if (r == 0)
                note(STEP_LINK, inode_at(to_directory, to), from, to);
        return r;
}

int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to)
{
        int r = __real_renameat(from_directory, from, to_directory, to);

        if (r == 0)
                note(STEP_RENAME, inode_at(to_directory, to), from, to);
        return r;
}

int __wrap_unlinkat(int directory, const char *name, int flags)
{
        int r = __real_unlinkat(directory, name, flags);

        if (r == 0)
                note(STEP_UNLINK, 0, name, "");
        return r;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t offset)
{
        ssize_t r = __real_pwrite64(fd, data, n, offset);

        note_write(fd);
        return r;
}

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
        ssize_t r = __real_write(fd, data, n);

        note_write(fd);
        return r;
}

int __wrap_ftruncate64(int fd, off_t size)
{
        int r = __real_ftruncate64(fd, size);

        note_write(fd);
        return r;
}

/* Sparse as it is: what the file holds at this moment, under its inode's number. */
static void keep(int fd, const struct stat *st)
{
        g_autofree char *path = g_strdup_printf("%s/%lu", kept, (unsigned long)st->st_ino),
                        *own = g_strdup_printf("/proc/self/fd/%d", fd);
        int from = __real_openat64(AT_FDCWD, own, O_RDONLY | O_CLOEXEC);
        int to = __real_openat64(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        off_t at = 0, end;

        g_assert_cmpint(to, >=, 0);
        g_assert_cmpint(__real_ftruncate64(to, st->st_size), ==, 0);
        while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
                char bytes[65536];
                ssize_t n;

                for (end = lseek(from, at, SEEK_HOLE); at < end; at += n) {
                        n = pread(from, bytes, (size_t)MIN(end - at, (off_t)sizeof(bytes)), at);
                        g_assert_cmpint(n, >, 0);
                        g_assert_cmpint(__real_pwrite64(to, bytes, (size_t)n, at), ==, n);
                }
        }
        close(from);
        close(to);
}

int __wrap_fsync(int fd)
{
        struct stat st;

        /* What it would do is what is tried out here, not left to this machine's disk. */
        if (!recording || fstat(fd, &st) < 0)
                return 0;
        if (!S_ISREG(st.st_mode)) {
                note(STEP_SYNC_DIRECTORY, 0, "", "");
                return 0;
        }
        keep(fd, &st);
        note(STEP_SYNC, st.st_ino, "", "");
        return 0;
}

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

/* In a child, which ends after so many steps; 0: after all. */
static void act_in_child(Scenario *s, const char *sr, size_t end_after)
{
        int status;
        pid_t pid;

        memset(record, 0, sizeof(*record));
        record->end_after = end_after;
        pid = fork();
        if (pid == 0) {
                recording = true;
                act(s, sr);
                _exit(0);
        }
        waitpid(pid, &status, 0);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- power ---- */

static bool is_entry(const Step *step)
{
        return step->kind <= STEP_UNLINK;
}

/* What becomes of names when an entry's change reaches the disk: name -> inode. */
static void apply(GTree *names, const Step *step)
{
        if (step->kind == STEP_UNLINK || step->kind == STEP_RENAME)
                g_tree_remove(names, step->from);
        if (step->kind != STEP_UNLINK)
                g_tree_insert(names, (gpointer)step->to, GSIZE_TO_POINTER(step->inode));
}

/* Where the bytes are of an inode that is new; NULL: they never reached the disk. Returns owned. */
static char *bytes_of(ino_t inode, size_t n)
{
        bool synced = false;

        for (size_t i = 0; i < n; i++) {
                if (record->steps[i].inode != inode)
                        continue;
                if (record->steps[i].kind == STEP_SYNC)
                        synced = true;
                else if (record->steps[i].kind == STEP_WRITE)
                        synced = false;
        }
        return synced ? g_strdup_printf("%s/%lu", kept, (unsigned long)inode) : NULL;
}

/* What a power cut may leave. */
typedef struct Remains {
        GTree *names;    /* name -> inode */
        GHashTable *old; /* inode -> path, of what was there before */
        size_t n;        /* steps that were made */
} Remains;

static int compare(gconstpointer a, gconstpointer b, gpointer data)
{
        return strcmp(a, b);
}

static Remains remains_new(const char *before, size_t n)
{
        Remains remains = { .names = g_tree_new_full(compare, NULL, NULL, NULL),
                            .old = g_hash_table_new_full(NULL, NULL, NULL, g_free),
                            .n = n };
        GDir *dir = g_dir_open(before, 0, NULL);
        const char *entry;

        while ((entry = g_dir_read_name(dir)) != NULL) {
                char *path = g_build_filename(before, entry, NULL);
                gpointer number = GSIZE_TO_POINTER(inode_at(AT_FDCWD, path));

                g_tree_insert(remains.names, (gpointer)g_intern_string(entry), number);
                g_hash_table_insert(remains.old, number, path);
        }
        g_dir_close(dir);
        return remains;
}

static void remains_clear(Remains *remains)
{
        g_tree_destroy(remains->names);
        g_hash_table_unref(remains->old);
}

/* Where the bytes of an inode are; "": they never reached the disk. Returns owned. */
static char *remains_bytes(const Remains *remains, gpointer inode)
{
        const char *old = g_hash_table_lookup(remains->old, inode);
        char *kept_bytes = old == NULL ? bytes_of(GPOINTER_TO_SIZE(inode), remains->n) : NULL;

        return old != NULL ? g_strdup(old) : kept_bytes != NULL ? kept_bytes : g_strdup("");
}

typedef struct Making {
        const Remains *remains;
        const char *sr;       /* NULL: only to be described */
        GString *description; /* which other remains may share */
} Making;

static gboolean make_entry(gpointer name, gpointer inode, gpointer data)
{
        const Making *making = data;
        g_autofree char *bytes = remains_bytes(making->remains, inode), *path = NULL;

        g_string_append_printf(making->description, "%s=%s\n", (char *)name, bytes);
        if (making->sr == NULL)
                return FALSE;
        path = g_build_filename(making->sr, name, NULL);
        if (*bytes == '\0')
                g_assert_true(g_file_set_contents(path, "", 0, NULL));
        else if (g_hash_table_contains(making->remains->old, inode))
                g_assert_cmpint(link(bytes, path), ==, 0);
        else
                g_assert_true(run("cp --sparse=always %s %s", bytes, path));
        return FALSE;
}

static void check_remains(const Scenario *s, const Remains *remains, GHashTable *seen)
{
        g_autofree char *sr = g_build_filename(scratch, "cut", NULL);
        Making making = { .remains = remains, .description = g_string_new("") };

        g_tree_foreach(remains->names, make_entry, &making);
        if (g_hash_table_add(seen, g_strdup(making.description->str))) {
                g_assert_true(run("rm -rf %s", sr));
                g_assert_cmpint(g_mkdir(sr, 0700), ==, 0);
                making.sr = sr;
                g_tree_foreach(remains->names, make_entry, &making);
                check(s, sr);
        }
        g_string_free(making.description, TRUE);
}

/* Every state that a power cut after n steps may leave. */
static void check_power(const Scenario *s, const char *before, size_t n, GHashTable *seen)
{
        size_t pending[PENDING_MAX], n_pending = 0, synced = 0;

        for (size_t i = 0; i < n; i++)
                if (record->steps[i].kind == STEP_SYNC_DIRECTORY)
                        synced = i;
        for (size_t i = synced; i < n; i++)
                if (is_entry(&record->steps[i])) {
                        g_assert_cmpuint(n_pending, <, PENDING_MAX);
                        pending[n_pending++] = i;
                }
        for (unsigned subset = 0; subset < 1u << n_pending; subset++) {
                Remains remains = remains_new(before, n);

                for (size_t i = 0; i < synced; i++)
                        if (is_entry(&record->steps[i]))
                                apply(remains.names, &record->steps[i]);
                for (size_t i = 0; i < n_pending; i++)
                        if (subset & (1u << i))
                                apply(remains.names, &record->steps[pending[i]]);
                check_remains(s, &remains, seen);
                remains_clear(&remains);
        }
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
        n = record->n;
        g_assert_cmpuint(n, >, 0);
        for (size_t i = 1; i <= n; i++) {
                g_autofree char *copy = copy_of(sr, "killed");

                act_in_child(&s, copy, i);
                g_assert_cmpuint(record->n, ==, i);
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
        g_autofree char *before = g_build_filename(scratch, "before", NULL);
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        Scenario s = { .found = found_new() };
        size_t n;

        c->begin(&s, sr, format);
        g_assert_true(run("rm -rf %s", before));
        g_assert_true(run("cp -al %s %s", sr, before));
        act_in_child(&s, sr, 0);
        n = record->n;
        for (size_t i = 0; i <= n; i++)
                check_power(&s, before, i, seen);
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
        int r;

        g_test_init(&argc, &argv, NULL);
        if (!volumes_begin("test-power"))
                return 0;
        record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g_assert_true(record != MAP_FAILED);
        kept = g_build_filename(scratch, "kept", NULL);
        g_assert_cmpint(g_mkdir(kept, 0700), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
                g_autofree char *killed = g_strconcat("/power/killed/", CASES[i].name, NULL);
                g_autofree char *cut = g_strconcat("/power/cut/", CASES[i].name, NULL);

                g_test_add_data_func(killed, &CASES[i], test_killed_case);
                g_test_add_data_func(cut, &CASES[i], test_power_case);
        }
        r = volumes_end(g_test_run());
        g_free(kept);
        return r;
}
