/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "message-switch/lib/loop.h"
#include "xl-table.h"

#define VM    "5c0a4e3c-8d8e-4a33-9c6a-0f8d0c2b7a11"
#define OTHER "5c0a4e3c-8d8e-4a33-9c6a-0f8d0c2b7a12"
#define NEVER UINT64_MAX

typedef struct Place {
        char *folder, *path;
        Ledger *ledger;
        XlTable *table;
} Place;

static void place_open(Place *place)
{
        g_autofree char *error = NULL;
        place->ledger = ledger_open(place->path, &error);
        g_assert_nonnull(place->ledger);
        place->table = xl_table_new(place->ledger);
}

static void place_close(Place *place)
{
        xl_table_free(place->table);
        ledger_close(place->ledger);
}

static void place_init(Place *place)
{
        place->folder = g_dir_make_tmp("xl-table-XXXXXX", NULL);
        place->path = g_build_filename(place->folder, "ledger", NULL);
        place_open(place);
}

static void place_clear(Place *place)
{
        place_close(place);
        unlink(place->path);
        g_rmdir(place->folder);
        g_free(place->path);
        g_free(place->folder);
}

static void give_domain(Place *place, const char *name, int64_t domid)
{
        XlVm *vm = xl_table_lock(place->table, name);
        g_assert_nonnull(vm);
        vm->domid = domid;
        g_assert_cmpint(xl_table_commit(place->table, vm), ==, 0);
}

static void test_remembers(void)
{
        Place place;
        place_init(&place);
        g_assert_cmpint(xl_table_add(place.table, VM, true), ==, 0);
        g_assert_cmpint(xl_table_add(place.table, VM, true), ==, -EEXIST);
        g_assert_cmpint(xl_table_add(place.table, OTHER, false), ==, 0);
        XlVm *vm = xl_table_lock(place.table, VM);
        vm->domid = 7;
        vm->started_usec = 1700000000000000;
        xl_vm_add_device(vm, "vbd", "0", "xvda", "sr/vdi", true);
        xl_vm_add_device(vm, "vif", "0", "0", NULL, false);
        xl_vm_add_device(vm, "vbd", "1", "xvdb", "/dev/x", true);
        xl_vm_remove_device(vm, "vbd", "1");
        xl_vm_remove_device(vm, "vbd", "2");
        g_assert_cmpint(xl_table_commit(place.table, vm), ==, 0);
        g_assert_cmpint(xl_table_remove(place.table, OTHER), ==, 0);
        g_assert_cmpint(xl_table_remove(place.table, OTHER), ==, 0);
        place_close(&place);

        place_open(&place);
        g_auto(GStrv) names = xl_table_list(place.table);
        g_assert_cmpuint(g_strv_length(names), ==, 1);
        g_assert_null(xl_table_lock(place.table, OTHER));
        vm = xl_table_lock(place.table, VM);
        g_assert_cmpint(vm->domid, ==, 7);
        g_assert_true(vm->hvm);
        g_assert_cmpuint(vm->started_usec, ==, 1700000000000000);
        g_assert_cmpuint(vm->n_devices, ==, 2);
        const XlDevice *disk = xl_vm_device(vm, "vbd", "0"), *nic = xl_vm_device(vm, "vif", "0");
        g_assert_cmpstr(disk->node, ==, "xvda");
        g_assert_cmpstr(disk->memo, ==, "sr/vdi");
        g_assert_true(disk->carrier && !nic->carrier);
        g_assert_cmpstr(nic->memo, ==, "");
        xl_table_unlock(place.table, vm);
        place_clear(&place);
}

typedef struct Waiting {
        XlTable *table;
        Cancel cancel;
        uint64_t deadline_usec;
        pthread_t thread;
        int result;
} Waiting;

static void *wait_main(void *data)
{
        Waiting *waiting = data;
        waiting->result = xl_table_wait(waiting->table, VM, waiting->deadline_usec, &waiting->cancel);
        return NULL;
}

static void wait_begin(Waiting *waiting, Place *place, uint64_t deadline_usec)
{
        *waiting = (Waiting){ .table = place->table, .deadline_usec = deadline_usec };
        cancel_init(&waiting->cancel);
        pthread_create(&waiting->thread, NULL, wait_main, waiting);
}

static int wait_end(Waiting *waiting)
{
        pthread_join(waiting->thread, NULL);
        cancel_destroy(&waiting->cancel);
        return waiting->result;
}

static void test_waits(void)
{
        Place place;
        Waiting waiting;
        place_init(&place);
        wait_begin(&waiting, &place, NEVER);
        g_assert_cmpint(wait_end(&waiting), ==, -ESRCH);

        g_assert_cmpint(xl_table_add(place.table, VM, false), ==, 0);
        give_domain(&place, VM, 3);
        wait_begin(&waiting, &place, clock_usec() + 1000);
        g_assert_cmpint(wait_end(&waiting), ==, -ETIME);
        wait_begin(&waiting, &place, NEVER);
        cancel_ask(&waiting.cancel);
        g_assert_cmpint(wait_end(&waiting), ==, -ECANCELED);

        g_assert_null(xl_table_shut_down(place.table, 4));
        wait_begin(&waiting, &place, NEVER);
        g_autofree char *name = xl_table_shut_down(place.table, 3);
        g_assert_cmpstr(name, ==, VM);
        g_assert_cmpint(wait_end(&waiting), ==, 0);

        XlVm *vm = xl_table_lock(place.table, VM); /* it went on */
        vm->shut_down = false;
        xl_table_unlock(place.table, vm);
        wait_begin(&waiting, &place, NEVER);
        g_assert_cmpint(xl_table_remove(place.table, VM), ==, 0);
        g_assert_cmpint(wait_end(&waiting), ==, -ESRCH);
        place_clear(&place);
}

static void test_disks(void)
{
        Place place;
        place_init(&place);
        g_assert_cmpint(xl_table_add(place.table, VM, true), ==, 0);
        give_domain(&place, VM, 3);
        XlVm *vm = xl_table_lock(place.table, VM);
        xl_vm_add_device(vm, "vif", "1", "xvdb", NULL, true);
        xl_vm_add_device(vm, "vbd", "1", "xvdb", NULL, true);
        xl_table_unlock(place.table, vm);
        g_autoptr(GPtrArray) nodes = xl_table_disks(place.table, 3), none = xl_table_disks(place.table, 4);
        g_assert_cmpuint(nodes->len, ==, 1);
        g_assert_cmpstr(nodes->pdata[0], ==, "xvdb");
        g_assert_cmpuint(none->len, ==, 0);
        g_autofree char *device = NULL, *name = xl_table_disk(place.table, 3, "xvdb", &device);
        g_assert_cmpstr(name, ==, VM);
        g_assert_cmpstr(device, ==, "1");
        g_assert_null(xl_table_disk(place.table, 3, "xvda", &device));
        g_assert_null(xl_table_disk(place.table, 4, "xvdb", &device));
        place_clear(&place);
}

static void test_damage(void)
{
        Place place;
        place_init(&place);
        g_assert_cmpint(ledger_put(place.ledger, "vm/" VM, "{\"domid\": \"x\"}"), ==, 0);
        g_assert_cmpint(ledger_put(place.ledger, "vm/" OTHER, "nonsense"), ==, 0);
        place_close(&place);
        place_open(&place);
        g_auto(GStrv) names = xl_table_list(place.table);
        g_assert_cmpuint(g_strv_length(names), ==, 0);
        place_clear(&place);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/xl-table/remembers", test_remembers);
        g_test_add_func("/xl-table/waits", test_waits);
        g_test_add_func("/xl-table/disks", test_disks);
        g_test_add_func("/xl-table/damage", test_damage);
        return g_test_run();
}
