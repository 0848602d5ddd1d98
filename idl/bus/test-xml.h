/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML-RPC to JSON, for the tests that read vectors written so. */
#pragma once

#include <jansson.h>

/* {"method": name, "params": [...]} of a methodCall, {"params": [...]} of a methodResponse; NULL if it is neither.
 * What has no type, and <int> too, becomes a string, as in what upstream hands from one dialect to the other. */
json_t *test_xml_to_json(const char *text);
