/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sm-daemon/sr.h"
#include "sm-daemon/vdi.h"

void fixture_start(Fixture *f)
{
        f->manager = manager_new(f->plugins, f->records);
        if (g_getenv("SM_DISK_SERVERS") != NULL)
                g_assert_true(disks_choose_runner(f->manager->disks, g_getenv("SM_DISK_SERVERS")));
        settle_start(&f->settle, f->manager);
}

void fixture_stop(Fixture *f)
{
        settle_stop(&f->settle);
        manager_free(f->manager);
}

void fixture_setup(Fixture *f, gconstpointer format)
{
        StorageSrCreateArgs args = { .sr = (char *)TEST_SR,
                                     .name_label = (char *)"n",
                                     .name_description = (char *)"" };
        StorageVdiInfo info = { .name_label = (char *)"disk", .virtual_size = MIB, .persistent = true },
                       made = { 0 };
        BusDict config = { 0 }, result = { 0 };
        g_autofree char *location = NULL;

        f->scratch = g_dir_make_tmp("test-live-XXXXXX", NULL);
        f->records = g_build_filename(f->scratch, "records", NULL);
        f->plugins = g_build_filename(f->scratch, "plugins", NULL);
        f->plugin = test_plugin_copy(f->plugins, "volume", "org.xen.xapi.storage.file");
        location = g_build_filename(f->scratch, "sr", NULL);
        f->operation = test_operation();
        fixture_start(f);
        bus_dict_set(&config, "location", location);
        args.device_config = config;
        OK(sr_create(f->manager, &f->operation, "file", &args, &result, &error));
        OK(sr_attach(f->manager, &f->operation, "file", TEST_SR, &result, &error));
        bus_dict_clear(&config);
        bus_dict_clear(&result);
        bus_dict_set(&info.sm_config, "image-format", format);
        OK(vdi_create(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        f->vdi = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        bus_dict_clear(&info.sm_config);
}

void fixture_teardown(Fixture *f, gconstpointer data)
{
        OK(sr_detach(f->manager, &f->operation, TEST_SR, &error));
        fixture_stop(f);
        test_remove(f->scratch);
        g_free(f->scratch);
        g_free(f->records);
        g_free(f->plugins);
        g_free(f->plugin);
        g_free(f->socket);
        free(f->vdi);
}

DpName fixture_dp(const char *vdi, const char *dp)
{
        return (DpName){ .sr = TEST_SR, .vdi = vdi, .dp = dp, .vm = "a-vm" };
}

char *fixture_use(Fixture *f, const char *vdi, const char *dp, bool read_write)
{
        DpName name = fixture_dp(vdi, dp);
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

void fixture_leave(Fixture *f, const char *dp)
{
        OK(dp_destroy(f->manager, &f->operation, dp, false, &error));
}

DiskRecord fixture_record(Fixture *f)
{
        g_autofree char *id = disk_record_id(TEST_SR, f->vdi),
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

struct nbd_handle *fixture_connect(const char *socket)
{
        struct nbd_handle *nbd;

        while ((nbd = try_connect(socket)) == NULL)
                g_usleep(1000);
        return nbd;
}

void block_fill(char *bytes, unsigned n)
{
        for (size_t i = 0; i < BLOCK / sizeof(n); i++)
                memcpy(bytes + i * sizeof(n), &n, sizeof(n));
}

unsigned block_stamp(const char *bytes)
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
        struct nbd_handle *nbd = fixture_connect(writer->socket);
        char bytes[BLOCK];

        for (unsigned n = writer->done + 1; !writer->ends; n++) {
                block_fill(bytes, n);
                while (nbd_pwrite(nbd, bytes, BLOCK, (uint64_t)(n % BLOCKS) * BLOCK, 0) < 0) {
                        nbd_close(nbd);
                        nbd = fixture_connect(writer->socket);
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
                block_fill(bytes, n);
                g_assert_cmpint(pwrite(writer->device, bytes, BLOCK, (off_t)(n % BLOCKS) * BLOCK), ==, BLOCK);
                writer->done = n;
        }
        free(bytes);
        return NULL;
}

static int open_device(Fixture *f)
{
        DiskRecord record = fixture_record(f);
        g_autofree char *path = g_strdup_printf("/dev/nbd%d", record.device);
        int fd = record.device == DISK_NO_DEVICE ? -1 : open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

        g_assert_true(fd >= 0 || record.device == DISK_NO_DEVICE);
        disk_record_clear(&record);
        return fd;
}

void writer_start(Fixture *f)
{
        f->writer.socket = f->socket;
        f->writer.device = open_device(f);
        f->writer.ends = false;
        g_assert_cmpint(pthread_create(&f->writer.thread, NULL,
                                       f->writer.device < 0 ? write_on : write_on_device, &f->writer),
                        ==, 0);
}

void writer_advance(Fixture *f, unsigned n)
{
        unsigned until = f->writer.done + n;

        while (f->writer.done < until)
                g_usleep(100);
}

void writer_stop(Fixture *f)
{
        f->writer.ends = true;
        pthread_join(f->writer.thread, NULL);
        if (f->writer.device >= 0)
                close(f->writer.device);
}

void fixture_check(const char *socket, unsigned min, unsigned max)
{
        struct nbd_handle *nbd = fixture_connect(socket);
        unsigned stamps[BLOCKS], last = 0;
        char bytes[BLOCK];

        for (unsigned i = 0; i < BLOCKS; i++) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)i * BLOCK, 0), ==, 0);
                stamps[i] = block_stamp(bytes);
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

void fixture_check_volume(Fixture *f, const char *vdi, unsigned min, unsigned max)
{
        g_autofree char *socket = fixture_use(f, vdi, "check", false);

        fixture_check(socket, min, max);
        fixture_leave(f, "check");
}

char *fixture_snapshot(Fixture *f)
{
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"snapshot", .persistent = true },
                       made = { 0 };
        char *vdi;

        OK(vdi_snapshot(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        vdi = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        return vdi;
}

void fixture_kill_server(Fixture *f)
{
        DiskRecord record = fixture_record(f);

        g_assert_cmpint(server_kill(&record, SIGKILL, f->operation.deadline_usec), ==, 0);
        disk_record_clear(&record);
}
