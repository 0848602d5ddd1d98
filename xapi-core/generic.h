/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The implicit messages of every class, answered from the tables of the data model: getters, setters, records... */
#pragma once

#include "call.h"

/* Answers a message whose tag is not MESSAGE_CUSTOM. On the loop, in the place of a PLACE_LOOP handler. */
bool generic_call(Call *call, const Value *params, XapiError **error);
