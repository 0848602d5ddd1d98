/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks that a template asks for, in other_config:disks:
 * <provision><disk device="0" size="8589934592" sr="" bootable="true" type="system"/></provision> */
#pragma once

#include <glib.h>

#include "error.h"

#define PROVISION_DISKS_MAX 255
#define PROVISION_TEXT_MAX  (64 * 1024)

typedef struct ProvisionDisk {
        char *device;
        int64_t size_bytes;
        char *sr; /* uuid; "": the pool's default */
        bool bootable;
        int64_t type; /* VDI_TYPE_ */
} ProvisionDisk;

/* Returns owned, or NULL with INTERNAL_ERROR that says what is wrong with the text: not XML of that shape, with a DTD,
 * longer than PROVISION_TEXT_MAX, with more than PROVISION_DISKS_MAX disks. */
GArray *provision_parse(const char *text, XapiError **error);
