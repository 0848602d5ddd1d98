/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store keeps of its promises when the disk stalls, fails or fills up, and when it is killed. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <sqlite3.h>

#include "store-vfs.h"
#include "test-store-lib.h"
#include "xenapi.h"

static char *directory, *path;

/* ---- A disk that does as it is told ---- */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool stalled; /* syncs wait */
        int waiting;
        int fail; /* what writes and syncs give, if not 0 */
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

static int disk_hook(StoreVfsEvent event, const char *name, int64_t offset, const void *bytes, size_t n,
                     void *data)
{
        pthread_mutex_lock(&disk.lock);
        while (event == STORE_VFS_SYNC && disk.stalled) {
                disk.waiting++;
                pthread_cond_broadcast(&disk.wake);
                pthread_cond_wait(&disk.wake, &disk.lock);
                disk.waiting--;
        }
        int r = disk.fail;
        pthread_mutex_unlock(&disk.lock);
        return r;
}

static void disk_set(bool stalled, int fail)
{
        pthread_mutex_lock(&disk.lock);
        disk.stalled = stalled;
        disk.fail = fail;
        pthread_cond_broadcast(&disk.wake);
        pthread_mutex_unlock(&disk.lock);
}

static void disk_wait_stalled(void)
{
        pthread_mutex_lock(&disk.lock);
        while (disk.waiting == 0)
                pthread_cond_wait(&disk.wake, &disk.lock);
        pthread_mutex_unlock(&disk.lock);
}

static Store *setup(void)
{
        directory = test_directory();
        path = g_build_filename(directory, "store.db", NULL);
        Store *store = test_store_open(path);
        store_vfs_set_hook(disk_hook, NULL);
        return store;
}

static void teardown(Store *store)
{
        store_close(store);
        store_vfs_set_hook(NULL, NULL);
        g_free(path);
        test_directory_remove(directory);
}

/* ---- Transactions that end elsewhere ---- */

typedef struct Ending {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        int n;
        XapiError *error;
} Ending;

#define ENDING                                                                                               \
        {                                                                                                    \
                .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER                          \
        }

static void on_end(const XapiError *error, void *data)
{
        Ending *ending = data;
        pthread_mutex_lock(&ending->lock);
        ending->n++;
        ending->error = error == NULL ? NULL : xapi_error_copy(error);
        pthread_cond_signal(&ending->wake);
        pthread_mutex_unlock(&ending->lock);
}

static void ending_wait(Ending *ending)
{
        pthread_mutex_lock(&ending->lock);
        while (ending->n == 0)
                pthread_cond_wait(&ending->wake, &ending->lock);
        g_assert_cmpint(ending->n, ==, 1);
        pthread_mutex_unlock(&ending->lock);
}

static void begin_label(Store *store, const char *vm, const char *label, Ending *ending)
{
        Txn *txn = txn_begin(store);
        slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, vm))->name_label, label);
        txn_commit(txn, on_end, ending);
}

static void check_label(Store *store, const char *vm, const char *label)
{
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, store, vm);
        g_assert_cmpstr(row->name_label, ==, label);
        row_unref(&row->row);
}

static void check_newest_label(Store *store, const char *vm, const char *label)
{
        Txn *txn = txn_begin(store);
        g_assert_cmpstr(((const VmRow *)txn_get(txn, &CLASS_VM, vm))->name_label, ==, label);
        txn_abort(txn);
}

static void test_visible_once_durable(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before");
        uint64_t generation = store_generation(store);
        Ending first = ENDING, second = ENDING, nothing = ENDING;
        disk_set(true, 0);
        begin_label(store, vm, "first", &first);
        disk_wait_stalled();

        /* Reads go on, and see nothing of it; transactions do. */
        check_label(store, vm, "before");
        g_assert_cmpuint(store_generation(store), ==, generation);
        check_newest_label(store, vm, "first");
        begin_label(store, vm, "second", &second);
        begin_label(store, vm, "second", &nothing); /* rests on what is not durable yet */
        check_newest_label(store, vm, "second");
        check_label(store, vm, "before");
        size_t n;
        const Row **rows = store_rows_by_label(store, &CLASS_VM, "before", &n);
        g_assert_cmpuint(n, ==, 1);
        store_rows_free(rows, n);
        g_assert_cmpint(first.n + second.n + nothing.n, ==, 0);

        disk_set(false, 0);
        ending_wait(&first);
        ending_wait(&second);
        ending_wait(&nothing);
        g_assert_null(first.error);
        check_label(store, vm, "second");
        teardown(store);
}

static void test_batches_grow_while_the_disk_is_busy(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "0");
        Ending endings[50] = { 0 };
        StoreStatistics before, after;
        store_statistics(store, &before);
        disk_set(true, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
                g_autofree char *label = g_strdup_printf("%zu", i + 1);
                endings[i] = (Ending)ENDING;
                begin_label(store, vm, label, &endings[i]);
                if (i == 0)
                        disk_wait_stalled();
        }
        disk_set(false, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
                ending_wait(&endings[i]);
        store_statistics(store, &after);
        g_assert_cmpuint(after.batches - before.batches, ==, 2);
        g_assert_cmpuint(after.syncs - before.syncs, ==, 2);
        g_assert_cmpuint(after.transactions - before.transactions, ==, 50);
        /* One change: what was replaced within the batch was never seen. */
        check_label(store, vm, "50");
        teardown(store);
}

static void check_refused(int code, const char *error_code)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before"), *other = test_vm(store, "other");
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, store, vm);
        uint64_t generation = store_generation(store);
        disk_set(false, code);
        Txn *txn = txn_begin(store);
        slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, vm))->name_label, "refused");
        txn_delete(txn, &CLASS_VM, other);
        g_autofree char *made = g_strdup(txn_create(txn, &CLASS_VM, NULL, "made-uuid")->ref);
        XapiError *error = NULL;
        g_assert_false(txn_commit_wait(txn, &error));
        g_assert_true(xapi_error_is(error, error_code));
        xapi_error_free(error);

        /* As if it had never been. */
        check_label(store, vm, "before");
        check_label(store, other, "other");
        check_newest_label(store, vm, "before");
        check_newest_label(store, other, "other");
        g_assert_cmpuint(store_generation(store), ==, generation);
        txn = txn_begin(store);
        g_assert_null(txn_get(txn, &CLASS_VM, made));
        g_assert_null(txn_get_by_uuid(txn, &CLASS_VM, "made-uuid"));
        g_assert_nonnull(txn_get_by_uuid(txn, &CLASS_VM, row->uuid));
        txn_abort(txn);
        g_assert_cmpuint(store_count(store, &CLASS_VM), ==, 2);

        /* Writes go on once the disk does. */
        disk_set(false, 0);
        test_set_label(store, vm, "after");
        check_label(store, vm, "after");
        store_close(store);
        store = test_store_open(path);
        check_label(store, vm, "after");
        g_assert_null(store_get(store, &CLASS_VM, made));
        g_assert_cmpuint(store_generation(store), >, generation);
        row_unref(&row->row);
        teardown(store);
}

static void test_disk_full(void)
{
        check_refused(SQLITE_FULL, "OUT_OF_SPACE");
}

static void test_disk_fails(void)
{
        check_refused(SQLITE_IOERR, "INTERNAL_ERROR");
}

static void test_disk_read_only(void)
{
        check_refused(SQLITE_READONLY, "INTERNAL_ERROR");
}

static void test_queued_goes_with_refused(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before");
        Ending first = ENDING, second = ENDING;
        disk_set(true, 0);
        begin_label(store, vm, "first", &first);
        disk_wait_stalled();
        begin_label(store, vm, "second", &second);
        disk_set(false, SQLITE_FULL);
        ending_wait(&first);
        ending_wait(&second);
        g_assert_true(xapi_error_is(first.error, "OUT_OF_SPACE"));
        g_assert_true(xapi_error_is(second.error, "OUT_OF_SPACE"));
        check_label(store, vm, "before");
        check_newest_label(store, vm, "before");
        xapi_error_free(first.error);
        xapi_error_free(second.error);
        disk_set(false, 0);
        test_set_label(store, vm, "after");
        teardown(store);
}

/* ---- Owed ---- */

typedef struct Debt {
        char *vm;
        atomic_int n, freed;
} Debt;

static void pay(Txn *txn, void *data)
{
        Debt *debt = data;
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, debt->vm);
        slot_str(&vm->name_label, "owed");
        debt->n++;
}

static void debt_freed(void *data)
{
        ((Debt *)data)->freed++;
}

static void begin_owed(Store *store, Debt *debt, Ending *ending)
{
        Txn *txn = txn_begin(store);
        pay(txn, debt);
        txn_owe(txn, pay, debt, debt_freed);
        txn_commit(txn, on_end, ending);
}

static void test_owed(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before");
        Debt debt = { .vm = vm };
        Ending ending = ENDING;
        disk_set(false, SQLITE_FULL);
        begin_owed(store, &debt, &ending);
        ending_wait(&ending);
        g_assert_true(xapi_error_is(ending.error, "OUT_OF_SPACE"));
        xapi_error_free(ending.error);
        while (atomic_load(&debt.n) < 3) /* tried again, and refused again */
                g_usleep(1000);
        check_label(store, vm, "before");
        g_assert_cmpint(debt.freed, ==, 0);
        disk_set(false, 0);
        while (atomic_load(&debt.freed) == 0)
                g_usleep(1000);
        check_label(store, vm, "owed");
        g_assert_cmpint(debt.freed, ==, 1);
        teardown(store);
}

static void test_owed_nothing(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before");
        Debt debt = { .vm = vm };
        Ending ending = ENDING;
        begin_owed(store, &debt, &ending);
        ending_wait(&ending);
        g_assert_null(ending.error);
        Txn *txn = txn_begin(store);
        txn_owe(txn, pay, &debt, debt_freed);
        txn_abort(txn);
        disk_set(false, SQLITE_FULL);
        ending = (Ending)ENDING;
        begin_owed(store, &debt, &ending); /* changes nothing */
        ending_wait(&ending);
        disk_set(false, 0);
        teardown(store);
        g_assert_cmpint(debt.freed, ==, 3);
}

static void test_owed_at_the_end(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before");
        Debt debt = { .vm = vm };
        Ending ending = ENDING;
        disk_set(false, SQLITE_FULL);
        begin_owed(store, &debt, &ending);
        ending_wait(&ending);
        xapi_error_free(ending.error);
        teardown(store);
        g_assert_cmpint(debt.freed, ==, 1);
        disk_set(false, 0);
}

static void test_check_writable(void)
{
        Store *store = setup();
        g_autofree char *vm = test_vm(store, "before");
        g_autoptr(XapiError) error = NULL;
        Ending ending = ENDING;
        StoreStatistics before, after;
        store_statistics(store, &before);
        g_assert_true(store_check_writable(store, &error));
        store_statistics(store, &after);
        g_assert_cmpuint(after.batches, ==, before.batches);
        disk_set(false, SQLITE_FULL);
        begin_label(store, vm, "refused", &ending);
        ending_wait(&ending);
        xapi_error_free(ending.error);
        g_assert_false(store_check_writable(store, &error));
        g_assert_true(xapi_error_is(error, "OUT_OF_SPACE"));
        g_clear_pointer(&error, xapi_error_free);
        disk_set(false, 0);
        g_assert_true(store_check_writable(store, &error));
        teardown(store);
}

/* ---- Killed ---- */

#define KILLED_ACKS 200 /* each of them read before the next is awaited */

/* Commits until it is killed; writes the number of each commit to fd once it is acknowledged. */
static void commit_for_ever(int fd)
{
        Store *store = test_store_open(path);
        g_autofree char *vm = test_vm(store, "0");
        for (uint32_t i = 1;; i++) {
                g_autofree char *label = g_strdup_printf("%u", i);
                Txn *txn = txn_begin(store);
                slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, vm))->name_label, label);
                txn_create(txn, &CLASS_TASK, NULL, NULL);
                test_commit(txn);
                if (write(fd, &i, sizeof(i)) != sizeof(i))
                        _exit(1);
        }
}

static uint32_t read_acks(int fd, uint32_t enough, pid_t pid)
{
        uint32_t ack = 0, newest = 0;
        while (read(fd, &ack, sizeof(ack)) == sizeof(ack)) {
                newest = ack;
                if (ack == enough)
                        kill(pid, SIGKILL);
        }
        return newest;
}

static void test_killed(void)
{
        directory = test_directory();
        path = g_build_filename(directory, "store.db", NULL);
        int fds[2];
        g_assert_cmpint(pipe(fds), ==, 0);
        pid_t pid = fork();
        if (pid == 0) {
                close(fds[0]);
                commit_for_ever(fds[1]);
        }
        close(fds[1]);
        uint32_t acknowledged = read_acks(fds[0], KILLED_ACKS, pid);
        waitpid(pid, NULL, 0);
        close(fds[0]);
        g_assert_cmpuint(acknowledged, >=, KILLED_ACKS);

        Store *store = test_store_open(path);
        size_t n;
        const Row **rows = store_rows(store, &CLASS_VM, &n);
        g_assert_cmpuint(n, ==, 1);
        uint32_t found = (uint32_t)strtoul(((const VmRow *)rows[0])->name_label, NULL, 10);
        g_assert_cmpuint(found, >=, acknowledged);
        g_assert_cmpuint(store_count(store, &CLASS_TASK), ==, found); /* all of a transaction, or nothing */
        store_rows_free(rows, n);
        teardown(store);
}

/* ---- Power cuts: the files as they stand after any prefix of the writes ---- */

typedef struct Write {
        StoreVfsEvent event;
        bool log; /* the -wal file, else the database */
        int64_t offset;
        size_t n;
        void *bytes;
        uint32_t acknowledged; /* commits, by then */
} Write;

static struct {
        pthread_mutex_t lock;
        GArray *writes;
        uint32_t acknowledged;
} recording = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int record_hook(StoreVfsEvent event, const char *name, int64_t offset, const void *bytes, size_t n,
                       void *data)
{
        Write written = {
                .event = event,
                .log = g_str_has_suffix(name, "-wal"),
                .offset = offset,
                .n = n,
                .bytes = event == STORE_VFS_WRITE ? g_memdup2(bytes, n) : NULL,
        };
        pthread_mutex_lock(&recording.lock);
        written.acknowledged = recording.acknowledged;
        g_array_append_val(recording.writes, written);
        pthread_mutex_unlock(&recording.lock);
        return SQLITE_OK;
}

static void apply(GByteArray *file, const Write *written, size_t n)
{
        if (written->event == STORE_VFS_TRUNCATE)
                g_byte_array_set_size(file, (guint)n);
        if (written->event != STORE_VFS_WRITE)
                return;
        guint end = (guint)written->offset + (guint)n, before = file->len;
        if (end > before) {
                g_byte_array_set_size(file, end);
                memset(file->data + before, 0, end - before);
        }
        memcpy(file->data + written->offset, written->bytes, n);
}

/* Writes the files as a power cut before write `cut` leaves them: what is synced, and what came after whole, or not at
 * all, or with its last write torn. */
typedef enum Cut { CUT_WHOLE, CUT_DROPPED, CUT_TORN, N_CUTS } Cut;

static void write_files(size_t cut, Cut kind)
{
        for (int log = 0; log < 2; log++) {
                GByteArray *file = g_byte_array_new();
                size_t synced = 0, last = 0;
                for (size_t i = 0; i < cut; i++) {
                        const Write *written = &g_array_index(recording.writes, Write, i);
                        if (written->log != log)
                                continue;
                        last = i;
                        if (written->event == STORE_VFS_SYNC)
                                synced = i;
                }
                size_t end = kind == CUT_DROPPED ? synced : cut;
                for (size_t i = 0; i < end; i++) {
                        const Write *written = &g_array_index(recording.writes, Write, i);
                        bool torn = kind == CUT_TORN && i == last && written->event == STORE_VFS_WRITE;
                        if (written->log == log)
                                apply(file, written, torn ? written->n / 2 : written->n);
                }
                g_autofree char *name = g_strconcat(path, log ? "-wal" : "", NULL);
                g_assert_true(g_file_set_contents(name, (const char *)file->data, file->len, NULL));
                g_byte_array_free(file, true);
        }
        g_autofree char *index = g_strconcat(path, "-shm", NULL);
        unlink(index);
}

static void check_cut(size_t cut, Cut kind, const char *vm)
{
        write_files(cut, kind);
        uint32_t acknowledged = cut == 0 ? 0 : g_array_index(recording.writes, Write, cut - 1).acknowledged;
        Store *store = test_store_open(path);
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, store, vm);
        uint32_t found = row == NULL ? 0 : (uint32_t)strtoul(row->name_label, NULL, 10);
        g_assert_cmpuint(found, >=, acknowledged);
        if (row != NULL)
                row_unref(&row->row);
        store_close(store);
}

#define POWER_COMMITS 120 /* of so many bytes each that the log is copied into the database meanwhile */
#define POWER_BYTES   100000
#define POWER_CUTS    40

static void test_power_cut(void)
{
        recording.writes = g_array_new(false, false, sizeof(Write));
        recording.acknowledged = 0;
        directory = test_directory();
        path = g_build_filename(directory, "store.db", NULL);
        g_autofree char *filler = g_strnfill(POWER_BYTES, 'x'), *vm = NULL;
        store_vfs_set_hook(record_hook, NULL);
        Store *store = test_store_open(path);
        for (uint32_t i = 1; i <= POWER_COMMITS; i++) {
                Txn *txn = txn_begin(store);
                VmRow *row = (VmRow *)(vm == NULL ? txn_create(txn, &CLASS_VM, NULL, NULL)
                                                  : txn_edit(txn, &CLASS_VM, vm));
                vm = vm == NULL ? g_strdup(row->row.ref) : vm;
                g_autofree char *label = g_strdup_printf("%u", i);
                slot_str(&row->name_label, label);
                slot_str(&row->name_description, filler);
                filler[i] = 'y';
                test_commit(txn);
                pthread_mutex_lock(&recording.lock);
                recording.acknowledged = i;
                pthread_mutex_unlock(&recording.lock);
        }
        store_close(store);
        store_vfs_set_hook(NULL, NULL);

        size_t n = recording.writes->len, n_copied = 0;
        for (size_t i = 0; i < n; i++)
                n_copied += !g_array_index(recording.writes, Write, i).log;
        g_assert_cmpuint(n_copied, >, 50);
        for (size_t i = 1; i <= POWER_CUTS; i++)
                for (Cut kind = 0; kind < N_CUTS; kind++)
                        check_cut(i == POWER_CUTS ? n : (size_t)g_test_rand_int_range(10, (gint32)n), kind,
                                  vm);
        for (size_t i = 0; i < n; i++)
                g_free(g_array_index(recording.writes, Write, i).bytes);
        g_array_free(recording.writes, true);
        g_free(path);
        test_directory_remove(directory);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store-faults/visible-once-durable", test_visible_once_durable);
        g_test_add_func("/store-faults/batches-grow", test_batches_grow_while_the_disk_is_busy);
        g_test_add_func("/store-faults/disk-full", test_disk_full);
        g_test_add_func("/store-faults/disk-fails", test_disk_fails);
        g_test_add_func("/store-faults/disk-read-only", test_disk_read_only);
        g_test_add_func("/store-faults/queued-goes-with-refused", test_queued_goes_with_refused);
        g_test_add_func("/store-faults/owed", test_owed);
        g_test_add_func("/store-faults/owed-nothing", test_owed_nothing);
        g_test_add_func("/store-faults/owed-at-the-end", test_owed_at_the_end);
        g_test_add_func("/store-faults/check-writable", test_check_writable);
        g_test_add_func("/store-faults/killed", test_killed);
        g_test_add_func("/store-faults/power-cut", test_power_cut);
        return g_test_run();
}
