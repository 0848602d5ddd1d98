/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "role.h"

#include <pthread.h>
#include <stdlib.h>

#include "uuid.h"
#include "xenapi.h"

static const struct {
        const char *name, *description;
        uint32_t bit;
        bool internal;
} ROLES[] = {
        { "pool-admin", "May do everything", ROLE_POOL_ADMIN, false },
        { "pool-operator", "Manages hosts and pools, but neither users nor their roles", ROLE_POOL_OPERATOR,
          false },
        { "vm-power-admin", "Makes, changes and moves VMs", ROLE_VM_POWER_ADMIN, false },
        { "vm-admin", "Makes and changes VMs", ROLE_VM_ADMIN, false },
        { "vm-operator", "Starts and stops VMs and sees their consoles", ROLE_VM_OPERATOR, false },
        { "read-only", "Sees everything, changes nothing", ROLE_READ_ONLY, false },
        { "client-cert", "What a client known by its certificate alone may do", ROLE_CLIENT_CERT, true },
};

uint32_t role_bit(const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(ROLES); i++)
                if (strcmp(ROLES[i].name, name) == 0)
                        return ROLES[i].bit;
        return 0;
}

/* ---- permissions ---- */

static bool is_permission(const Message *m)
{
        return m->session && !m->pool_internal;
}

static Set *make_permissions(uint32_t roles)
{
        static const Type string = { .kind = TYPE_STRING };
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        Set *set;

        for (size_t i = 0; i < model_n_messages; i++) {
                const Message *m = &model_messages[i];

                if (!is_permission(m))
                        continue;
                if (m->roles & roles)
                        g_ptr_array_add(names, g_ascii_strdown(m->name, -1));
                for (size_t k = 0; k < m->n_key_roles; k++)
                        if (m->key_roles[k].roles & roles) {
                                g_autofree char *low = g_ascii_strdown(m->name, -1);

                                g_ptr_array_add(names,
                                                g_strdup_printf("%s/key:%s", low, m->key_roles[k].key));
                        }
        }
        g_ptr_array_add(names, NULL);
        set = set_of_strings(&string, (const char *const *)names->pdata);
        g_ptr_array_unref(names);
        return set;
}

Set *role_permissions(uint32_t roles)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards made */
        static struct {
                uint32_t roles;
                Set *set;
        } made[G_N_ELEMENTS(ROLES)];
        size_t i = 0;
        Set *set;

        pthread_mutex_lock(&lock);
        while (i < G_N_ELEMENTS(made) && made[i].set && made[i].roles != roles)
                i++;
        if (i == G_N_ELEMENTS(made)) {
                pthread_mutex_unlock(&lock);
                return make_permissions(roles);
        }
        if (!made[i].set) {
                made[i].roles = roles;
                made[i].set = make_permissions(roles);
        }
        set = set_ref(made[i].set);
        pthread_mutex_unlock(&lock);
        return set;
}

static const KeyRole *find_key(const KeyRole *roles, size_t n, const char *key)
{
        for (size_t i = 0; i < n; i++) {
                size_t len = strlen(roles[i].key);

                if (len && roles[i].key[len - 1] == '*' ? strncmp(key, roles[i].key, len - 1) == 0
                                                        : strcmp(key, roles[i].key) == 0)
                        return &roles[i];
        }
        return NULL;
}

static const KeyRole *key_role(const Message *m, const Value *params)
{
        if (!m->n_key_roles || m->n_params < 2 || m->params[1].type->kind != TYPE_STRING ||
            strcmp(m->params[1].name, "key") != 0)
                return NULL;
        return find_key(m->key_roles, m->n_key_roles, params[1].s);
}

static bool deny(const Message *m, const char *key, XapiError **error)
{
        g_autofree char *name = g_ascii_strdown(m->name, -1);
        g_autofree char *permission = key ? g_strdup_printf("%s/key:%s", name, key) : g_strdup(name);

        return xapi_fail(error, ERR_RBAC_PERMISSION_DENIED, permission, "No permission in user session",
                         NULL);
}

static const KeyRole *denied_key(const Field *field, const Map *before, const Map *after, uint32_t roles)
{
        for (uint32_t i = 0; i < after->n; i++) {
                const KeyRole *key = find_key(field->key_roles, field->n_key_roles, after->entries[i].key.s);
                const Value *old = before ? map_get(before, after->entries[i].key) : NULL;

                if (key && !(key->roles & roles) &&
                    (!old || !value_equal(field->type->element, *old, after->entries[i].value)))
                        return key;
        }
        return NULL;
}

bool role_check_map(const Message *m, const Field *field, const Map *before, const Map *after, uint32_t roles,
                    bool local_root, XapiError **error)
{
        const KeyRole *key = NULL;

        if (local_root || !field->n_key_roles)
                return true;
        key = denied_key(field, before, after, roles);
        if (!key && before)
                key = denied_key(field, after, before, roles);
        return !key || deny(m, key->key, error);
}

/* A new object's maps are held to the same as its later changes. */
static bool check_record(const Message *m, const Row *row, uint32_t roles, XapiError **error)
{
        for (size_t i = 0; i < row->class->n_fields; i++) {
                const Field *field = &row->class->fields[i];

                if (field->type->kind == TYPE_MAP &&
                    !role_check_map(m, field, NULL, row_values(row)[i].map, roles, false, error))
                        return false;
        }
        return true;
}

bool role_check(const Message *m, const Value *params, uint32_t roles, bool local_root, XapiError **error)
{
        const KeyRole *key;

        if (local_root || !m->session)
                return true;
        key = key_role(m, params);
        if (!((key ? key->roles : m->roles) & roles))
                return deny(m, key ? key->key : NULL, error);
        return m->tag != MESSAGE_CTOR || check_record(m, params[0].row, roles, error);
}

/* ---- objects ---- */

/* Returns borrowed until the transaction's end. */
static Str role_row(Txn *txn, const char *name, const char *description, bool internal)
{
        char uuid[UUID_TEXT_SIZE];
        const Row *known;
        RoleRow *role;

        uuid_from_name(uuid, "role", name);
        known = txn_get_by_uuid(txn, &CLASS_ROLE, uuid);
        if (known)
                return known->ref;
        role = (RoleRow *)txn_create(txn, &CLASS_ROLE, NULL, uuid);
        slot_str(&role->name_label, name);
        slot_str(&role->name_description, description);
        role->is_internal = internal;
        return role->row.ref;
}

/* Each permission is of several roles, and finding its object takes a while. */
static Str permission_ref(Txn *txn, GHashTable *refs, const char *name)
{
        Str ref = g_hash_table_lookup(refs, name);

        if (!ref) {
                ref = role_row(txn, name, "A basic permission", true);
                g_hash_table_insert(refs, g_strdup(name), (void *)ref);
        }
        return ref;
}

void roles_create(Store *store)
{
        Txn *txn = txn_begin(store);
        g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(ROLES); i++) {
                Str ref = role_row(txn, ROLES[i].name, ROLES[i].description, ROLES[i].internal);
                Set *names = role_permissions(ROLES[i].bit);
                Set *subroles =
                    set_empty(((const RoleRow *)txn_get(txn, &CLASS_ROLE, ref))->subroles->element);
                Value *refs = g_new(Value, names->n + 1);

                for (size_t k = 0; k < names->n; k++)
                        refs[k].s = permission_ref(txn, known, names->items[k].s);
                slot_set(&((RoleRow *)txn_edit(txn, &CLASS_ROLE, ref))->subroles,
                         set_new(subroles->element, names->n, refs));
                g_free(refs);
                set_unref(names);
                set_unref(subroles);
        }
        txn_commit(txn, NULL, NULL);
}
