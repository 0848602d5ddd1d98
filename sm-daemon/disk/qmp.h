/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conversation with a disk's server over QMP (QEMU's docs/interop/qmp-spec.txt: each message of the server's is a JSON
 * object on a line). The server, which parses what guests write, may say anything. One thread. */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "disk-record.h"

#define QMP_MESSAGE_MAX (4u << 20) /* bytes */

typedef struct Qmp Qmp;

/* Waits for whoever else speaks to that server. 0, or negative errno: -ETIMEDOUT, -EPROTO... */
int qmp_open(const DiskRecord *record, uint64_t deadline_usec, Qmp **ret);
void qmp_close(Qmp *qmp); /* NULL is legal */
/* `arguments` is taken; NULL: none. *ret, where wanted, is owned. 0; -EREMOTEIO: the server said no (qmp_why); another
 * negative errno, and the conversation is over. */
int qmp_call(Qmp *qmp, const char *command, json_t *arguments, json_t **ret);
const char *qmp_why(const Qmp *qmp); /* what the last call failed with; borrowed until the next */
