/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of a disk's server: QEMU's storage daemon (qemu-storage-daemon(1), QEMU's QAPI reference). */
#pragma once

#include <jansson.h>

#include "disk-record.h"

#define SERVER_PROGRAM "/usr/bin/qemu-storage-daemon"

typedef enum ServerExport { SERVER_DISK, SERVER_READ, SERVER_FILL, SERVER_EXPORTS } ServerExport;
const char *server_export_id(ServerExport export);

/* Names of a layer's node, and of the file's below it: of the file's identity, so that which file a running server has
 * open can be told whatever the file is called by now. Returned owned (g_free). */
char *server_node(const Layer *layer);
char *server_file_node(const Layer *layer);
/* The options (of --blockdev, or blockdev-add) for a layer's two nodes. `below` is the node that it lies on; NULL: none,
 * yet or at all. Returned owned. */
json_t *server_file_options(const Layer *layer, bool read_only);
json_t *server_node_options(const Layer *layer, const char *below, bool read_only);
/* The options of an export of that node. Returned owned. */
json_t *server_export_options(const DiskRecord *record, const char *node, bool writes_must_reach,
                              ServerExport export);
/* Whether a write is done only when it has reached the medium: with qcow2 in the chain, what the server has not written of
 * its tables is lost when it is killed, and so would be what was said to be written. A raw image alone is written past the
 * host's page cache, where its file system can do that, and through it where not: what its medium does not take, the guest
 * is told at the write. */
bool server_writes_through(GPtrArray *layers);

/* argv, NULL-terminated, owned (g_strfreev). 0 or an error of layer_chain. */
int server_command(const DiskRecord *record, char ***ret_argv);
/* To one of its sockets (DISK_SOCKET, DISK_CONTROL): a descriptor, or a negative errno; -ENOTSOCK: there is something
 * else in its place. */
int server_connect(const DiskRecord *record, const char *name);
