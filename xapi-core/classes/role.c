/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classes.h"
#include "rows.h"
#include "xenapi.h"

/* Permissions are roles too: those inside the others. */
static bool get_permissions(Call *call, const RoleGetPermissionsParams *p, XapiError **error)
{
        const RoleRow *role = (const RoleRow *)txn_require(call_txn(call), &CLASS_ROLE, p->self, error);

        if (!role)
                return false;
        slot_set(&call->result.set, set_ref(role->subroles));
        return true;
}

static bool get_permissions_name_label(Call *call, const RoleGetPermissionsNameLabelParams *p,
                                       XapiError **error)
{
        const RoleRow *role = (const RoleRow *)txn_require(call_txn(call), &CLASS_ROLE, p->self, error);
        Value *names;
        uint32_t n = 0;

        if (!role)
                return false;
        names = g_new(Value, role->subroles->n + 1);
        for (uint32_t i = 0; i < role->subroles->n; i++) {
                const RoleRow *permission =
                    (const RoleRow *)txn_get(call->txn, &CLASS_ROLE, role->subroles->items[i].s);

                if (permission)
                        names[n++].s = permission->name_label;
        }
        slot_set(&call->result.set, set_new(call->result.set->element, n, names));
        g_free(names);
        return true;
}

typedef struct Search {
        Set *found;
        Str permission; /* ref */
        const char *label;
} Search;

static bool find_label(const Row *row, void *user)
{
        Search *s = user;

        if (strcmp(((const RoleRow *)row)->name_label, s->label) != 0)
                return true;
        s->permission = row->ref;
        return false;
}

static bool collect_holder(const Row *row, void *user)
{
        Search *s = user;

        if (set_contains_str(((const RoleRow *)row)->subroles, s->permission)) {
                Set *more = set_with(s->found, (Value){ .s = row->ref });

                set_unref(s->found);
                s->found = more;
        }
        return true;
}

static bool get_by_permission(Call *call, const RoleGetByPermissionParams *p, XapiError **error)
{
        Search s = { .found = call->result.set, .permission = p->permission };

        txn_each(call_txn(call), &CLASS_ROLE, collect_holder, &s);
        call->result.set = s.found;
        return true;
}

static bool get_by_permission_name_label(Call *call, const RoleGetByPermissionNameLabelParams *p,
                                         XapiError **error)
{
        Search s = { .found = call->result.set, .label = p->label };

        txn_each(call_txn(call), &CLASS_ROLE, find_label, &s);
        if (s.permission)
                txn_each(call->txn, &CLASS_ROLE, collect_holder, &s);
        call->result.set = s.found;
        return true;
}

const RoleHandlers role_handlers = {
        .get_permissions = { PLACE_LOOP, get_permissions },
        .get_permissions_name_label = { PLACE_LOOP, get_permissions_name_label },
        .get_by_permission = { PLACE_LOOP, get_by_permission },
        .get_by_permission_name_label = { PLACE_LOOP, get_by_permission_name_label },
};
