/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UUIDs (RFC 9562): random ones from the kernel's generator, and ones that a name always gives. */
#pragma once

#include <stdbool.h>

#define UUID_TEXT_SIZE 37 /* with the NUL */

void uuid_make(char ret_text[UUID_TEXT_SIZE]); /* version 4; fit for session references */
/* Version 8: the same for the same space and name, everywhere and always. */
void uuid_from_name(char ret_text[UUID_TEXT_SIZE], const char *space, const char *name);
bool uuid_is_valid(const char *text); /* 8-4-4-4-12 hexadecimal digits */
