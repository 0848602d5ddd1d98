/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks made and removed on behalf of other operations. These wait, and belong on a worker. */
#pragma once

#include "call.h"

/* A new disk in this SR, of at least that many bytes; type is a VDI_TYPE_ value. Returns its ref, owned, or NULL. */
Str vdi_create_in(Call *call, const char *sr, const char *label, int64_t bytes, int64_t type, XapiError **error);
/* Removes a disk and its object; true where there is no such object. */
bool vdi_destroy_quietly(Call *call, const char *vdi, XapiError **error);
