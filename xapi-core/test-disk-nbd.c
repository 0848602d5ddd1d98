/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks behind a real NBD server (qemu-nbd), which is also stopped, killed and asked for what it does not have. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "disk-copy.h"

#define MIB   (INT64_C(1) << 20)
#define BYTES (16 * MIB)

typedef struct Fixture {
        char *folder, *image, *socket;
        pid_t pid;
        DiskStream *stream;
        DiskRing ring;
} Fixture;

static void run_command(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        g_autofree char *command = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        int status;
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
        g_assert_cmpint(status, ==, 0);
}

static int connect_to(Fixture *f)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_strlcpy(address.sun_path, f->socket, sizeof(address.sun_path));
        while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                g_assert_true(errno == ENOENT || errno == ECONNREFUSED); /* not yet */
                g_usleep(1000);
        }
        return fd;
}

static void start(Fixture *f, const char *format)
{
        f->pid = fork();
        if (f->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execlp("qemu-nbd", "qemu-nbd", "--persistent", "--socket", f->socket, "--format", format,
                       "--export-name", "disk", "--discard=unmap", "--detect-zeroes=off", "--shared=4",
                       f->image, NULL);
                _exit(127);
        }
        g_assert_cmpint(disk_stream_new_nbd(connect_to(f), "disk", &f->stream), ==, 0);
}

static void stop(Fixture *f)
{
        kill(f->pid, SIGKILL);
        g_assert_cmpint(waitpid(f->pid, NULL, 0), ==, f->pid);
}

static void set_up(Fixture *f, gconstpointer format)
{
        f->folder = g_dir_make_tmp("test-disk-nbd-XXXXXX", NULL);
        f->image = g_build_filename(f->folder, "image", NULL);
        f->socket = g_build_filename(f->folder, "socket", NULL);
        run_command("qemu-img create -q -f %s %s %" G_GINT64_FORMAT, (const char *)format, f->image, BYTES);
        start(f, format);
        disk_ring_init(&f->ring);
}

static void tear_down(Fixture *f, gconstpointer format)
{
        disk_stream_free(f->stream);
        disk_ring_clear(&f->ring);
        stop(f);
        run_command("rm -rf %s", f->folder);
        g_free(f->folder);
        g_free(f->image);
        g_free(f->socket);
}

static char *pattern(void)
{
        char *bytes = g_malloc0(BYTES);

        for (int64_t i = 0; i < BYTES; i++)
                if (i / (2 * MIB) % 2 == 0)
                        bytes[i] = (char)(i * 7 + i / 4096 + 1);
        return bytes;
}

static int plain_with(const char *bytes)
{
        g_autofree char *path = NULL;
        int fd = g_file_open_tmp("test-disk-nbd-XXXXXX", &path, NULL);

        unlink(path);
        g_assert_cmpint(ftruncate(fd, BYTES), ==, 0);
        if (bytes)
                g_assert_cmpint(pwrite(fd, bytes, BYTES, 0), ==, BYTES);
        return fd;
}

static bool always(void *data, int64_t done)
{
        return true;
}

static void copy(DiskStream *from, DiskStream *to, bool fresh)
{
        DiskRing ring;

        disk_ring_init(&ring);
        g_assert_cmpint(disk_copy_bytes(from, to, &ring, BYTES, fresh, always, NULL), ==, 0);
        disk_ring_clear(&ring);
}

/* There and back, with what is zero known to be so in between. */
static void test_there_and_back(Fixture *f, gconstpointer format)
{
        g_autofree char *expected = pattern(), *got = g_malloc(BYTES);
        int back = plain_with(NULL), keep = dup(back);
        DiskStream *source = disk_stream_new_plain(plain_with(expected)),
                   *target = disk_stream_new_plain(back);
        int64_t n;
        bool zero;

        copy(source, f->stream, true);
        g_assert_cmpint(disk_stream_extent(f->stream, 2 * MIB, BYTES - 2 * MIB, &n, &zero), ==, 0);
        g_assert_true(zero);
        g_assert_cmpint(n, ==, 2 * MIB);
        g_assert_cmpint(disk_stream_extent(f->stream, 4 * MIB + 512, MIB, &n, &zero), ==, 0);
        g_assert_false(zero);
        copy(f->stream, target, true);
        g_assert_cmpint(pread(keep, got, BYTES, 0), ==, BYTES);
        g_assert_cmpmem(got, BYTES, expected, BYTES);
        disk_stream_free(source);
        disk_stream_free(target);
        close(keep);
}

/* What is zero over what was there goes, down to the image. */
static void test_zeros(Fixture *f, gconstpointer format)
{
        g_autofree char *expected = pattern(), *full = g_malloc(BYTES), *got = g_malloc(BYTES);
        int back = plain_with(NULL), keep = dup(back);
        struct stat before, after;

        memset(full, 'x', BYTES);
        DiskStream *ones = disk_stream_new_plain(plain_with(full)),
                   *some = disk_stream_new_plain(plain_with(expected));
        DiskStream *target = disk_stream_new_plain(back);
        copy(ones, f->stream, false);
        g_assert_cmpint(stat(f->image, &before), ==, 0);
        copy(some, f->stream, false);
        g_assert_cmpint(stat(f->image, &after), ==, 0);
        g_assert_cmpint(after.st_blocks, <, before.st_blocks * 2 / 3);
        copy(f->stream, target, false);
        g_assert_cmpint(pread(keep, got, BYTES, 0), ==, BYTES);
        g_assert_cmpmem(got, BYTES, expected, BYTES);
        disk_stream_free(ones);
        disk_stream_free(some);
        disk_stream_free(target);
        close(keep);
}

static DiskBuffer *begin_write(Fixture *f)
{
        DiskBuffer *b = disk_ring_at(&f->ring, 0);

        memset(b->bytes, 'y', DISK_CHUNK_BYTES);
        b->at = 0;
        b->n = DISK_CHUNK_BYTES;
        disk_stream_write(f->stream, b, 0, b->n);
        return b;
}

/* The server dies under requests, and stays dead for those to come. */
static void test_killed(Fixture *f, gconstpointer format)
{
        int64_t n;
        bool zero;

        kill(f->pid, SIGSTOP);
        DiskBuffer *b = begin_write(f);
        stop(f);
        g_assert_cmpint(disk_stream_wait(f->stream, b), <, 0);
        b = begin_write(f);
        g_assert_cmpint(disk_stream_wait(f->stream, b), <, 0);
        g_assert_cmpint(disk_stream_extent(f->stream, 0, MIB, &n, &zero), <, 0);
        g_assert_cmpint(disk_stream_zero(f->stream, 0, MIB), <, 0);
        g_assert_cmpint(disk_stream_flush(f->stream), <, 0);
        disk_stream_free(g_steal_pointer(&f->stream));
        start(f, format);
}

static gpointer cancel(gpointer stream)
{
        disk_stream_cancel(stream);
        return NULL;
}

/* The server answers no more: whoever waits is told to give up by somebody else. */
static void test_cancelled(Fixture *f, gconstpointer format)
{
        kill(f->pid, SIGSTOP);
        DiskBuffer *b = begin_write(f);
        GThread *thread = g_thread_new("cancel", cancel, f->stream);
        g_assert_cmpint(disk_stream_wait(f->stream, b), <, 0);
        g_thread_join(thread);
        kill(f->pid, SIGCONT);
}

static void test_no_such_export(Fixture *f, gconstpointer format)
{
        DiskStream *none = NULL;

        g_assert_cmpint(disk_stream_new_nbd(connect_to(f), "another", &none), <, 0);
        g_assert_null(none);
}

/* Who is at the other end is no server. */
static void test_no_server(Fixture *f, gconstpointer format)
{
        static const char *const said[] = { "", "HTTP/1.1 400 Bad Request\r\n\r\n", "NBDMAGIC" };

        for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
                DiskStream *none = NULL;
                int ends[2];

                g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
                g_assert_cmpint(write(ends[1], said[i], strlen(said[i])), ==, (ssize_t)strlen(said[i]));
                close(ends[1]);
                g_assert_cmpint(disk_stream_new_nbd(ends[0], "disk", &none), <, 0);
                g_assert_null(none);
        }
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*function)(Fixture *f, gconstpointer format);
        } tests[] = {
                { "there-and-back", test_there_and_back },
                { "zeros", test_zeros },
                { "killed", test_killed },
                { "cancelled", test_cancelled },
                { "no-such-export", test_no_such_export },
                { "no-server", test_no_server },
        };
        static const char *const formats[] = { "raw", "qcow2" };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
                for (size_t k = 0; k < G_N_ELEMENTS(tests); k++) {
                        g_autofree char *name = g_strdup_printf("/disk-nbd/%s/%s", formats[i], tests[k].name);
                        g_test_add(name, Fixture, formats[i], set_up, tests[k].function, tear_down);
                }
        return g_test_run();
}
