// SPDX-License-Identifier: LGPL-2.1-or-later
// The guest's own part of xenstore, written to as a guest may.
#pragma once
#include <stdbool.h>

// store PATH VALUE      writes one key
// huge PATH BYTES       writes a key with a value of so many bytes
// flood PATH COUNT      writes COUNT keys PATH/0, PATH/1, ... until one is refused; answers how many were written
// Returns whether it was one of these.
bool store_obey(char **word);
