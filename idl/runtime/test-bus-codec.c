/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "idl/bus/bus-catalogue.h"
#include "json-text.h"

static json_t *parse(const char *text)
{
        static const JsonLimits limits = { .depth = 64, .values = 10000 };
        json_t *json = json_text_read(text, strlen(text), &limits, NULL);

        g_assert_nonnull(json);
        return json;
}

static bool reads(const BusType *type, const char *text, void *ret)
{
        json_t *json = parse(text);
        BusReason reason;
        bool good = bus_decode(type, json, ret, &reason);

        json_decref(json);
        return good;
}

static void assert_writes(const BusType *type, const void *value, const char *text)
{
        json_t *json = bus_encode(type, value);
        g_autofree char *got = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

        g_assert_cmpstr(got, ==, text);
        json_decref(json);
}

/* Reads `text` and writes it as `wanted`. */
static void assert_becomes(const BusType *type, const char *text, const char *wanted)
{
        g_autofree void *value = g_malloc0(type->size + 1);

        g_assert_true(reads(type, text, value));
        assert_writes(type, value, wanted);
        bus_value_clear(type, value);
}

static void assert_refuses(const BusType *type, const char *text, const char *why)
{
        g_autofree char *value = g_malloc(type->size + 1);
        json_t *json = parse(text);
        BusReason reason;

        g_assert_false(bus_decode(type, json, value, &reason));
        g_assert_cmpstr(reason.text, ==, why);
        for (size_t i = 0; i < type->size; i++)
                g_assert_cmpint(value[i], ==, 0);
        json_decref(json);
}

static void test_numbers(void)
{
        assert_becomes(&bus_type_int, "5", "5");
        assert_becomes(&bus_type_int, "\"-5\"", "-5");
        assert_becomes(&bus_type_int, "\"9223372036854775807\"", "9223372036854775807");
        assert_refuses(&bus_type_int, "\"9223372036854775808\"", "expected an integer");
        assert_refuses(&bus_type_int, "\"\"", "expected an integer");
        assert_refuses(&bus_type_int, "\" 5\"", "expected an integer");
        assert_refuses(&bus_type_int, "\"5x\"", "expected an integer");
        assert_refuses(&bus_type_int, "5.5", "expected an integer");
        assert_refuses(&bus_type_int, "true", "expected an integer");
        assert_becomes(&bus_type_float, "1", "1.0");
        assert_becomes(&bus_type_float, "\"1.5\"", "1.5");
        assert_becomes(&bus_type_float, "\"inf\"", "\"inf\"");
        assert_becomes(&bus_type_float, "\"-Infinity\"", "\"-inf\"");
        assert_becomes(&bus_type_float, "\"nan\"", "\"nan\"");
        assert_refuses(&bus_type_float, "\"\"", "expected a number");
        assert_becomes(&bus_type_bool, "true", "true");
        assert_refuses(&bus_type_bool, "1", "expected true or false");
        assert_refuses(&bus_type_bool, "\"true\"", "expected true or false");
}

static void test_strings(void)
{
        char *null = NULL, *bad = (char *)"a\xff\xc0\xafz\xed\xa0\x80";

        assert_becomes(&bus_type_string, "\"\u00e9\"", "\"\u00e9\"");
        assert_refuses(&bus_type_string, "5", "expected a string");
        assert_writes(&bus_type_string, &null, "\"\"");
        assert_writes(&bus_type_string, &bad, "\"a\ufffd\ufffd\ufffdz\ufffd\ufffd\ufffd\"");
        char *good[] = { (char *)"\xc2\x80", (char *)"\xe0\xa0\x80", (char *)"\xf4\x8f\xbf\xbf" };

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *text = g_strdup_printf("\"%s\"", good[i]);

                assert_writes(&bus_type_string, &good[i], text);
        }
        BusPair pair = { .key = (char *)"\xff", .value = (char *)"v" };
        BusDict dict = { .n = 1, .items = &pair };
        const BusMethod *set_xsdata = bus_interface_method(&xenops_interface, "VM.set_xsdata");

        assert_writes(set_xsdata->params[2].type, &dict, "{\"\ufffd\":\"v\"}");
}

/* Text that C cannot hold, or that could not be passed on, is not taken: nothing is cut, nothing becomes another's name. */
static void test_no_text(void)
{
        const BusType *dict = bus_interface_method(&xenops_interface, "VM.set_xsdata")->params[2].type;
        XenopsVif vif;

        assert_refuses(&bus_type_string, "\"a\\u0000\"", "a string has a NUL in it");
        assert_refuses(&bus_type_string, "\"a\xff\"", "a string is not UTF-8");
        assert_refuses(&bus_type_string, "\"\xed\xa0\x80\"", "a string is not UTF-8"); /* a surrogate */
        assert_refuses(dict, "{\"a\\u0000b\":\"\"}", "a key has a NUL in it");
        assert_refuses(dict, "{\"\xc0\xaf\":\"\"}", "a key is not UTF-8");
        assert_refuses(dict, "{\"k\":\"\xff\"}", ".k: a string is not UTF-8");
        assert_refuses(&bus_type_int, "\"5\\u0000\"", "expected an integer");
        assert_refuses(&bus_type_float, "\"5\\u0000\"", "expected a number");
        assert_refuses(&xenops_type_power_state, "\"Running\\u0000\"",
                       "expected PowerState (a tag that is known)");
        assert_refuses(&bus_type_any, "[{\"a\":[\"\xff\"]}]", "a string is not UTF-8");
        assert_refuses(&bus_type_any, "{\"\\u0000\":1}", "a key has a NUL in it");
        assert_becomes(&bus_type_any, "{\"\u00e9\":[\"\u00e9\",1,null]}", "{\"\u00e9\":[\"\u00e9\",1,null]}");
        g_assert_true(reads(&xenops_type_vif, "{\"MTU\\u0000\": 9000}", &vif));
        g_assert_cmpint(vif.mtu, ==, 1500);
        xenops_vif_clear(&vif);
}

static void test_records(void)
{
        XenopsVif vif;

        /* Nothing at all: every default. */
        g_assert_true(reads(&xenops_type_vif, "{}", &vif));
        g_assert_cmpint(vif.mtu, ==, 1500);
        g_assert_cmpstr(vif.mac, ==, "fe:ff:ff:ff:ff:ff");
        g_assert_cmpint(vif.backend.tag, ==, XENOPS_NETWORK_LOCAL);
        g_assert_cmpstr(vif.backend.local, ==, "xenbr0");
        g_assert_true(vif.carrier && !vif.rate && !vif.vlan);
        xenops_vif_clear(&vif);
        /* Names in any case; a wrong value is the default; null is none; what is unknown is ignored. */
        g_assert_true(
            reads(&xenops_type_vif,
                  "{\"MTU\": \"9000\", \"carrier\": \"no\", \"vlan\": null, \"rate\": [\"1\", 2], \"x\": 1}",
                  &vif));
        g_assert_cmpint(vif.mtu, ==, 9000);
        g_assert_true(vif.carrier && !vif.vlan);
        g_assert_cmpint(vif.rate->kbytes_per_s, ==, 1);
        xenops_vif_clear(&vif);
        assert_refuses(&xenops_type_vbd_state, "{\"active\": true}", ".plugged: is missing");
        assert_refuses(&xenops_type_vbd_state, "[]", "expected VbdState (an object)");
        assert_refuses(&xenops_type_vif_stat, "[{}, {\"active\": 1}]",
                       ".state.active: expected true or false");
        /* An option of a record whose value is wrong is wrong, unless it has a default. */
        assert_refuses(&xenops_type_task_completion, "{\"result\": 1}", ".duration: is missing");
        assert_refuses(&storage_type_operation_status,
                       "{\"failed\": true, \"complete\": true, \"progress\": {}}",
                       ".progress: expected a number");
        assert_becomes(&storage_type_operation_status,
                       "{\"failed\": true, \"complete\": true, \"progress\": \"1\"}",
                       "{\"complete\":true,\"failed\":true,\"progress\":1.0}");
        assert_becomes(&storage_type_operation_status, "{\"failed\": true, \"complete\": true}",
                       "{\"complete\":true,\"failed\":true}");
}

static void test_variants(void)
{
        assert_becomes(&xenops_type_disk, "[\"vdi\", \"a/b\"]", "[\"VDI\",\"a/b\"]");
        assert_becomes(&xenops_type_power_state, "\"HALTED\"", "\"Halted\"");
        assert_becomes(&xenops_type_power_state, "[\"Halted\", null]", "\"Halted\"");
        assert_refuses(&xenops_type_power_state, "\"Sleeping\"", "expected PowerState (a tag that is known)");
        assert_refuses(&xenops_type_power_state, "[\"Halted\", 1]", "expected PowerState (a tag alone)");
        assert_refuses(&xenops_type_disk, "\"VDI\"", ".VDI: expected a string");
        assert_refuses(&xenops_type_disk, "[]", "expected Disk (a tag)");
        assert_refuses(&xenops_type_disk, "[\"VDI\", \"a\", \"b\"]", "expected Disk (a tag)");
        assert_becomes(&xenops_type_video_card, "\"Matrox\"", "\"Cirrus\"");
        assert_becomes(&xenops_type_error, "[\"Never_heard_of\", 1]", "\"Unknown_error\"");
        /* What is local to us cannot come from outside. */
        assert_becomes(&xenops_type_error, "[\"failure\", {\"outcome\": 1, \"text\": \"\"}]",
                       "\"Unknown_error\"");
        /* null as what a tag carries is not written. */
        assert_becomes(&xenops_type_task_state, "[\"Failed\", null]", "\"Failed\"");
        assert_becomes(&xenops_type_task_state, "[\"Failed\", [\"Cancelled\", \"x\"]]",
                       "[\"Failed\",[\"Cancelled\",\"x\"]]");
        assert_becomes(&storage_type_error, "[\"Redirect\", []]", "[\"Redirect\",[]]");
        assert_becomes(&storage_type_error, "[\"Redirect\", [\"a\"]]", "[\"Redirect\",[\"a\"]]");
}

static void test_containers(void)
{
        const BusType *map = bus_interface_method(&xenops_interface, "VM.set_xsdata")->params[2].type;
        const BusType *list = bus_interface_method(&storage_interface, "SR.list")->result;
        const BusType *option =
            bus_interface_method(&network_interface, "Network.Interface.get_ipv4_gateway")->result;

        assert_becomes(map, "{}", "{}");
        assert_refuses(map, "[]", "expected {string} (an object)");
        assert_refuses(map, "{\"a\": 1}", ".a: expected a string");
        assert_becomes(list, "[\"a\", \"b\"]", "[\"a\",\"b\"]");
        assert_refuses(list, "{}", "expected [string] (an array)");
        assert_refuses(list, "[\"a\", 1]", ".[]: expected a string");
        assert_becomes(option, "[]", "[]");
        assert_becomes(option, "[\"a\"]", "[\"a\"]");
        assert_becomes(option, "null", "[]");
        assert_refuses(option, "\"a\"", "expected [] or [value]");
        assert_refuses(&xenops_type_device_id, "[\"a\"]", "expected DeviceId (an array of its members)");
        assert_refuses(&xenops_type_device_id, "[\"a\", 1]", ".device: expected a string");
}

static json_t *params_again(const char *method_name, const char *text)
{
        const BusMethod *method = NULL;

        for (size_t i = 0; i < BUS_CATALOGUE_N && !method; i++)
                method = bus_interface_method(bus_catalogue[i], method_name);
        g_autofree void *args = g_malloc0(method->args_size);
        json_t *params = parse(text);
        BusReason reason;
        bool good = bus_decode_params(method, params, args, &reason);

        json_decref(params);
        if (!good)
                return json_string(reason.text);
        json_t *again = bus_encode_params(method, args);

        bus_args_clear(method, args);
        return again;
}

static void assert_params(const char *method, const char *text, const char *wanted)
{
        json_t *again = params_again(method, text);
        g_autofree char *got = json_dumps(again, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

        g_assert_cmpstr(got, ==, wanted);
        json_decref(again);
}

static void test_params(void)
{
        assert_params("VM.start", "[{\"debug_info\": \"d\", \"ID\": \"v\", \"paused\": false}]",
                      "[{\"debug_info\":\"d\",\"id\":\"v\",\"paused\":false}]");
        assert_params("VM.start", "[{\"debug_info\": \"d\", \"id\": \"v\"}]", "\".paused: is missing\"");
        assert_params("VM.start", "[]", "\"expected an object of named parameters\"");
        assert_params("VM.shutdown", "[{\"debug_info\": \"d\", \"id\": \"v\", \"delay\": 5}]",
                      "[{\"debug_info\":\"d\",\"delay\":5.0,\"id\":\"v\"}]");
        assert_params("VM.shutdown", "[{\"debug_info\": \"d\", \"id\": \"v\"}]",
                      "[{\"debug_info\":\"d\",\"id\":\"v\"}]");
        /* unit is written even where it did not come. */
        assert_params("VM.list", "[{\"debug_info\": \"d\"}]", "[{\"debug_info\":\"d\",\"unit\":null}]");
        assert_params("Network.clear_state", "[null]", "[null]");
        assert_params("Network.Interface.set_ipv4_conf",
                      "[{\"name\": \"eth0\"}, \"d\", [\"Static4\", [[\"1.2.3.4\", 24]]]]",
                      "[{\"name\":\"eth0\"},\"d\",[\"Static4\",[[\"1.2.3.4\",24]]]]");
        assert_params("reserve_memory", "[\"d\", \"s\", \"1024\"]", "[\"d\",\"s\",1024]");
        assert_params("reserve_memory", "[\"d\", \"s\"]", "\".kib: is missing\"");
        assert_params("reserve_memory", "[\"d\", \"s\", 1, 2]", "[\"d\",\"s\",1]");
}

static void test_errors(void)
{
        StorageError *error = NULL;

        g_assert_false(storage_fail_backend_error(&error, "SR_BACKEND_FAILURE_1", NULL));
        json_t *json = bus_encode_error(&storage_interface, error);

        g_assert_cmpint(json_array_size(json), ==, 2);
        storage_error_free(error);
        error = bus_decode_error(&storage_interface, json);
        json_decref(json);
        g_assert_cmpint(error->tag, ==, STORAGE_ERROR_BACKEND_ERROR);
        g_assert_cmpstr(error->backend_error.code, ==, "SR_BACKEND_FAILURE_1");
        g_assert_null(storage_error_failure(error));
        g_autofree char *text = storage_error_text(error);

        g_assert_cmpstr(text, ==, "[\"Backend_error\",[\"SR_BACKEND_FAILURE_1\",[]]]");
        storage_error_free(error);

        /* What cannot be taken is told as it can be. */
        json = parse("[\"Backend_error\", [\"\xff\", []]]");
        error = bus_decode_error(&storage_interface, json);
        json_decref(json);
        g_assert_cmpstr(storage_error_failure(error)->text, ==, "[\"Backend_error\",[\"\ufffd\",[]]]");
        storage_error_free(error);

        /* What is no error of the interface at all. */
        json = parse("{\"what\": 1}");
        error = bus_decode_error(&storage_interface, json);
        json_decref(json);
        g_assert_cmpint(storage_error_failure(error)->outcome, ==, BUS_PROTOCOL);
        g_assert_cmpint(error->tag, ==, STORAGE_ERROR_FAILURE);
        json = bus_encode_error(&storage_interface, error);
        storage_error_free(error);
        g_assert_cmpstr(json_string_value(json_array_get(json, 0)), ==, "Internal_error");
        json_decref(json);

        error = bus_error_new_unimplemented(&storage_interface, "VDI.revert");
        g_assert_cmpstr(error->unimplemented, ==, "VDI.revert");
        storage_error_free(error);
        NetworkError *network_error = bus_error_new_unimplemented(&network_interface, "Network.Sriov.enable");

        g_assert_cmpstr(network_error->internal_error, ==, "Network.Sriov.enable is not implemented");
        network_error_free(network_error);
        /* An error that is a record (plugins). */
        json = parse("{\"code\": \"X\", \"params\": [\"a\"]}");
        SmapiError *plugin_error = bus_decode_error(&smapi_interface, json);

        json_decref(json);
        g_assert_cmpstr(plugin_error->code, ==, "X");
        g_assert_null(smapi_error_failure(plugin_error));
        smapi_error_free(plugin_error);
}

static void test_helpers(void)
{
        BusDict dict = { 0 }, copy;
        BusStrings strings = { 0 };

        bus_dict_set(&dict, "a", "1");
        bus_dict_set(&dict, "b", "2");
        bus_dict_set(&dict, "a", bus_dict_get(&dict, "a"));
        bus_dict_set(&dict, "c", "3");
        bus_dict_remove(&dict, "b");
        bus_dict_remove(&dict, "b");
        g_assert_cmpint(dict.n, ==, 2);
        g_assert_cmpstr(bus_dict_get(&dict, "a"), ==, "1");
        g_assert_null(bus_dict_get(&dict, "b"));
        g_assert_cmpstr(bus_dict_get(&dict, "c"), ==, "3");
        bus_dict_copy(&copy, &dict);
        bus_dict_clear(&dict);
        g_assert_cmpint(copy.n, ==, 2);
        g_assert_cmpstr(bus_dict_get(&copy, "a"), ==, "1");
        g_assert_cmpstr(bus_dict_get(&copy, "c"), ==, "3");
        bus_dict_clear(&copy);
        bus_dict_copy(&copy, &dict);
        g_assert_cmpint(copy.n, ==, 0);
        for (int i = 0; i < 20; i++)
                bus_strings_add(&strings, "x");
        g_assert_cmpint(strings.n, ==, 20);
        bus_strings_clear(&strings);
        g_assert_null(bus_interface_method(&xenops_interface, "VM.startx"));
        g_assert_cmpstr(xenops_action_name(XENOPS_ACTION_PAUSE), ==, "Pause");
}

/* --- every type there is --- */

static json_t *random_json(GRand *rand, const BusType *type);

static json_t *random_members(GRand *rand, const BusType *type)
{
        json_t *json = type->kind == BUS_TUPLE ? json_array() : json_object();

        for (size_t i = 0; i < type->n_fields; i++) {
                const BusType *of = type->fields[i].type;

                if (type->fields[i].local)
                        continue;
                if (type->kind == BUS_TUPLE)
                        json_array_append_new(json, random_json(rand, of));
                else if (of->kind != BUS_OPTION)
                        json_object_set_new(json, type->fields[i].name, random_json(rand, of));
                else if (g_rand_boolean(rand))
                        json_object_set_new(json, type->fields[i].name, random_json(rand, of->element));
        }
        return json;
}

static json_t *random_items(GRand *rand, const BusType *type, int n)
{
        json_t *json = type->kind == BUS_DICT ? json_object() : json_array();

        for (int i = 0; i < n; i++) {
                g_autofree char *key = g_strdup_printf("key %d", i);

                if (type->kind == BUS_DICT)
                        json_object_set_new(json, key, random_json(rand, type->element));
                else
                        json_array_append_new(json, random_json(rand, type->element));
        }
        return json;
}

static json_t *random_tag(GRand *rand, const BusType *type)
{
        const BusTag *tag;

        do
                tag = &type->tags[g_rand_int_range(rand, 0, (int)type->n_tags)];
        while (tag->local);
        if (!tag->type)
                return json_string(tag->name);
        json_t *json = json_array();

        json_array_append_new(json, json_string(tag->name));
        json_array_append_new(json, random_json(rand, tag->type));
        return json;
}

/* As we would write it. */
static json_t *random_json(GRand *rand, const BusType *type)
{
        switch (type->kind) {
        case BUS_UNIT:
                return json_null();
        case BUS_BOOL:
                return json_boolean(g_rand_boolean(rand));
        case BUS_INT:
                return json_integer((json_int_t)((uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand)));
        case BUS_FLOAT:
                return json_real(g_rand_double(rand));
        case BUS_STRING:
                return json_string(g_rand_boolean(rand) ? "text" : "");
        case BUS_ANY:
                return json_pack("{s:[i]}", "any", 1);
        case BUS_OPTION:
                return random_items(rand, type, g_rand_int_range(rand, 0, 2));
        case BUS_LIST:
        case BUS_DICT:
                return random_items(rand, type, g_rand_int_range(rand, 0, 3));
        case BUS_RECORD:
        case BUS_TUPLE:
                return random_members(rand, type);
        case BUS_ENUM:
        case BUS_VARIANT:
                return random_tag(rand, type);
        }
        g_assert_not_reached();
}

static void round_trip(const BusType *type, const json_t *json)
{
        g_autofree void *value = g_malloc0(type->size + 1);
        BusReason reason;

        if (!bus_decode(type, json, value, &reason))
                g_error("%s: %s", type->name, reason.text);
        void *copy = bus_value_dup(type, value);

        bus_value_clear(type, value);
        json_t *again = bus_encode(type, copy);

        if (!json_equal(json, again)) {
                g_autofree char *a = json_dumps(json, JSON_ENCODE_ANY),
                                *b = json_dumps(again, JSON_ENCODE_ANY);

                g_error("%s: %s became %s", type->name, a, b);
        }
        json_decref(again);
        bus_value_free(type, copy);
}

static void check_defaults(const BusType *type)
{
        for (size_t i = 0; i < type->n_fields; i++) {
                const BusField *field = &type->fields[i];

                if (!field->local)
                        check_defaults(field->type);
                if (!field->default_json || strcmp(field->default_json, "null") == 0)
                        continue;
                const BusType *of = field->type->kind == BUS_OPTION ? field->type->element : field->type;
                json_t *json = parse(field->default_json);

                round_trip(of, json);
                json_decref(json);
        }
        for (size_t i = 0; i < type->n_tags; i++)
                if (type->tags[i].type)
                        check_defaults(type->tags[i].type);
        if (type->element)
                check_defaults(type->element);
}

static void test_all_types(void)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed((uint32_t)g_test_rand_int());
        const BusType *type;

        for (size_t i = 0; (type = bus_catalogue_type(i)); i++) {
                g_autofree char *zero = g_malloc0(type->size + 1);

                check_defaults(type);
                json_decref(bus_encode(type, zero));
                for (int j = 0; j < 20; j++) {
                        json_t *json = random_json(rand, type);

                        round_trip(type, json);
                        json_decref(json);
                }
        }
}

static void test_tables(void)
{
        for (size_t i = 0; i < BUS_CATALOGUE_N; i++) {
                const BusInterface *interface = bus_catalogue[i];

                for (size_t j = 0; j < interface->n_methods; j++) {
                        const BusMethod *method = &interface->methods[j];

                        g_assert_true(bus_interface_method(interface, method->name) == method);
                        g_assert_cmpint(strlen(method->description), >, 0);
                        g_assert_true(!interface->queue == !method->invoke);
                }
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/bus/codec/numbers", test_numbers);
        g_test_add_func("/bus/codec/strings", test_strings);
        g_test_add_func("/bus/codec/no-text", test_no_text);
        g_test_add_func("/bus/codec/records", test_records);
        g_test_add_func("/bus/codec/variants", test_variants);
        g_test_add_func("/bus/codec/containers", test_containers);
        g_test_add_func("/bus/codec/params", test_params);
        g_test_add_func("/bus/codec/errors", test_errors);
        g_test_add_func("/bus/codec/helpers", test_helpers);
        g_test_add_func("/bus/codec/all-types", test_all_types);
        g_test_add_func("/bus/codec/tables", test_tables);
        return g_test_run();
}
