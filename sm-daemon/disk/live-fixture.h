/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk of the plugin "file" under a client that writes. The client stamps each block with the number of the write, so that
 * what is lost, torn or late shows. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <libnbd.h>

#include "sm-daemon/dp.h"
#include "sm-daemon/settle.h"
#include "sm-daemon/test-fixture.h"

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
        char *scratch, *records, *plugins;
        char *plugin; /* its folder, whose methods may be replaced */
        Manager *manager;
        Settle settle;
        Operation operation;
        char *vdi, *socket;
        Writer writer;
} Fixture;

/* `format` is "raw" or "qcow2". */
void fixture_setup(Fixture *f, gconstpointer format);
void fixture_teardown(Fixture *f, gconstpointer data);
/* sm-daemon; and its end as after kill -9: nobody is told anything. */
void fixture_start(Fixture *f);
void fixture_stop(Fixture *f);

DpName fixture_dp(const char *vdi, const char *dp);
/* Attaches and activates. The server's socket, owned (g_free). */
char *fixture_use(Fixture *f, const char *vdi, const char *dp, bool read_write);
void fixture_leave(Fixture *f, const char *dp);
DiskRecord fixture_record(Fixture *f);
struct nbd_handle *fixture_connect(const char *socket); /* waits until it can be */
void fixture_kill_server(Fixture *f);

void writer_start(Fixture *f);
void writer_advance(Fixture *f, unsigned n);
void writer_stop(Fixture *f);
void block_fill(char *bytes, unsigned n);
unsigned block_stamp(const char *bytes);

/* What the disk holds is every write up to some one, and none after it: which must be within these. */
void fixture_check(const char *socket, unsigned min, unsigned max);
void fixture_check_volume(Fixture *f, const char *vdi, unsigned min, unsigned max);
/* The moment's copy of the disk. Owned (free). */
char *fixture_snapshot(Fixture *f);
