/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that take long, known by their callers' debug_info, and whether they are to end. Any thread. */
#pragma once

#include <stdbool.h>

typedef struct LongCalls LongCalls;
typedef struct LongCall LongCall;

LongCalls *long_calls_new(void);
void long_calls_free(LongCalls *long_calls);
/* A call begins; ends. */
LongCall *long_call_begin(LongCalls *long_calls, const char *dbg);
void long_call_end(LongCall *call);
bool long_call_unwanted(void *call); /* a LongCall: in the shape of Operation's unwanted */
/* Asks all that are under way with that debug_info to end. */
void long_calls_cancel(LongCalls *long_calls, const char *dbg);
