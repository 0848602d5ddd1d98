/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest wrote about itself where it may write what it likes: read within bounds, whatever it wrote. */
#pragma once

#include "idl/runtime/bus-type.h"

/* Of each of the few folders that are looked at; what goes beyond is left out. */
#define GUEST_FACTS_MAX       128u  /* facts */
#define GUEST_LOOKS_MAX       256u  /* keys looked at, facts or not */
#define GUEST_DEPTH_MAX       6u    /* names in a key */
#define GUEST_KEY_BYTES_MAX   128u  /* of a fact's key */
#define GUEST_VALUE_BYTES_MAX 1024u /* of a fact's value */
/* Of all. */
#define GUEST_FACTS_BYTES_MAX (64u << 10) /* keys and values */

/* Where it is read from. Keys are relative to the guest's folder. */
typedef struct GuestStore {
        /* The names in it, an owned array of `n` in one piece (free); NULL: it is not there. */
        char **(*list)(void *data, const char *key, unsigned *ret_n);
        /* Its value and length, owned (free); NULL: it is not there. */
        char *(*read)(void *data, const char *key, unsigned *ret_len);
        void *data;
} GuestStore;

/* Adds to *ret what an agent says: "attr/...", "data/...", "control/feature-...", "feature/...", "drivers/...". Values that
 * are too long, not UTF-8, or hold a NUL or another control character than tab and newline are left out. */
void guest_facts_read(const GuestStore *store, BusDict *ret);
/* Whether one of the guest's disks or interfaces is served by drivers that know of the hypervisor. */
bool guest_has_drivers(const GuestStore *store);
