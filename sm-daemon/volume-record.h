/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The record of a volume that is open or attached. */
#pragma once

#include "repository.h"

json_t *volume_record_new(const Volume *volume); /* returns owned */
/* Puts the volume into the repository as the record has it. False: it is damaged, and nothing was done. */
bool volume_record_load(Repository *repository, const char *key, const json_t *record);
