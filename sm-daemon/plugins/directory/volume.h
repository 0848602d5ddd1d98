/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods on disks, as the plugin interface has them. Beyond it, create, clone and snapshot take `name`,
 * `description` and `keys` where the interface would need a call for each afterwards. */
#pragma once

#include <jansson.h>

#include "../call.h"

json_t *volume_create(json_t *args, Failure *failure);
json_t *volume_clone(json_t *args, Failure *failure);
json_t *volume_snapshot(json_t *args, Failure *failure);
json_t *volume_copy(json_t *args, Failure *failure);
json_t *volume_destroy(json_t *args, Failure *failure);
json_t *volume_resize(json_t *args, Failure *failure);
json_t *volume_stat(json_t *args, Failure *failure);
json_t *volume_set_name(json_t *args, Failure *failure);
json_t *volume_set_description(json_t *args, Failure *failure);
json_t *volume_set(json_t *args, Failure *failure);
json_t *volume_unset(json_t *args, Failure *failure);
/* Those that are ours (idl/bus/smapi.idl), of the type `file`. */
json_t *volume_chain(json_t *args, Failure *failure);
json_t *volume_coalesce(json_t *args, Failure *failure);
json_t *volume_set_top(json_t *args, Failure *failure);
