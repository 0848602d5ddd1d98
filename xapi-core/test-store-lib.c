/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-store-lib.h"

#include <glib.h>
#include <glib/gstdio.h>

#include "xenapi.h"

static void test_no_error(XapiError *error)
{
        if (error == NULL)
                return;
        g_autofree char *text = xapi_error_text(error);
        g_error("%s", text);
}

Store *test_store_memory(void)
{
        return test_store_open(":memory:");
}

Store *test_store_open(const char *path)
{
        XapiError *error = NULL;
        Store *store = store_open(path, &error);
        test_no_error(error);
        return store;
}

char *test_directory(void)
{
        GError *error = NULL;
        char *path = g_dir_make_tmp("test-store-XXXXXX", &error);
        g_assert_no_error(error);
        return path;
}

void test_directory_remove(char *path)
{
        GDir *directory = g_dir_open(path, 0, NULL);
        const char *name;
        while ((name = g_dir_read_name(directory)) != NULL) {
                g_autofree char *file = g_build_filename(path, name, NULL);
                g_unlink(file);
        }
        g_dir_close(directory);
        g_rmdir(path);
        g_free(path);
}

void test_commit(Txn *txn)
{
        XapiError *error = NULL;
        txn_commit_wait(txn, &error);
        test_no_error(error);
}

char *test_vm(Store *store, const char *name_label)
{
        Txn *txn = txn_begin(store);
        VmRow *vm = (VmRow *)txn_create(txn, &CLASS_VM, NULL, NULL);
        slot_str(&vm->name_label, name_label);
        char *ref = g_strdup(vm->row.ref);
        test_commit(txn);
        return ref;
}

char *test_vbd(Store *store, const char *vm)
{
        Txn *txn = txn_begin(store);
        VbdRow *vbd = (VbdRow *)txn_create(txn, &CLASS_VBD, NULL, NULL);
        slot_str(&vbd->VM, vm);
        char *ref = g_strdup(vbd->row.ref);
        test_commit(txn);
        return ref;
}

void test_set_label(Store *store, const char *vm, const char *name_label)
{
        Txn *txn = txn_begin(store);
        slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, vm))->name_label, name_label);
        test_commit(txn);
}

void test_delete(Store *store, const Class *class, const char *ref)
{
        Txn *txn = txn_begin(store);
        txn_delete(txn, class, ref);
        test_commit(txn);
}

bool *test_wanted(const Class *class)
{
        bool *wanted = g_new0(bool, model_n_classes);
        wanted[class->index] = true;
        return wanted;
}
