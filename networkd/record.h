/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this daemon was told to make, on the disk before anything of it is made. */
#pragma once

#include <glib.h>

#include "idl/bus/network.h"

#define RECORD_SIZE_MAX       (16u << 20) /* bytes */
#define RECORD_BRIDGES_MAX    8192u
#define RECORD_INTERFACES_MAX 16384u

/* How an interface is to be, and what may have been put on it: addresses bear no mark. */
typedef struct RecordInterface {
        NetworkInterfaceConfig config;
        NetworkAddressList applied; /* of both families, what is wanted included */
        bool dhcp;                  /* its DHCP client may run */
        int dhcp_takes;             /* as that was told, of DHCP_TAKES_... (backend.h) */
} RecordInterface;

typedef struct Record {
        char *path;
        GHashTable *bridges;     /* name -> NetworkBridgeConfig */
        GHashTable *interfaces;  /* name -> RecordInterface */
        GHashTable *found;       /* names of bridges that somebody else made */
        char *gateway_interface; /* NULL: that of any */
        char *dns_interface;
        bool held; /* changes are not written */
} Record;

/* Reads it; one that is not there is empty. NULL: *ret_error says why (g_free). A damaged one is not taken for empty. */
Record *record_open(const char *path, char **ret_error);
void record_close(Record *record); /* NULL is legal */
/* Makes it durable. On failure the file is as it was. 0 or negative errno; -EFBIG: it could not be read again. */
int record_write(Record *record);
/* Forgets all; only in memory. */
void record_clear(Record *record);
/* Forgets what is not kept over a boot, and what was put on interfaces; only in memory. */
void record_after_boot(Record *record);

/* Of bridges or interfaces: owned copies, in order. They outlive what is recorded meanwhile. */
GPtrArray *record_names(GHashTable *table);
const NetworkBridgeConfig *record_bridge(const Record *record, const char *name); /* NULL: none */
/* Replaces, or removes where config is NULL, and writes. On failure nothing has changed. 0 or negative errno; -EDQUOT:
 * there are too many. */
int record_set_bridge(Record *record, const char *name, const NetworkBridgeConfig *config);
/* Several, all or none of them. */
int record_set_bridges(Record *record, size_t n, const char *const *names,
                       const NetworkBridgeConfig *const *configs);
/* Of a bridge that is about to be recorded, or is: whether somebody else made it, so that it is not made again here. Only
 * in memory until it is recorded. */
void record_note_found(Record *record, const char *name, bool found);
bool record_is_found(const Record *record, const char *name);
const RecordInterface *record_interface(const Record *record, const char *name); /* NULL: none */
int record_set_interface(Record *record, const char *name, const RecordInterface *interface);
int record_set_interfaces(Record *record, size_t n, const char *const *names,
                          const RecordInterface *const *interfaces);

void record_interface_clear(RecordInterface *interface);
void record_interface_assign(RecordInterface *ret, const RecordInterface *interface); /* deep */
