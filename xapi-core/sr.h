/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of class SR share. */
#pragma once

#include "storage-internal.h"
#include "xenapi-handlers.h"

/* A new SR object without PBDs; uuid "": a new one. NULL with SR_UUID_EXISTS. */
SrRow *sr_row_create(Txn *txn, const char *uuid, const char *label, const char *description, const char *type,
                     const char *content_type, bool shared, Map *sm_config, XapiError **error);

/* classes/sr-create.c */
bool sr_create(Call *call, const SrCreateParams *p, XapiError **error);
bool sr_introduce(Call *call, const SrIntroduceParams *p, XapiError **error);
bool sr_destroy(Call *call, const SrDestroyParams *p, XapiError **error);
bool sr_forget(Call *call, const SrForgetParams *p, XapiError **error);

/* classes/sr-scan.c */
bool sr_scan(Call *call, const SrScanParams *p, XapiError **error);
bool sr_update(Call *call, const SrUpdateParams *p, XapiError **error);

/* classes/sr-probe.c */
bool sr_probe(Call *call, const SrProbeParams *p, XapiError **error);
bool sr_probe_ext(Call *call, const SrProbeExtParams *p, XapiError **error);
