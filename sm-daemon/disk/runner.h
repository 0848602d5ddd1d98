/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What disks' servers run in, so that they live and die apart from sm-daemon. */
#pragma once

#include "disk-record.h"
#include "sm-daemon/operation.h"

/* Which servers are to end: those of disks with their folders in `folder` that are not wanted, by their id and repository. */
typedef struct Sweeping {
        const char *folder;
        bool (*wanted)(const char *id, const char *sr, void *data); /* sr NULL: not known */
        void *data;
} Sweeping;

typedef struct Runner {
        const char *name;
        bool restarts; /* a server that dies is started again without sm-daemon */
        /* Starts the server of a record that is active, with its device if it has one; returns when it can be
         * spoken to. NULL, or what went wrong, owned (g_free). */
        char *(*start)(const char *sm_disk, const DiskRecord *record, const Operation *operation);
        /* Ends it, and returns when it has ended. Also of one that does not run. NULL, or what went wrong. */
        char *(*stop)(const char *sm_disk, const DiskRecord *record, const Operation *operation);
        /* Ends every server of a disk that is not wanted, whether or not there is a record. NULL: it is found by the
         * disks' folders alone. */
        char *(*sweep)(const Sweeping *sweeping, const Operation *operation);
} Runner;

/* Each server a process in a session of its own. It is sm-daemon that starts it again. */
extern const Runner runner_process;
/* Each server a transient unit of systemd. */
extern const Runner runner_systemd;
#define RUNNER_UNIT_PREFIX "xapi-disk-"

/* Runs `sm-disk VERB FOLDER` to its end. NULL, or what went wrong, owned. */
char *runner_sm_disk(const char *sm_disk, const char *verb, const char *folder, const Operation *operation);

/* The process that the kernel says holds the server's lock, whatever its files say, for people to read; 0: none runs. */
pid_t server_pid(const DiskRecord *record);
/* A process descriptor of the disk's server; -ESRCH: none runs. */
int server_find(const DiskRecord *record);
/* Kills a server, and waits for its end. 0 (also when there was none), or negative errno. */
int server_kill(const DiskRecord *record, int signal, uint64_t deadline_usec);
