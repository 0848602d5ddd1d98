/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices that answer nothing of what they are asked, as the kernel counts it (Documentation/block/stat.rst). */
#pragma once

#include <stdbool.h>

typedef struct Standing Standing;

Standing *standing_new(void);
void standing_free(Standing *standing);
/* To be called for every device of a disk in use, now and then, on one thread. Whether it had something to answer both
 * then and the time before, and has answered nothing in between; then standing_is_slow tells, once, that this is why. */
bool standing_look(Standing *standing, int device);
/* Any thread. */
bool standing_is_slow(Standing *standing, int device);
/* There is another reason. Any thread. */
void standing_forget(Standing *standing, int device);
