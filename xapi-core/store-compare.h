/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two versions of a row compared, as the store needs it. */
#pragma once

#include "store-internal.h"

bool row_equal(const ClassState *class, const Row *a, const Row *b);
/* Whether anything but volatile fields differs. */
bool row_differs_durably(const ClassState *class, const Row *a, const Row *b);
