/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store's tests share. Every function fails the test where the store refuses. */
#pragma once

#include "store.h"

Store *test_store_memory(void);
Store *test_store_open(const char *path);
char *test_directory(void);             /* a new one; returns owned */
void test_directory_remove(char *path); /* with all files in it; takes path */
void test_commit(Txn *txn);
char *test_vm(Store *store, const char *name_label); /* a new VM's ref, owned */
char *test_vbd(Store *store, const char *vm);
void test_set_label(Store *store, const char *vm, const char *name_label);
bool *test_wanted(const Class *class); /* for store_changes, owned */
void test_delete(Store *store, const Class *class, const char *ref);
