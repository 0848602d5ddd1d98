/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that change under a client that writes: snapshots, more room, servers killed; through the plugin "file". The client
 * stamps each block with the number of the write, so that what is lost, torn or late shows. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <glib.h>
#include <libnbd.h>

#include "message-switch/lib/loop.h"
#include "sm-daemon/dp.h"
#include "sm-daemon/settle.h"
#include "sm-daemon/sr.h"
#include "sm-daemon/vdi.h"

#define SR     "5e2a6a4e-0000-4000-8000-000000000001"
#define MIB    (INT64_C(1) << 20)
#define BLOCK  4096u
#define BLOCKS 64u

typedef struct Writer {
        char *socket;
        int device; /* the block device, past all caches, where the kernel has one; else -1 */
        pthread_t thread;
        atomic_uint done; /* the last write that was answered; write n goes to block n % BLOCKS */
        atomic_bool ends;
} Writer;

typedef struct Fixture {
        char *scratch, *records;
        Manager *manager;
        Settle settle;
        Operation operation;
        char *vdi, *socket;
        Writer writer;
} Fixture;

static void ok(bool good, StorageError **error)
{
        if (!good)
                g_error("%s", storage_error_text(*error));
}
#define OK(call)                                                                                             \
        do {                                                                                                 \
                StorageError *error = NULL;                                                                  \
                ok(call, &error);                                                                            \
        } while (0)
#define FAILS(call)                                                                                          \
        do {                                                                                                 \
                StorageError *error = NULL;                                                                  \
                g_assert_false(call);                                                                        \
                storage_error_free(error);                                                                   \
        } while (0)

static void start(Fixture *f)
{
        f->manager = manager_new(g_getenv("SM_PLUGINS"), f->records);
        if (g_getenv("SM_DISK_SERVERS") != NULL)
                g_assert_true(disks_choose_runner(f->manager->disks, g_getenv("SM_DISK_SERVERS")));
        settle_start(&f->settle, f->manager);
}

/* As after kill -9: nobody is told anything. */
static void stop(Fixture *f)
{
        settle_stop(&f->settle);
        manager_free(f->manager);
}

static void setup(Fixture *f, gconstpointer format)
{
        StorageSrCreateArgs args = { .sr = (char *)SR,
                                     .name_label = (char *)"n",
                                     .name_description = (char *)"" };
        StorageVdiInfo info = { .name_label = (char *)"disk", .virtual_size = MIB, .persistent = true },
                       made = { 0 };
        BusDict config = { 0 }, result = { 0 };
        g_autofree char *location = NULL;

        f->scratch = g_dir_make_tmp("test-live-XXXXXX", NULL);
        f->records = g_build_filename(f->scratch, "records", NULL);
        location = g_build_filename(f->scratch, "sr", NULL);
        f->operation = (Operation){ .dbg = "test", .deadline_usec = clock_usec() + 300u * 1000000u };
        start(f);
        bus_dict_set(&config, "location", location);
        args.device_config = config;
        OK(sr_create(f->manager, &f->operation, "file", &args, &result, &error));
        OK(sr_attach(f->manager, &f->operation, "file", SR, &result, &error));
        bus_dict_clear(&config);
        bus_dict_clear(&result);
        bus_dict_set(&info.sm_config, "image-format", format);
        OK(vdi_create(f->manager, &f->operation, SR, &info, &made, &error));
        f->vdi = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        bus_dict_clear(&info.sm_config);
}

static void teardown(Fixture *f, gconstpointer data)
{
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->scratch);

        OK(sr_detach(f->manager, &f->operation, SR, &error));
        stop(f);
        g_assert_cmpint(system(command), ==, 0);
        g_free(f->scratch);
        g_free(f->records);
        g_free(f->socket);
        free(f->vdi);
}

static DpName dp_of(const char *vdi, const char *dp)
{
        return (DpName){ .sr = SR, .vdi = vdi, .dp = dp, .vm = "a-vm" };
}

/* Attaches and activates. The server's socket, owned (g_free). */
static char *use(Fixture *f, const char *vdi, const char *dp, bool read_write)
{
        DpName name = dp_of(vdi, dp);
        StorageBackend backend = { 0 };
        char *socket = NULL;

        OK(dp_attach(f->manager, &f->operation, &name, read_write, &backend, &error));
        for (size_t i = 0; i < backend.implementations.n; i++) {
                const StorageImplementation *way = &backend.implementations.items[i];

                if (way->tag == STORAGE_IMPLEMENTATION_NBD)
                        socket =
                            g_strndup(way->nbd.uri + strlen("nbd:unix:"),
                                      strlen(way->nbd.uri) - strlen("nbd:unix::exportname=" DISK_EXPORT));
        }
        storage_backend_clear(&backend);
        OK(dp_activate(f->manager, &f->operation, &name, false, &error));
        return socket;
}

static void leave(Fixture *f, const char *dp)
{
        OK(dp_destroy(f->manager, &f->operation, dp, false, &error));
}

static DiskRecord record_of(Fixture *f)
{
        g_autofree char *id = disk_record_id(SR, f->vdi),
                        *folder = g_strconcat(f->records, "-disks/", id, NULL);
        DiskRecord record;

        g_assert_cmpint(disk_record_load(folder, &record), ==, 0);
        return record;
}

static struct nbd_handle *try_connect(const char *socket)
{
        struct nbd_handle *nbd = nbd_create();

        if (nbd_set_export_name(nbd, DISK_EXPORT) < 0 || nbd_connect_unix(nbd, socket) < 0)
                g_clear_pointer(&nbd, nbd_close);
        return nbd;
}

static struct nbd_handle *connect_to(const char *socket)
{
        struct nbd_handle *nbd;

        while ((nbd = try_connect(socket)) == NULL)
                g_usleep(1000);
        return nbd;
}

static void fill(char *bytes, unsigned n)
{
        for (size_t i = 0; i < BLOCK / sizeof(n); i++)
                memcpy(bytes + i * sizeof(n), &n, sizeof(n));
}

static unsigned stamp_of(const char *bytes)
{
        unsigned n;

        memcpy(&n, bytes, sizeof(n));
        for (size_t i = 0; i < BLOCK / sizeof(n); i++)
                g_assert_cmpint(memcmp(bytes + i * sizeof(n), &n, sizeof(n)), ==, 0); /* else torn */
        return n;
}

/* A guest whose kernel waits for the disk, and asks again, when the connection breaks. */
static void *write_on(void *data)
{
        Writer *writer = data;
        struct nbd_handle *nbd = connect_to(writer->socket);
        char bytes[BLOCK];

        for (unsigned n = writer->done + 1; !writer->ends; n++) {
                fill(bytes, n);
                while (nbd_pwrite(nbd, bytes, BLOCK, (uint64_t)(n % BLOCKS) * BLOCK, 0) < 0) {
                        nbd_close(nbd);
                        nbd = connect_to(writer->socket);
                }
                writer->done = n;
        }
        nbd_close(nbd);
        return NULL;
}

/* The kernel itself waits, and asks again. */
static void *write_on_device(void *data)
{
        Writer *writer = data;
        char *bytes = aligned_alloc(BLOCK, BLOCK);

        for (unsigned n = writer->done + 1; !writer->ends; n++) {
                fill(bytes, n);
                g_assert_cmpint(pwrite(writer->device, bytes, BLOCK, (off_t)(n % BLOCKS) * BLOCK), ==, BLOCK);
                writer->done = n;
        }
        free(bytes);
        return NULL;
}

static int open_device(Fixture *f)
{
        DiskRecord record = record_of(f);
        g_autofree char *path = g_strdup_printf("/dev/nbd%d", record.device);
        int fd = record.device == DISK_NO_DEVICE ? -1 : open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

        g_assert_true(fd >= 0 || record.device == DISK_NO_DEVICE);
        disk_record_clear(&record);
        return fd;
}

static void writer_start(Fixture *f)
{
        f->writer.socket = f->socket;
        f->writer.device = open_device(f);
        f->writer.ends = false;
        g_assert_cmpint(pthread_create(&f->writer.thread, NULL,
                                       f->writer.device < 0 ? write_on : write_on_device, &f->writer),
                        ==, 0);
}

static void writer_advance(Fixture *f, unsigned n)
{
        unsigned until = f->writer.done + n;

        while (f->writer.done < until)
                g_usleep(100);
}

static void writer_stop(Fixture *f)
{
        f->writer.ends = true;
        pthread_join(f->writer.thread, NULL);
        if (f->writer.device >= 0)
                close(f->writer.device);
}

/* What the disk holds is every write up to some one, and none after it: which must be within these. */
static void check(const char *socket, unsigned min, unsigned max)
{
        struct nbd_handle *nbd = connect_to(socket);
        unsigned stamps[BLOCKS], last = 0;
        char bytes[BLOCK];

        for (unsigned i = 0; i < BLOCKS; i++) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)i * BLOCK, 0), ==, 0);
                stamps[i] = stamp_of(bytes);
                last = MAX(last, stamps[i]);
        }
        nbd_close(nbd);
        g_assert_cmpuint(last, >=, min);
        g_assert_cmpuint(last, <=, max);
        for (unsigned i = 0; i < BLOCKS; i++) {
                unsigned back = (last % BLOCKS + BLOCKS - i) % BLOCKS;

                g_assert_cmpuint(stamps[i], ==, back <= last ? last - back : 0);
        }
}

static void check_volume(Fixture *f, const char *vdi, unsigned min, unsigned max)
{
        g_autofree char *socket = use(f, vdi, "check", false);

        check(socket, min, max);
        leave(f, "check");
}

/* The moment's copy of a disk. Owned (free). */
static char *snapshot(Fixture *f)
{
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"snapshot", .persistent = true },
                       made = { 0 };
        char *vdi;

        OK(vdi_snapshot(f->manager, &f->operation, SR, &info, &made, &error));
        vdi = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        return vdi;
}

static void test_snapshots(Fixture *f, gconstpointer data)
{
        enum { N = 5 };
        unsigned before[N], after[N], end;
        char *snapshots[N];

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        for (unsigned i = 0; i < N; i++) {
                writer_advance(f, 100);
                before[i] = f->writer.done;
                snapshots[i] = snapshot(f);
                after[i] = f->writer.done + 1; /* one may be under way */
        }
        writer_advance(f, 100);
        writer_stop(f);
        end = f->writer.done;
        check(f->socket, end, end);
        for (unsigned i = 0; i < N; i++)
                check_volume(f, snapshots[i], before[i], after[i]);
        leave(f, "guest");
        check_volume(f, f->vdi, end, end);
        for (unsigned i = 0; i < N; i++) {
                OK(vdi_destroy(f->manager, &f->operation, SR, snapshots[i], &error));
                free(snapshots[i]);
        }
}

static void kill_server(Fixture *f)
{
        DiskRecord record = record_of(f);

        g_assert_cmpint(server_kill(&record, SIGKILL, f->operation.deadline_usec), ==, 0);
        disk_record_clear(&record);
}

static void test_killed(Fixture *f, gconstpointer data)
{
        g_autofree char *taken = NULL;
        unsigned before, after;

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        for (unsigned i = 0; i < 3; i++) {
                writer_advance(f, 50);
                kill_server(f);
        }
        before = f->writer.done;
        taken = snapshot(f);
        after = f->writer.done + 1;
        for (unsigned i = 0; i < 3; i++) {
                writer_advance(f, 50);
                kill_server(f);
        }
        writer_advance(f, 50);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        check_volume(f, taken, before, after);
        leave(f, "guest");
        check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* The kernel gives up a server that stands still, and waits for another. The old one writes nothing late. */
static void test_stalled(Fixture *f, gconstpointer data)
{
        DiskRecord record;

        f->socket = use(f, f->vdi, "guest", true);
        record = record_of(f);
        if (record.device == DISK_NO_DEVICE) {
                g_test_skip("no network block devices in this kernel");
        } else {
                int pidfd = server_find(&record);

                writer_start(f);
                writer_advance(f, 50);
                g_assert_cmpint(pidfd_send_signal(pidfd, SIGSTOP, NULL, 0), ==, 0);
                writer_advance(f, 50);
                g_assert_cmpint(pidfd_send_signal(pidfd, SIGCONT, NULL, 0), ==, -1);
                close(pidfd);
                writer_stop(f);
                check(f->socket, f->writer.done, f->writer.done);
        }
        disk_record_clear(&record);
        leave(f, "guest");
}

/* sm-daemon dies after the plugin has put the overlay on the disk's name, and before the server has been told. */
static void test_snapshot_cut_short(Fixture *f, gconstpointer data)
{
        SmapiError *failed = NULL;
        SmapiVolume made;
        unsigned before, after;
        Use used;

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 100);
        before = f->writer.done;
        OK(use_begin(&used, f->manager, &f->operation, USE_VOLUME, SR, f->vdi, &error));
        g_assert_true(smapi_volume_snapshot(&used.caller.caller, 0, "", use_handle(&used), f->vdi, "s", "",
                                            &(BusDict){ 0 }, &made, &failed));
        use_end(&used);
        writer_advance(f, 100);
        stop(f);
        writer_advance(f, 100);
        start(f);
        settle_stop(&f->settle); /* when it has done what it was to do */
        after = f->writer.done + 1;
        writer_advance(f, 100);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        check_volume(f, made.key, before, after);
        leave(f, "guest");
        check_volume(f, f->vdi, f->writer.done, f->writer.done);
        smapi_volume_clear(&made);
        manager_free(f->manager);
        start(f);
}

/* The caller's time is up when the plugin has put the overlay on the disk's name: the guest's disk goes on all the same. */
static void test_snapshot_late(Fixture *f, gconstpointer data)
{
        const Operation late = { .dbg = "test", .deadline_usec = clock_usec() };
        DiskName name = { .sr = SR, .vdi = f->vdi };

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 50);
        OK(disk_follow(f->manager->disks, &late, &name, &error));
        writer_advance(f, 50);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        leave(f, "guest");
}

/* What the guest uses is open, and goes on being used, while it has no name. */
static void test_image_away(Fixture *f, gconstpointer data)
{
        g_autofree char *away = g_build_filename(f->scratch, "away", NULL);
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"snapshot", .persistent = true },
                       made = { 0 };
        DiskRecord record;
        int pidfd;

        f->socket = use(f, f->vdi, "guest", true);
        record = record_of(f);
        writer_start(f);
        writer_advance(f, 50);
        g_assert_cmpint(rename(record.path, away), ==, 0);
        FAILS(vdi_snapshot(f->manager, &f->operation, SR, &info, &made, &error));
        pidfd = server_find(&record);
        g_assert_cmpint(pidfd, >=, 0);
        close(pidfd);
        writer_advance(f, 50);
        g_assert_cmpint(rename(away, record.path), ==, 0);
        free(snapshot(f));
        writer_advance(f, 50);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        disk_record_clear(&record);
        leave(f, "guest");
}

static void test_resize(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;
        int64_t bytes;
        char block[BLOCK];

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 50);
        OK(vdi_resize(f->manager, &f->operation, SR, f->vdi, 3 * MIB, &bytes, &error));
        g_assert_cmpint(bytes, ==, 3 * MIB);
        FAILS(vdi_resize(f->manager, &f->operation, SR, f->vdi, MIB, &bytes, &error));
        nbd = connect_to(f->socket);
        g_assert_cmpint(nbd_get_size(nbd), ==, 3 * MIB);
        fill(block, 7);
        g_assert_cmpint(nbd_pwrite(nbd, block, BLOCK, (uint64_t)(3 * MIB) - BLOCK, 0), ==, 0);
        nbd_close(nbd);
        writer_advance(f, 50);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        kill_server(f);
        nbd = connect_to(f->socket);
        g_assert_cmpint(nbd_get_size(nbd), ==, 3 * MIB);
        g_assert_cmpint(nbd_pread(nbd, block, BLOCK, (uint64_t)(3 * MIB) - BLOCK, 0), ==, 0);
        g_assert_cmpuint(stamp_of(block), ==, 7);
        nbd_close(nbd);
        leave(f, "guest");
}

static guint chain_length(Fixture *f)
{
        DiskRecord record = record_of(f);
        GPtrArray *layers = NULL;
        guint n = 0;

        if (layer_chain(record.path, record.format, &layers) == 0) {
                n = layers->len;
                g_ptr_array_unref(layers);
        }
        disk_record_clear(&record);
        return n;
}

static void wait_for_chain(Fixture *f, guint n)
{
        while (chain_length(f) != n)
                g_usleep(1000);
}

static void destroy(Fixture *f, char *vdi)
{
        OK(vdi_destroy(f->manager, &f->operation, SR, vdi, &error));
        free(vdi);
}

/* Writes to the part of the disk that the writer leaves alone. */
static void write_rest(Fixture *f)
{
        struct nbd_handle *nbd = connect_to(f->socket);
        g_autofree char *bytes = g_malloc(MIB / 2);

        memset(bytes, 'r', MIB / 2);
        g_assert_cmpint(nbd_pwrite(nbd, bytes, MIB / 2, MIB / 2, 0), ==, 0);
        nbd_close(nbd);
}

static void check_rest(Fixture *f, char c)
{
        struct nbd_handle *nbd = connect_to(f->socket);
        char bytes[BLOCK];

        for (int64_t at = MIB / 2; at < MIB; at += BLOCK) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)at, 0), ==, 0);
                for (size_t i = 0; i < BLOCK; i++)
                        g_assert_cmpint(bytes[i], ==, c);
        }
        nbd_close(nbd);
}

/* The lower image is the larger: what the guest has written since goes into it, and it becomes the disk's. */
static void test_merge_down(Fixture *f, gconstpointer data)
{
        f->socket = use(f, f->vdi, "guest", true);
        write_rest(f);
        writer_start(f);
        for (int i = 0; i < 3; i++) {
                writer_advance(f, 20);
                destroy(f, snapshot(f));
                wait_for_chain(f, 1);
        }
        writer_advance(f, 50);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        check_rest(f, 'r');
        leave(f, "guest");
        check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* The lower image is the smaller: what is in it goes into the disk's own. */
static void test_merge_up(Fixture *f, gconstpointer data)
{
        char *taken;

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 2);
        taken = snapshot(f);
        write_rest(f);
        writer_advance(f, 20);
        destroy(f, taken);
        wait_for_chain(f, 1);
        writer_advance(f, 50);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        check_rest(f, 'r');
        leave(f, "guest");
        check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

static void write_some(Fixture *f, char c, int64_t at, size_t n)
{
        struct nbd_handle *nbd = connect_to(f->socket);
        g_autofree char *bytes = g_malloc(n);

        memset(bytes, c, n);
        g_assert_cmpint(nbd_pwrite(nbd, bytes, n, (uint64_t)at, 0), ==, 0);
        nbd_close(nbd);
}

/* The server dies in the very moment in which the lower image is needed no more; the guest has not written meanwhile, nor
 * flushed anything. */
static void test_merge_up_killed(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;
        char *taken, bytes[BLOCK];

        f->socket = use(f, f->vdi, "guest", true);
        write_some(f, 'l', MIB / 2, MIB / 4);
        taken = snapshot(f);
        write_some(f, 'u', 0, MIB / 2);
        destroy(f, taken);
        wait_for_chain(f, 1);
        kill_server(f);
        nbd = connect_to(f->socket);
        for (int64_t at = 0; at < 3 * MIB / 4; at += BLOCK) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)at, 0), ==, 0);
                g_assert_cmpint(bytes[0], ==, at < MIB / 2 ? 'u' : 'l');
        }
        nbd_close(nbd);
        leave(f, "guest");
}

/* A snapshot goes that lies under another, which stays as it is. */
static void test_merge_between(Fixture *f, gconstpointer data)
{
        unsigned before, after;
        char *first, *second, *text;

        f->socket = use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 30);
        first = snapshot(f);
        writer_advance(f, 30);
        before = f->writer.done;
        second = snapshot(f);
        after = f->writer.done + 1;
        writer_advance(f, 30);
        g_assert_cmpuint(chain_length(f), ==, 3);
        text = manager_diagnostics(f->manager);
        g_assert_nonnull(strstr(text, "server: process "));
        g_assert_nonnull(strstr(text, "image: "));
        g_assert_nonnull(strstr(text, "    on "));
        free(text);
        destroy(f, first);
        wait_for_chain(f, 2);
        writer_advance(f, 30);
        check_volume(f, second, before, after);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        leave(f, "guest");
        check_volume(f, second, before, after);
        destroy(f, second);
        check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* Servers and sm-daemon are killed at whatever instant, while layers come and go. */
static void test_merge_killed(Fixture *f, gconstpointer data)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());

        f->socket = use(f, f->vdi, "guest", true);
        write_rest(f);
        writer_start(f);
        for (int i = 0; i < 6; i++) {
                writer_advance(f, 10);
                destroy(f, snapshot(f));
                g_usleep((gulong)g_rand_int_range(rand, 0, 400000));
                if (i % 3 != 0)
                        kill_server(f);
                if (i % 3 != 1) {
                        stop(f);
                        start(f);
                }
        }
        wait_for_chain(f, 1);
        writer_advance(f, 10);
        writer_stop(f);
        check(f->socket, f->writer.done, f->writer.done);
        check_rest(f, 'r');
        leave(f, "guest");
        check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* The disk was detached, or never taken into use by whom we know, and the process died half-way. */
static void test_leftovers(Fixture *f, gconstpointer data)
{
        DiskName name = { .sr = SR, .vdi = "other", .uri = NULL };
        g_autofree char *id = disk_record_id(SR, "other"),
                        *folder = g_strconcat(f->records, "-disks/", id, NULL),
                        *path = g_build_filename(f->scratch, "other.raw", NULL), *uri = NULL;
        StorageBackend backend = { 0 };
        DiskRecord record;

        g_assert_true(g_file_set_contents(path, "12345678", -1, NULL));
        uri = g_strconcat("raw+file://", path, NULL);
        name.uri = uri;
        OK(disk_attach(f->manager->disks, &f->operation, &name, &backend, &error));
        OK(disk_activate(f->manager->disks, &f->operation, &name, true, &error));
        storage_backend_clear(&backend);
        f->socket = use(f, f->vdi, "guest", true);
        g_assert_cmpint(disk_record_load(folder, &record), ==, 0);
        stop(f);
        g_assert_cmpint(server_find(&record), >=, 0);
        start(f);
        g_assert_cmpint(server_find(&record), ==, -ESRCH);
        g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
        disk_record_clear(&record);
        check(f->socket, 0, 0);
        leave(f, "guest");
}

/* Reading beside a guest that writes is allowed; writing is not. */
static void test_reader(Fixture *f, gconstpointer data)
{
        DpName second = dp_of(f->vdi, "second");
        StorageBackend backend = { 0 };
        g_autofree char *socket = NULL;

        f->socket = use(f, f->vdi, "guest", true);
        socket = use(f, f->vdi, "reader", false);
        g_assert_cmpstr(socket, ==, f->socket);
        OK(dp_attach(f->manager, &f->operation, &second, true, &backend, &error));
        storage_backend_clear(&backend);
        FAILS(dp_activate(f->manager, &f->operation, &second, false, &error));
        writer_start(f);
        writer_advance(f, 50);
        leave(f, "reader");
        writer_advance(f, 50);
        writer_stop(f);
        leave(f, "second");
        leave(f, "guest");
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*function)(Fixture *f, gconstpointer data);
        } tests[] = {
                { "snapshots", test_snapshots },
                { "killed", test_killed },
                { "stalled", test_stalled },
                { "snapshot-cut-short", test_snapshot_cut_short },
                { "snapshot-late", test_snapshot_late },
                { "image-away", test_image_away },
                { "resize", test_resize },
                { "merge-down", test_merge_down },
                { "merge-up", test_merge_up },
                { "merge-up-killed", test_merge_up_killed },
                { "merge-between", test_merge_between },
                { "merge-killed", test_merge_killed },
                { "leftovers", test_leftovers },
                { "reader", test_reader },
        };
        static const char *const formats[] = { "raw", "qcow2" };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                for (size_t k = 0; k < G_N_ELEMENTS(formats); k++) {
                        g_autofree char *path = g_strdup_printf("/live/%s/%s", formats[k], tests[i].name);

                        g_test_add(path, Fixture, formats[k], setup, tests[i].function, teardown);
                }
        return g_test_run();
}
