/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of class VDI share. */
#pragma once

#include "storage-internal.h"
#include "xenapi-handlers.h"

/* classes/vdi-create.c */
bool vdi_create(Call *call, const VdiCreateParams *p, XapiError **error);
bool vdi_destroy(Call *call, const VdiDestroyParams *p, XapiError **error);
/* A new disk with the names, size, nature and maps of `args`, in args->SR. Returns its ref, owned, or NULL. */
Str vdi_create_like(Call *call, const VdiRow *args, XapiError **error);
/* The same, that holds what the volume `source` does, of the repository with that uuid, whose driver copies to
 * args->SR (sr_copies_to). */
Str vdi_create_copy(Call *call, const VdiRow *args, const char *from_sr, const char *source,
                    XapiError **error);
bool vdi_forget(Call *call, const VdiForgetParams *p, XapiError **error);

/* classes/vdi-introduce.c */
bool vdi_introduce(Call *call, const VdiIntroduceParams *p, XapiError **error);
bool vdi_pool_introduce(Call *call, const VdiPoolIntroduceParams *p, XapiError **error);
bool vdi_db_introduce(Call *call, const VdiDbIntroduceParams *p, XapiError **error);
bool vdi_db_forget(Call *call, const VdiDbForgetParams *p, XapiError **error);

/* classes/vdi-copy.c */
bool vdi_clone(Call *call, const VdiCloneParams *p, XapiError **error);
bool vdi_snapshot(Call *call, const VdiSnapshotParams *p, XapiError **error);
bool vdi_copy(Call *call, const VdiCopyParams *p, XapiError **error);

/* classes/vdi-change.c */
bool vdi_resize(Call *call, const VdiResizeParams *p, XapiError **error);
bool vdi_resize_online(Call *call, const VdiResizeOnlineParams *p, XapiError **error);
bool vdi_update(Call *call, const VdiUpdateParams *p, XapiError **error);
bool vdi_set_name_label(Call *call, const VdiSetNameLabelParams *p, XapiError **error);
bool vdi_set_name_description(Call *call, const VdiSetNameDescriptionParams *p, XapiError **error);
bool vdi_set_on_boot(Call *call, const VdiSetOnBootParams *p, XapiError **error);

/* classes/vdi-blocks.c */
bool vdi_enable_cbt(Call *call, const VdiEnableCbtParams *p, XapiError **error);
bool vdi_disable_cbt(Call *call, const VdiDisableCbtParams *p, XapiError **error);
bool vdi_data_destroy(Call *call, const VdiDataDestroyParams *p, XapiError **error);
bool vdi_list_changed_blocks(Call *call, const VdiListChangedBlocksParams *p, XapiError **error);
