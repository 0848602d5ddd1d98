/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "link.h"

/* The simulator's file: whole or not changed, though not forced to the disk. 0 or negative errno; reading one that is not
 * there gives -ENOENT, a damaged one -EBADMSG. */
int sim_state_read(const char *path, Links **ret);
int sim_state_write(const char *path, const Links *links);
Links *links_copy(const Links *links); /* deep, owned */
