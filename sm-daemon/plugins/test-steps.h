/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a piece of work changes, file by file, in the order of its system calls: those that change a file or a directory
 * are wrapped by the linker, in the program that this is linked to. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define STEPS_MAX 64u
#define NAME_SIZE 64u

typedef enum StepKind {
        STEP_CREATE,
        STEP_LINK,
        STEP_RENAME,
        STEP_UNLINK,
        STEP_WRITE,
        STEP_SYNC,
        STEP_SYNC_DIRECTORY
} StepKind;

typedef struct Step {
        StepKind kind;
        ino_t inode;
        char from[NAME_SIZE], to[NAME_SIZE];
} Step;

typedef struct Record {
        size_t n, end_after; /* 0: never */
        Step steps[STEPS_MAX];
} Record;

/* What was recorded last; of the process that called steps_begin and its children. */
extern Record *steps;

/* Keeps what files hold when they are synced in that folder, which it makes. */
void steps_begin(const char *kept);
void steps_end(void);
/* Does it in a child, which ends after so many steps; 0: after all. */
void steps_record(void (*act)(void *data), void *data, size_t end_after);
/* Where the bytes are of an inode that was made by the first n steps; NULL: they never reached the disk. Owned. */
char *steps_bytes(ino_t inode, size_t n);
