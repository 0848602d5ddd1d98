/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Client stubs and dispatch, with the bus between them replaced by this file. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "smapi.h"
#include "storage.h"
#include "xenops.h"

/* --- the bus: what was called, and what is answered --- */

static struct {
        json_t *params;
        char *queue, *method;
        Cancel *cancel;
        BusOutcome outcome;
        const char *reply;
        size_t n_fds; /* come with the reply */
        int fds[2];
} fake;

void bus_call_wait(Bus *bus, const BusCall *call, BusReply *ret_reply)
{
        json_decref(fake.params);
        g_free(fake.queue);
        g_free(fake.method);
        fake.params = json_deep_copy(call->params);
        fake.cancel = call->cancel;
        fake.queue = g_strdup(call->queue);
        fake.method = g_strdup(call->method);
        *ret_reply = (BusReply){ .outcome = fake.outcome, .n_fds = fake.n_fds };
        memcpy(ret_reply->fds, fake.fds, sizeof fake.fds);
        if (fake.outcome != BUS_OK)
                return;
        json_auto_t *body = json_loads(fake.reply, 0, NULL);
        json_t *error = json_object_get(body, "error");
        if (json_is_null(error))
                ret_reply->result = json_incref(json_object_get(body, "result"));
        else
                ret_reply->error = json_incref(error);
}

void bus_reply_clear(BusReply *reply)
{
        json_decref(reply->result);
        json_decref(reply->error);
        for (size_t i = 0; i < reply->n_fds; i++)
                if (reply->fds[i] >= 0)
                        close(reply->fds[i]);
        *reply = (BusReply){ 0 };
}

const char *bus_outcome_text(BusOutcome outcome)
{
        return outcome == BUS_TIMEOUT ? "the deadline passed" : "something else";
}

struct Service {
        const ServiceMethod *methods;
        size_t n_methods;
        void *context;
        char *queue;
};

static Service *served;

Service *service_new(Bus *bus, Workers *workers, const char *queue, const ServiceMethod *methods,
                     size_t n_methods, void *context)
{
        served = g_new(Service, 1);
        *served = (Service){
                .methods = methods, .n_methods = n_methods, .context = context, .queue = g_strdup(queue)
        };
        return served;
}

void service_free(Service *service)
{
        g_free(service->queue);
        g_free(service);
        served = NULL;
}

static void answer(BusOutcome outcome, const char *reply)
{
        fake.outcome = outcome;
        fake.reply = reply;
}

static void assert_called(const char *queue, const char *method, const char *params)
{
        g_autofree char *text = json_dumps(fake.params, JSON_COMPACT | JSON_SORT_KEYS);

        g_assert_cmpstr(fake.queue, ==, queue);
        g_assert_cmpstr(fake.method, ==, method);
        g_assert_cmpstr(text, ==, params);
}

/* --- calling --- */

static void test_call(void)
{
        XenopsError *error = NULL;
        char *task = NULL;
        double delay = 60;

        answer(BUS_OK, "{\"result\": \"t1\", \"error\": null, \"id\": 0}");
        g_assert_true(xenops_vm_shutdown(NULL, 0, "d", "v", &delay, &task, &error));
        g_assert_cmpstr(task, ==, "t1");
        free(task);
        assert_called("org.xen.xapi.xenops.classic", "VM.shutdown",
                      "[{\"debug_info\":\"d\",\"delay\":60.0,\"id\":\"v\"}]");
        g_assert_true(xenops_vm_shutdown(NULL, 0, "d", "v", NULL, NULL, &error));
        assert_called("org.xen.xapi.xenops.classic", "VM.shutdown", "[{\"debug_info\":\"d\",\"id\":\"v\"}]");
        answer(BUS_OK, "{\"result\": null, \"error\": null, \"id\": 0}");
        g_assert_true(xenops_debug_trigger(NULL, 0, "d", "c", NULL, &error));
        assert_called("org.xen.xapi.xenops.classic", "DEBUG.trigger",
                      "[{\"args\":[],\"cmd\":\"c\",\"debug_info\":\"d\"}]");
        g_assert_null(error);
}

static void test_call_cancellable(void)
{
        StorageError *error = NULL;
        Cancel cancel = { 0 };

        answer(BUS_OK, "{\"result\": null, \"error\": null, \"id\": 0}");
        g_assert_true(storage_dp_destroy(NULL, &cancel, 0, "d", "dp", false, &error));
        g_assert_true(fake.cancel == &cancel);
        g_assert_true(storage_sr_detach(NULL, 0, "d", "sr", &error)); /* not cancellable */
        g_assert_null(fake.cancel);
        answer(BUS_CANCELLED, NULL);
        g_assert_false(storage_dp_destroy(NULL, &cancel, 0, "d", "dp", false, &error));
        g_assert_cmpint(storage_error_failure(error)->outcome, ==, BUS_CANCELLED);
        storage_error_free(error);
}

static void test_call_error(void)
{
        XenopsError *error = NULL;
        char *task = NULL;

        answer(BUS_OK, "{\"result\": null, \"error\": [\"Does_not_exist\", [\"VM\", \"v\"]], \"id\": 0}");
        g_assert_false(xenops_vm_pause(NULL, 0, "d", "v", &task, &error));
        g_assert_cmpint(error->tag, ==, XENOPS_ERROR_DOES_NOT_EXIST);
        g_assert_cmpstr(error->does_not_exist.class, ==, "VM");
        g_assert_cmpstr(error->does_not_exist.id, ==, "v");
        xenops_error_free(g_steal_pointer(&error));
        answer(BUS_TIMEOUT, NULL);
        g_assert_false(xenops_vm_pause(NULL, 0, "d", "v", &task, &error));
        g_assert_cmpint(error->tag, ==, XENOPS_ERROR_FAILURE);
        g_assert_cmpint(error->failure.outcome, ==, BUS_TIMEOUT);
        char *text = xenops_error_text(error);

        g_assert_cmpstr(text, ==, "VM.pause: the deadline passed");
        free(text);
        xenops_error_free(g_steal_pointer(&error));
        g_assert_null(task);
}

/* Whatever comes, it is an error and not a crash. */
static void test_call_nonsense(void)
{
        static const char *const replies[] = {
                "{}",
                "{\"result\": 5, \"error\": null, \"id\": 0}",
                "{\"result\": null, \"error\": null, \"id\": 0}",
                "{\"result\": null, \"error\": 5, \"id\": 0}",
                "{\"result\": null, \"error\": [], \"id\": 0}",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
                XenopsError *error = NULL;
                char *task = NULL;

                answer(BUS_OK, replies[i]);
                g_assert_false(xenops_vm_pause(NULL, 0, "d", "v", &task, &error));
                g_assert_cmpint(xenops_error_failure(error)->outcome, ==, BUS_PROTOCOL);
                g_assert_null(task);
                xenops_error_free(error);
        }
}

static bool is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

static void send_fds(size_t n)
{
        fake.n_fds = n;
        for (size_t i = 0; i < n; i++)
                fake.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void test_call_fd(void)
{
        static const char good[] = "{\"result\": [\"Export\", \"disk\"], \"error\": null, \"id\": 0}";
        StorageDataChannel channel = { 0 };
        StorageError *error = NULL;
        int fd = -1;

        answer(BUS_OK, good);
        send_fds(1);
        g_assert_true(storage_vdi_open_data(NULL, 0, "d", "p", "s", "v", false, &channel, &fd, &error));
        g_assert_cmpstr(channel.export, ==, "disk");
        g_assert_cmpint(fd, ==, fake.fds[0]);
        g_assert_true(is_open(fd));
        close(fd);
        storage_data_channel_clear(&channel);
        send_fds(1);
        g_assert_true(storage_vdi_open_data(NULL, 0, "d", "p", "s", "v", false, &channel, NULL, &error));
        g_assert_false(is_open(fake.fds[0]));
        storage_data_channel_clear(&channel);
        for (size_t n = 0; n <= 2; n += 2) {
                send_fds(n);
                fd = -1;
                g_assert_false(
                    storage_vdi_open_data(NULL, 0, "d", "p", "s", "v", false, &channel, &fd, &error));
                g_assert_cmpint(storage_error_failure(error)->outcome, ==, BUS_PROTOCOL);
                g_assert_cmpint(fd, ==, -1);
                g_assert_null(channel.export);
                g_assert_false(n > 0 && is_open(fake.fds[0]));
                g_clear_pointer(&error, storage_error_free);
        }
        send_fds(1);
        answer(BUS_OK, "{\"result\": null, \"error\": [\"Internal_error\", \"no\"], \"id\": 0}");
        g_assert_false(storage_vdi_open_data(NULL, 0, "d", "p", "s", "v", false, &channel, &fd, &error));
        g_assert_cmpint(fd, ==, -1);
        g_assert_false(is_open(fake.fds[0]));
        storage_error_free(error);
        fake.n_fds = 0;
}

/* --- a carrier of calls that is not the bus --- */

typedef struct Script {
        BusCaller caller;
        BusOutcome outcome;
        const char *result, *error;
} Script;

static BusOutcome script_call(BusCaller *caller, const BusMethod *method, const json_t *params,
                              uint64_t timeout_usec, json_t **ret_result, json_t **ret_error)
{
        Script *script = (Script *)caller;

        g_assert_cmpstr(method->name, ==, "SR.attach");
        g_assert_cmpstr(json_string_value(json_object_get(json_array_get(params, 0), "dbg")), ==, "d");
        if (script->result)
                *ret_result = json_loads(script->result, JSON_DECODE_ANY, NULL);
        if (script->error)
                *ret_error = json_loads(script->error, JSON_DECODE_ANY, NULL);
        return script->outcome;
}

static void test_caller(void)
{
        Script script = { .caller.call = script_call, .result = "\"sr\"" };
        SmapiError *error = NULL;
        char *sr = NULL;

        g_assert_true(smapi_sr_attach(&script.caller, 0, "d", NULL, &sr, &error));
        g_assert_cmpstr(sr, ==, "sr");
        free(sr);
        script = (Script){ .caller.call = script_call, .error = "{\"code\": \"X\", \"params\": []}" };
        g_assert_false(smapi_sr_attach(&script.caller, 0, "d", NULL, &sr, &error));
        g_assert_null(smapi_error_failure(error));
        g_assert_cmpstr(error->code, ==, "X");
        smapi_error_free(g_steal_pointer(&error));
        script =
            (Script){ .caller.call = script_call, .error = "\"it died\"", .outcome = BUS_OUTCOME_UNKNOWN };
        g_assert_false(smapi_sr_attach(&script.caller, 0, "d", NULL, &sr, &error));
        g_assert_cmpint(smapi_error_failure(error)->outcome, ==, BUS_OUTCOME_UNKNOWN);
        g_assert_cmpstr(smapi_error_failure(error)->text, ==, "SR.attach: it died");
        smapi_error_free(error);
}

/* --- serving --- */

static bool vdi_resize(void *data, const ServiceCall *call, StorageVdiResizeArgs *args, int64_t *ret_result,
                       StorageError **error)
{
        g_assert_true(data == &fake);
        if (args->new_size < 0)
                return storage_fail_internal(error, "%" G_GINT64_FORMAT " is no size", args->new_size);
        *ret_result = args->new_size + 1;
        return true;
}

static bool sr_list(void *data, const ServiceCall *call, StorageSrListArgs *args, BusStrings *ret_result,
                    StorageError **error)
{
        bus_strings_add(ret_result, args->dbg);
        return true;
}

/* Takes what its args hold. */
static bool vdi_create(void *data, const ServiceCall *call, StorageVdiCreateArgs *args,
                       StorageVdiInfo *ret_result, StorageError **error)
{
        *ret_result = args->vdi_info;
        args->vdi_info = (StorageVdiInfo){ 0 };
        return true;
}

static const StorageService functions = { .vdi_resize = vdi_resize,
                                          .sr_list = sr_list,
                                          .vdi_create = vdi_create };

static void assert_serves(const char *method, const char *params, const char *wanted_result,
                          const char *wanted_error)
{
        json_t *in = json_loads(params, 0, NULL), *error = NULL, *result = NULL;

        for (size_t i = 0; i < served->n_methods; i++)
                if (strcmp(served->methods[i].name, method) == 0) {
                        ServiceCall call = { .method = served->methods[i].name, .params = in };

                        result = served->methods[i].function(served->context, &call, &error);
                }
        g_assert_true(!result == !!error);
        g_autofree char *text =
            json_dumps(result ? result : error, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

        g_assert_cmpstr(text, ==, result ? wanted_result : wanted_error);
        json_decref(in);
        json_decref(result);
        json_decref(error);
}

static void test_serve(void)
{
        static const char *const on_loop[] = { "SR.list", NULL }, *const urgent[] = { "VDI.detach", NULL };
        BusServiceOptions options = { .on_loop = on_loop, .urgent = urgent };
        BusService *service = storage_serve(&functions, &fake, &options);

        g_assert_cmpstr(served->queue, ==, "org.xen.xapi.storage");
        g_assert_cmpint(served->n_methods, ==, storage_interface.n_methods);
        for (size_t i = 0; i < served->n_methods; i++) {
                g_assert_true(served->methods[i].on_loop == !strcmp(served->methods[i].name, "SR.list"));
                g_assert_true(served->methods[i].urgent == !strcmp(served->methods[i].name, "VDI.detach"));
        }
        assert_serves("VDI.resize", "[{\"dbg\":\"d\",\"sr\":\"s\",\"vdi\":\"v\",\"new_size\":\"41\"}]", "42",
                      NULL);
        assert_serves("VDI.resize", "[{\"dbg\":\"d\",\"sr\":\"s\",\"vdi\":\"v\",\"new_size\":-1}]", NULL,
                      "[\"Internal_error\",\"-1 is no size\"]");
        assert_serves("VDI.resize", "[{\"dbg\":\"d\",\"sr\":\"s\",\"vdi\":\"v\"}]", NULL,
                      "[\"Internal_error\",\"VDI.resize: parameters: .new_size: is missing\"]");
        assert_serves(
            "VDI.resize", "[]", NULL,
            "[\"Internal_error\",\"VDI.resize: parameters: expected an object of named parameters\"]");
        assert_serves("SR.list", "[{\"dbg\":\"d\"}]", "[\"d\"]", NULL);
        assert_serves("SR.detach", "[{\"dbg\":\"d\",\"sr\":\"s\"}]", NULL,
                      "[\"Unimplemented\",\"SR.detach\"]");
        assert_serves(
            "VDI.create", "[{\"dbg\":\"d\",\"sr\":\"s\",\"vdi_info\":{\"vdi\":\"v\",\"name_label\":\"n\"}}]",
            "{\"cbt_enabled\":false,\"content_id\":\"\",\"is_a_snapshot\":false,\"metadata_of_pool\":\"\","
            "\"name_description\":\"\",\"name_label\":\"n\",\"persistent\":true,\"physical_utilisation\":0,"
            "\"read_only\":false,\"sharable\":false,\"sm_config\":{},\"snapshot_of\":\"\","
            "\"snapshot_time\":\"1970-01-01T00:00:00Z\",\"tags\":[],\"ty\":\"user\",\"vdi\":\"v\","
            "\"virtual_size\":0}",
            NULL);
        bus_service_free(service);
        bus_service_free(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/bus/stubs/call", test_call);
        g_test_add_func("/bus/stubs/call-cancellable", test_call_cancellable);
        g_test_add_func("/bus/stubs/call-error", test_call_error);
        g_test_add_func("/bus/stubs/call-nonsense", test_call_nonsense);
        g_test_add_func("/bus/stubs/call-fd", test_call_fd);
        g_test_add_func("/bus/stubs/caller", test_caller);
        g_test_add_func("/bus/stubs/serve", test_serve);
        int status = g_test_run();

        json_decref(fake.params);
        g_free(fake.queue);
        g_free(fake.method);
        return status;
}
