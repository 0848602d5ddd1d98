/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roles: their names, what they permit, and their objects. */
#pragma once

#include "call.h"

uint32_t role_bit(const char *name); /* "vm-admin" to ROLE_VM_ADMIN; 0: no such role */
/* The permissions ("vm.start") of these roles, as session.rbac_permissions has them. Returns owned, shared. */
Set *role_permissions(uint32_t roles);
/* Whether a session with these roles may call the message with these parameters; keys of maps have roles of their own.
 * RBAC_PERMISSION_DENIED otherwise. */
bool role_check(const Message *message, const Value *params, uint32_t roles, bool local_root,
                XapiError **error);
/* The same for a map that is replaced as a whole: the keys that come, go or change. `before` NULL: there was none. */
bool role_check_map(const Message *message, const Field *field, const Map *before, const Map *after,
                    uint32_t roles, bool local_root, XapiError **error);
/* Makes the role objects that are not there yet. */
void roles_create(Store *store);
