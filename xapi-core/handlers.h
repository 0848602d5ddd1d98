/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which function answers which message. */
#pragma once

#include "buffer.h"
#include "call.h"

/* The handler of a custom message, constructor or destructor; NULL where the generic layer answers, or, for a custom
 * message, where nothing is written yet (handler_missing tells). */
const Handler *handler_find(const Message *message);
bool handler_missing(const Message *message);
/* By class, what is and what is not written: text for people. */
void handlers_coverage(Buffer *ret_text);
