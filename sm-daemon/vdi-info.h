/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SMAPIv3's records as SMAPIv2's. What SMAPIv3 has no member for is kept among a volume's keys, under the names that
 * upstream gives them, so that either software reads what the other wrote. */
#pragma once

#include "idl/bus/smapi.h"
#include "idl/bus/storage.h"

#define KEY_TYPE          "vdi-type"
#define KEY_IS_A_SNAPSHOT "is_a_snapshot"
#define KEY_SNAPSHOT_TIME "snapshot_time"
#define KEY_SNAPSHOT_OF   "snapshot_of"
#define KEY_CONTENT_ID    "content_id"
#define KEY_METADATA_OF   "metadata_of_pool"
#define KEY_PERSISTENT    "persistent"
#define KEY_SM_CONFIG     "sm_config." /* and the key in sm_config */

/* All of *ret is owned. */
void vdi_info_from_volume(const SmapiVolume *volume, StorageVdiInfo *ret);
/* The keys that make a volume say the same as `info`. What has SMAPIv3's default is left out. */
void vdi_info_keys(const StorageVdiInfo *info, BusDict *ret);
void sr_info_from_sr(const SmapiSr *sr, StorageSrInfo *ret);
