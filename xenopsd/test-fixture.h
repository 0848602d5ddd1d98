/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running loop and a folder of its own for a test; and with them, a whole xenopsd without a bus. */
#pragma once

#include <pthread.h>

#include "operation.h"

typedef struct Fixture {
        char *path;
        Loop *loop;
        pthread_t thread;
        Workers *workers;
        Manager *manager; /* NULL until fixture_start */
        int64_t memory_mib, guest_delay_ms, acknowledge_timeout_ms, restless_window_ms, rest_ms;
} Fixture;

void fixture_init(Fixture *fixture);
void fixture_start(Fixture *fixture);
void fixture_init_vm(Fixture *fixture); /* both, and a VM "vm" with two disks and two interfaces */
/* As if xenopsd had been killed when nothing runs, and started again. */
void fixture_restart(Fixture *fixture);
void fixture_clear(Fixture *fixture);

/* A PVH guest of 64 MiB; n_vifs interfaces. Returns its id, borrowed from the caller's. */
void fixture_add_vm(Fixture *fixture, const char *id, int n_vifs, int n_vbds);
/* Begins an operation with the arguments of `method`, as JSON: the id of its task, owned (free). */
char *fixture_begin(Fixture *fixture, const OperationKind *kind, const char *method, const char *vm,
                    const char *arguments, bool urgent);
/* Waits for it; takes the id. NULL: it succeeded; else the error, owned. */
XenopsError *fixture_end(Fixture *fixture, char *task);
/* Both. */
XenopsError *fixture_do(Fixture *fixture, const OperationKind *kind, const char *method, const char *vm,
                        const char *arguments);
XenopsError *fixture_start_vm(Fixture *fixture, const char *vm);
void fixture_trigger(Fixture *fixture, const char *command, ...) __attribute__((sentinel));
XenopsPowerState fixture_power_state(Fixture *fixture, const char *vm);
/* Waits until it is so. */
void fixture_await_power_state(Fixture *fixture, const char *vm, XenopsPowerState state);
/* Asserts that an error has that tag; frees it. */
void fixture_expect(XenopsError *error, XenopsErrorTag tag);
/* Asserts that no domain, no journal entry and no taken memory is left. */
void fixture_assert_nothing_left(Fixture *fixture);
