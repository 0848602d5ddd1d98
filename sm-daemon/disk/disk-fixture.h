/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One disk of 1 MiB, for tests. With the environment's SM_DISK_SERVERS its server runs in that (disks_choose_runner). */
#pragma once

#include <glib.h>
#include <libnbd.h>

#include "disk.h"
#include "sm-daemon/test-fixture.h"

#define VDI   "5e2a6a4e-0000-4000-8000-000000000002"
#define BLOCK 4096u

typedef struct DiskFixture {
        char *scratch, *folder, *path, *uri;
        Disks *disks;
        Operation operation;
        DiskName name;
        char *socket; /* once attached */
} DiskFixture;

typedef struct DiskTest {
        const char *name, *format; /* "raw", "qcow2": of the image */
        void (*function)(DiskFixture *f, gconstpointer data);
} DiskTest;
/* A main function: each test with a fixture of its own. */
int disk_fixture_run(int argc, char **argv, const DiskTest *tests, size_t n);

void disk_fixture_image(const char *path, bool qcow2, const char *backing, bool backing_is_raw);
void disk_fixture_attach(DiskFixture *f);
void disk_fixture_activate(DiskFixture *f, bool writable);
void disk_fixture_detach(DiskFixture *f);
DiskRecord disk_fixture_record(DiskFixture *f); /* owned */
bool disk_fixture_runs(DiskFixture *f);
void disk_fixture_kill(DiskFixture *f);
bool disk_fixture_systemd(void); /* whether servers run in systemd's units */
/* A connection to the export; blocks of it, all of one byte. */
struct nbd_handle *disk_fixture_connect(DiskFixture *f, const char *name);
void disk_fixture_put(struct nbd_handle *nbd, unsigned block, char c);
char disk_fixture_get(struct nbd_handle *nbd, unsigned block);
/* The kernel's device of an active disk, opened past all caches; -1: it has none. */
int disk_fixture_device(DiskFixture *f);
