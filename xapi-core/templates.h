/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The default templates. */
#pragma once

#include "store.h"

void templates_create(Txn *txn);
