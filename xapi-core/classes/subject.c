/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classes.h"
#include "manager.h"
#include "rows.h"
#include "xenapi.h"

/* Subjects are users of a directory service: without one there are none to be made. */
static bool check_directory(Call *call, XapiError **error)
{
        const HostRow *host = (const HostRow *)txn_get(call_txn(call), &CLASS_HOST, call->manager->host);

        return *host->external_auth_type || xapi_fail(error, ERR_AUTH_IS_DISABLED, NULL);
}

static bool create(Call *call, const SubjectCreateParams *p, XapiError **error)
{
        Row *row;

        if (!check_directory(call, error))
                return false;
        row = row_copy(p->args);
        slot_str(&((SubjectRow *)row)->uuid, "");
        return call_return_str(call, txn_insert(call->txn, row)->ref);
}

static bool add_to_roles(Call *call, const SubjectAddToRolesParams *p, XapiError **error)
{
        SubjectRow *subject;

        if (!txn_get(call_txn(call), &CLASS_ROLE, p->role))
                return xapi_fail(error, ERR_ROLE_NOT_FOUND, NULL);
        subject = (SubjectRow *)txn_require_edit(call->txn, &CLASS_SUBJECT, p->self, error);
        if (!subject)
                return false;
        if (set_contains(subject->roles, (Value){ .s = p->role }))
                return xapi_fail(error, ERR_ROLE_ALREADY_EXISTS, NULL);
        slot_set(&subject->roles, set_with(subject->roles, (Value){ .s = p->role }));
        return true;
}

static bool remove_from_roles(Call *call, const SubjectRemoveFromRolesParams *p, XapiError **error)
{
        SubjectRow *subject = (SubjectRow *)txn_require_edit(call_txn(call), &CLASS_SUBJECT, p->self, error);

        if (!subject)
                return false;
        if (!set_contains(subject->roles, (Value){ .s = p->role }))
                return xapi_fail(error, ERR_ROLE_NOT_FOUND, NULL);
        slot_set(&subject->roles, set_without(subject->roles, (Value){ .s = p->role }));
        return true;
}

/* What the roles of a subject permit, by name. */
static bool get_permissions_name_label(Call *call, const SubjectGetPermissionsNameLabelParams *p,
                                       XapiError **error)
{
        const SubjectRow *subject =
            (const SubjectRow *)txn_require(call_txn(call), &CLASS_SUBJECT, p->self, error);

        if (!subject)
                return false;
        for (uint32_t i = 0; i < subject->roles->n; i++) {
                const RoleRow *role =
                    (const RoleRow *)txn_get(call->txn, &CLASS_ROLE, subject->roles->items[i].s);

                for (uint32_t k = 0; role && k < role->subroles->n; k++) {
                        const RoleRow *permission =
                            (const RoleRow *)txn_get(call->txn, &CLASS_ROLE, role->subroles->items[k].s);

                        if (permission)
                                slot_set(&call->result.set,
                                         set_with(call->result.set, (Value){ .s = permission->name_label }));
                }
        }
        return true;
}

const SubjectHandlers subject_handlers = {
        .create = { PLACE_LOOP, create },
        .add_to_roles = { PLACE_LOOP, add_to_roles },
        .remove_from_roles = { PLACE_LOOP, remove_from_roles },
        .get_permissions_name_label = { PLACE_LOOP, get_permissions_name_label },
};
