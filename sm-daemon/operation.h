/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose call something is done for, and until when. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "message-switch/lib/service.h"

typedef struct Operation {
        const char *dbg;         /* the caller's, handed on to plugins */
        uint64_t deadline_usec;  /* clock_usec */
        const ServiceCall *call; /* NULL: nobody can cancel it */
        /* Whether it is in the way, or somebody asked for its end. NULL: never. Any thread. */
        bool (*unwanted)(void *data);
        void *unwanted_data;
} Operation;
