/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "role.h"

#include <string.h>

#include "rows.h"
#include "test-core.h"
#include "test-store-lib.h"
#include "xenapi.h"

/* From the least to the most that one may do. */
static const struct {
        const char *name;
        uint32_t bit;
} LADDER[] = {
        { "read-only", ROLE_READ_ONLY },         { "vm-operator", ROLE_VM_OPERATOR },
        { "vm-admin", ROLE_VM_ADMIN },           { "vm-power-admin", ROLE_VM_POWER_ADMIN },
        { "pool-operator", ROLE_POOL_OPERATOR }, { "pool-admin", ROLE_POOL_ADMIN },
};

static void test_names(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(LADDER); i++)
                g_assert_cmpuint(role_bit(LADDER[i].name), ==, LADDER[i].bit);
        g_assert_cmpuint(role_bit(""), ==, 0);
        g_assert_cmpuint(role_bit("Pool-Admin"), ==, 0);
        g_assert_cmpuint(role_bit("pool-admin "), ==, 0);
}

/* Whoever may do more may do all that those below may. */
static void test_ladder(void)
{
        for (size_t i = 0; i < model_n_messages; i++)
                for (size_t k = 0; k + 1 < G_N_ELEMENTS(LADDER); k++)
                        if (model_messages[i].roles & LADDER[k].bit)
                                g_assert_true(model_messages[i].roles & LADDER[k + 1].bit);
}

static bool allowed(const char *method, uint32_t roles)
{
        g_autoptr(XapiError) error = NULL;
        const Message *m = model_message(method);
        auto_str text = str_new("");
        Value params[] = { { .s = text }, { .s = text }, { .s = text }, { .s = text } };

        g_assert_nonnull(m);
        g_assert_cmpuint(m->n_params, <=, G_N_ELEMENTS(params));
        return role_check(m, params, roles, false, &error);
}

static void test_messages(void)
{
        static const struct {
                const char *method;
                uint32_t least;
        } NEEDED[] = {
                { "VM.get_all", ROLE_READ_ONLY },    { "event.from", ROLE_READ_ONLY },
                { "VM.start", ROLE_VM_OPERATOR },    { "VM.set_name_label", ROLE_VM_ADMIN },
                { "VM.destroy", ROLE_VM_ADMIN },     { "host.disable", ROLE_POOL_OPERATOR },
                { "SR.forget", ROLE_POOL_OPERATOR }, { "subject.destroy", ROLE_POOL_ADMIN },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(NEEDED); i++) {
                bool reached = false;

                for (size_t k = 0; k < G_N_ELEMENTS(LADDER); k++) {
                        reached |= LADDER[k].bit == NEEDED[i].least;
                        g_assert_cmpint(allowed(NEEDED[i].method, LADDER[k].bit), ==, reached);
                }
                g_assert_false(allowed(NEEDED[i].method, 0));
                g_assert_true(allowed(NEEDED[i].method, ROLE_READ_ONLY | NEEDED[i].least));
        }
        g_assert_true(allowed("session.login_with_password", 0)); /* who has no session has no role */
}

static void test_denial(void)
{
        XapiError *error = NULL;
        const Message *m = model_message("VM.get_uuid");
        auto_str text = str_new("");

        g_assert_false(role_check(m, &(Value){ .s = text }, 0, false, &error));
        g_assert_cmpstr(error->code, ==, ERR_RBAC_PERMISSION_DENIED);
        g_assert_cmpuint(error->n_params, ==, 2);
        g_assert_cmpstr(error->params[0], ==, "vm.get_uuid");
        g_assert_cmpstr(error->params[1], ==, "No permission in user session");
        g_clear_pointer(&error, xapi_error_free);
        g_assert_true(role_check(m, &(Value){ .s = text }, 0, true, &error));
}

/* ---- keys of maps ---- */

/* The permission that is lacking; NULL: none. */
static char *key_denied(const char *method, const char *key, uint32_t roles)
{
        g_autoptr(XapiError) error = NULL;
        auto_str ref = str_new("ref"), k = str_new(key);
        Value params[] = { { .s = ref }, { .s = k }, { .s = k } };

        if (role_check(model_message(method), params, roles, false, &error))
                return NULL;
        return g_strdup(error->params[0]);
}

static void check_key(const char *method, const char *key, uint32_t roles, const char *want)
{
        g_autofree char *got = key_denied(method, key, roles);

        g_assert_cmpstr(got, ==, want);
}

static void test_keys(void)
{
        static const char *const ADD = "VM.add_to_other_config", *const REMOVE =
                                                                     "VM.remove_from_other_config";

        check_key(ADD, "folder", ROLE_VM_OPERATOR, NULL);
        check_key(ADD, "XenCenter.CustomFields.colour", ROLE_VM_OPERATOR, NULL);
        check_key(ADD, "XenCenter.CustomFields.", ROLE_VM_OPERATOR, NULL);
        check_key(REMOVE, "folder", ROLE_VM_OPERATOR, NULL);
        check_key(ADD, "folder", ROLE_READ_ONLY, "vm.add_to_other_config/key:folder");
        check_key(ADD, "XenCenter.CustomFields", ROLE_VM_OPERATOR, "vm.add_to_other_config");
        check_key(ADD, "folders", ROLE_VM_OPERATOR, "vm.add_to_other_config");
        check_key(ADD, "other", ROLE_VM_ADMIN, NULL);
        check_key(ADD, "pci", ROLE_VM_ADMIN, "vm.add_to_other_config/key:pci");
        check_key(REMOVE, "pci", ROLE_POOL_OPERATOR, "vm.remove_from_other_config/key:pci");
        check_key(ADD, "pci", ROLE_POOL_ADMIN, NULL);
}

static bool map_allowed(const Map *before, const Map *after, uint32_t roles)
{
        g_autoptr(XapiError) error = NULL;

        return role_check_map(model_message("VM.set_other_config"), &CLASS_VM.fields[VM_FIELD_other_config],
                              before, after, roles, false, &error);
}

/* Replacing a map as a whole is no way around its keys. */
static void test_maps(void)
{
        const Type *type = CLASS_VM.fields[VM_FIELD_other_config].type;
        Map *none = map_empty(type), *plain = map_of_strings(type, "a", "b", NULL);
        Map *pci = map_of_strings(type, "pci", "0/0000:00:02.0", NULL);
        Map *more = map_of_strings(type, "pci", "0/0000:00:02.0", "a", "b", NULL);
        Map *other = map_of_strings(type, "pci", "0/0000:00:03.0", NULL);

        g_assert_true(map_allowed(none, plain, ROLE_VM_ADMIN));
        g_assert_true(map_allowed(plain, none, ROLE_VM_ADMIN));
        g_assert_true(map_allowed(pci, more, ROLE_VM_ADMIN)); /* left as it was */
        g_assert_false(map_allowed(none, pci, ROLE_VM_ADMIN));
        g_assert_false(map_allowed(pci, other, ROLE_VM_ADMIN));
        g_assert_false(map_allowed(more, plain, ROLE_VM_ADMIN));
        g_assert_false(map_allowed(NULL, pci, ROLE_VM_ADMIN));
        g_assert_true(map_allowed(none, pci, ROLE_POOL_ADMIN));
        map_unref(none);
        map_unref(plain);
        map_unref(pci);
        map_unref(more);
        map_unref(other);
}

static void test_records(void)
{
        g_autoptr(XapiError) error = NULL;
        const Message *m = model_message("VM.create");
        VmRow *vm = (VmRow *)row_new(&CLASS_VM, "");

        SLOT_STRINGS(vm->platform, "hvm_serial", "none");
        g_assert_true(role_check(m, &(Value){ .row = &vm->row }, ROLE_POOL_ADMIN, false, &error));
        g_assert_false(role_check(m, &(Value){ .row = &vm->row }, ROLE_VM_ADMIN, false, &error));
        g_assert_cmpstr(error->params[0], ==, "vm.create/key:hvm_serial");
        row_unref(&vm->row);
}

/* ---- what is shown ---- */

static void test_permissions(void)
{
        Set *reader = role_permissions(ROLE_READ_ONLY), *operator= role_permissions(ROLE_VM_OPERATOR);
        Set *again = role_permissions(ROLE_READ_ONLY);

        g_assert_true(reader == again);
        g_assert_true(set_contains_str(reader, "vm.get_all"));
        g_assert_false(set_contains_str(reader, "vm.start"));
        g_assert_false(set_contains_str(reader, "session.login_with_password"));
        g_assert_true(set_contains_str(operator, "vm.start"));
        g_assert_true(set_contains_str(operator, "vm.add_to_other_config/key:folder"));
        g_assert_false(set_contains_str(operator, "vm.add_to_other_config/key:pci"));
        set_unref(reader);
        set_unref(operator);
        set_unref(again);
}

static void check_role(Store *store, const char *name, uint32_t bit)
{
        size_t n;
        const Row **rows = store_rows_by_label(store, &CLASS_ROLE, name, &n);
        Set *permissions = role_permissions(bit);

        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpuint(((const RoleRow *)rows[0])->subroles->n, ==, permissions->n);
        set_unref(permissions);
        store_rows_free(rows, n);
}

static void test_objects(void)
{
        Store *store = test_store_memory();
        size_t n;

        roles_create(store);
        test_commit(txn_begin(store));
        n = store_count(store, &CLASS_ROLE);
        for (size_t i = 0; i < G_N_ELEMENTS(LADDER); i++)
                check_role(store, LADDER[i].name, LADDER[i].bit);
        roles_create(store); /* as at the next start */
        test_commit(txn_begin(store));
        g_assert_cmpuint(store_count(store, &CLASS_ROLE), ==, n);
        store_close(store);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/role/names", test_names);
        g_test_add_func("/role/ladder", test_ladder);
        g_test_add_func("/role/messages", test_messages);
        g_test_add_func("/role/denial", test_denial);
        g_test_add_func("/role/keys", test_keys);
        g_test_add_func("/role/maps", test_maps);
        g_test_add_func("/role/records", test_records);
        g_test_add_func("/role/permissions", test_permissions);
        g_test_add_func("/role/objects", test_objects);
        return g_test_run();
}
