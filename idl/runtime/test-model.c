/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "model.h"
#include "xenapi.h"

static void test_names(void)
{
        g_assert_true(model_class("VM") == &CLASS_VM && model_class("host") == &CLASS_HOST);
        g_assert_true(!model_class("vm") && !model_class(""));
        const Message *start = model_message("VM.start");
        g_assert_true(start && start == model_message("VM_start"));
        g_assert_true(model_message("VM_metrics_get_record") == model_message("VM_metrics.get_record"));
        g_assert_true(!model_message("VM.nope") && !model_message("VM") && !model_message("vm.start"));
        g_assert_true(&model_messages[start->index] == start);
        g_assert_true(class_field(&CLASS_VM, "name_label") == &CLASS_VM.fields[VM_FIELD_name_label]);
        g_assert_null(class_field(&CLASS_VM, "name__label"));
        g_assert_cmpint(enum_index(&ENUM_VM_POWER_STATE, "Running"), ==, VM_POWER_STATE_RUNNING);
        g_assert_cmpint(enum_index(&ENUM_VM_POWER_STATE, "running"), ==, -1);
        g_assert_cmpstr(model_error(ERR_SR_FULL)->code, ==, "SR_FULL");
        g_assert_null(model_error("SR_FUL"));
        g_assert_cmpint(model_message_priority("VM_STARTED"), ==, 5);
        g_assert_cmpint(model_message_priority("nope"), ==, -1);
}

static void test_order(void)
{
        for (size_t i = 1; i < model_n_messages; i++)
                g_assert_cmpstr(model_messages[i - 1].name, <, model_messages[i].name);
        for (size_t i = 0; i < model_n_classes; i++) {
                const Class *c = model_classes[i];
                g_assert_cmpint(c->index, ==, (int)i);
                for (size_t j = 1; j < c->n_fields; j++)
                        g_assert_cmpstr(c->fields[j - 1].name, <, c->fields[j].name);
        }
}

static void test_roles(void)
{
        const uint32_t operators = ROLE_POOL_ADMIN | ROLE_POOL_OPERATOR;
        g_assert_cmphex(model_message("VM.set_name_label")->roles, ==,
                        operators | ROLE_VM_POWER_ADMIN | ROLE_VM_ADMIN);
        g_assert_cmphex(model_message("pool.set_wlb_enabled")->roles, ==, operators | ROLE_CLIENT_CERT);
        g_assert_cmphex(model_message("VM.get_record")->roles, ==, (1 << model_n_roles) - 1);
        g_assert_cmphex(model_message("VTPM.get_contents")->roles, ==, ROLE_LOCAL_ROOT);
        const Message *add = model_message("VM.add_to_other_config");
        g_assert_cmpuint(add->n_key_roles, >, 0);
        g_assert_true(add->key_roles[0].roles & ROLE_VM_OPERATOR);
}

/* Each end of a relation names the other, and its class. */
static void test_relations(void)
{
        size_t n = 0;
        for (size_t i = 0; i < model_n_classes; i++)
                for (size_t j = 0; j < model_classes[i]->n_fields; j++) {
                        const Field *f = &model_classes[i]->fields[j];
                        if (!f->other_class)
                                continue;
                        const Field *other = &f->other_class->fields[f->other_field];
                        g_assert_true(other->other_class == model_classes[i] && other->other_field == (int)j);
                        const Type *t = f->type->kind == TYPE_SET ? f->type->element : f->type;
                        g_assert_true(t->kind == TYPE_REF && t->class == f->other_class);
                        n++;
                }
        g_assert_cmpuint(n, ==, 2 * 62);
}

static void test_rows(void)
{
        Row *row = row_new(&CLASS_VM, "OpaqueRef:1");
        VmRow *vm = (VmRow *)row;
        g_assert_true(&row_values(row)[VM_FIELD_name_label].s == &vm->name_label);
        g_assert_cmpstr(vm->affinity, ==, NULL_REF);
        g_assert_cmpint(vm->power_state, ==, VM_POWER_STATE_HALTED);
        slot_str(&vm->name_label, "one");
        size_t len, len_again;
        const char *json = row_json(row, &len);
        g_assert_nonnull(strstr(json, "\"name_label\":\"one\""));
        g_assert_null(strstr(json, "recommended_guidances"));
        g_assert_true(row_json(row, &len_again) == json && len == len_again && strlen(json) == len);
        Row *copy = row_copy(row);
        slot_str(&((VmRow *)copy)->name_label, "two");
        g_assert_nonnull(strstr(row_json(copy, &len), "\"two\""));
        g_assert_nonnull(
            strstr(row_xml(row, &len), "<member><name>name_label</name><value>one</value></member>"));
        row_unref(row_ref(row));
        row_unref(copy);
        row_unref(row);
        row_unref(NULL);
}

static void *read_texts(void *row)
{
        size_t len;
        for (int i = 0; i < 100; i++) {
                const char *json = row_json(row, &len);
                g_assert_cmpuint(strlen(json), ==, len);
                const char *xml = row_xml(row, &len);
                g_assert_cmpuint(strlen(xml), ==, len);
                row_unref(row_copy(row));
                row_unref(row_ref(row));
        }
        return (void *)row_json(row, &len);
}

/* All threads get the same text, whoever made it. */
static void test_row_threads(void)
{
        for (int round = 0; round < 50; round++) {
                Row *row = row_new(&CLASS_VM, "OpaqueRef:1");
                pthread_t threads[4];
                for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                        g_assert_cmpint(pthread_create(&threads[i], NULL, read_texts, row), ==, 0);
                size_t len;
                const char *json = row_json(row, &len);
                for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
                        void *theirs;
                        pthread_join(threads[i], &theirs);
                        g_assert_true(theirs == json);
                }
                row_unref(row);
        }
}

static void test_handlers(void)
{
        g_assert_cmpint(model_message("VM.start")->handler, >=, 0);
        g_assert_cmpint(model_message("VBD.create")->handler, >=, 0);
        g_assert_cmpint(model_message("VM.set_is_a_template")->handler, >=, 0);
        g_assert_cmpint(model_message("VM.set_name_label")->handler, ==, -1);
        g_assert_cmpint(model_message("VM.get_record")->handler, ==, -1);
        g_assert_true(model_message("host.license_apply")->removed);
        g_assert_cmpint(model_message("host.license_apply")->handler, ==, -1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add_func("/model/names", test_names);
        g_test_add_func("/model/order", test_order);
        g_test_add_func("/model/roles", test_roles);
        g_test_add_func("/model/relations", test_relations);
        g_test_add_func("/model/rows", test_rows);
        g_test_add_func("/model/row-threads", test_row_threads);
        g_test_add_func("/model/handlers", test_handlers);
        return g_test_run();
}
