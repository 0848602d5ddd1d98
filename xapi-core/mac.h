/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of virtual interfaces. */
#pragma once

#include <stdbool.h>

#define MAC_TEXT_SIZE 18 /* "aa:bb:cc:dd:ee:ff" and the NUL */

bool mac_is_valid(const char *text);
/* The same for the same seed and device: locally administered, for one station. */
void mac_from_seed(char ret_text[MAC_TEXT_SIZE], const char *seed, const char *device);
