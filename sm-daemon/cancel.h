/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that take long, known by their callers' debug_info, and whether they are to end. Any thread. */
#pragma once

#include <stdbool.h>

typedef struct Cancels Cancels;
typedef struct Cancel Cancel;

Cancels *cancels_new(void);
void cancels_free(Cancels *cancels);
/* A call begins; ends. */
Cancel *cancel_begin(Cancels *cancels, const char *dbg);
void cancel_end(Cancel *cancel);
bool cancel_asked(void *cancel); /* a Cancel: in the shape of Operation's unwanted */
/* Asks all that are under way with that debug_info to end. */
void cancels_ask(Cancels *cancels, const char *dbg);
