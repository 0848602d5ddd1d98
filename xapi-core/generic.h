/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The implicit messages of every class, answered from the tables of the data model: getters, setters, records... */
#pragma once

#include "call.h"

/* Answers a message whose tag is not MESSAGE_CUSTOM. On the loop, in the place of a PLACE_LOOP handler. */
bool generic_call(Call *call, const Value *params, XapiError **error);

/* Its setters, for messages that do the same under a name of their own: params are the object's reference and the value;
 * the item; or the key and the value (MAP_DUPLICATE_KEY). The field is one of the message's class. */
bool generic_set(Call *call, const Field *field, const Value *params, XapiError **error);
bool generic_add(Call *call, const Field *field, const Value *params, XapiError **error);
bool generic_remove(Call *call, const Field *field, const Value *params, XapiError **error);
