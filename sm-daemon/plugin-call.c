/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "message-switch/lib/daemon.h"
#include "script.h"

bool json_text_depth_ok(const char *text, size_t len, unsigned max)
{
        unsigned depth = 0;
        bool quoted = false;

        for (size_t i = 0; i < len; i++) {
                if (quoted) {
                        if (text[i] == '\\')
                                i++;
                        else if (text[i] == '"')
                                quoted = false;
                } else if (text[i] == '"') {
                        quoted = true;
                } else if (text[i] == '{' || text[i] == '[') {
                        if (++depth > max)
                                return false;
                } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
                        depth--;
                }
        }
        return true;
}

/* The executable of a method, in whatever case of letters; NULL: there is none. Returns owned. */
static char *method_path(const char *folder, const char *method)
{
        char *path = g_build_filename(folder, method, NULL);
        struct dirent *entry;
        DIR *dir;

        if (access(path, F_OK) == 0)
                return path;
        g_free(path);
        dir = opendir(folder);
        if (dir == NULL)
                return NULL;
        do
                entry = readdir(dir);
        while (entry != NULL && strcasecmp(entry->d_name, method) != 0);
        path = entry != NULL ? g_build_filename(folder, entry->d_name, NULL) : NULL;
        closedir(dir);
        return path;
}

/* A failure in the shape in which plugins report theirs. */
static json_t *failure_new(const char *code, const char *param)
{
        return json_pack("{s:s, s:[s]}", "code", code, "params", param);
}

static json_t *backend_failure(const char *method, const char *what)
{
        g_autofree char *text = g_strdup_printf("%s %s", method, what);

        return json_pack("{s:s, s:[s,s,s]}", "code", PLUGIN_FAILURE, "params", "",
                         "The storage plugin failed", text);
}

static json_t *answer_parse(const Buffer *output)
{
        if (!json_text_depth_ok(output->data, output->len, PLUGIN_JSON_DEPTH_MAX))
                return NULL;
        return json_loadb(output->data, output->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
}

/* What an execution that ended by itself amounts to. */
static void take_answer(const char *method, const ScriptResult *script, json_t **ret_result,
                        json_t **ret_error)
{
        g_autofree char *status =
            g_strdup_printf("gave no answer that is JSON, and status %d", script->status);
        json_t *answer = answer_parse(&script->output);

        if (script->status == 0 && answer != NULL) {
                *ret_result = answer;
                return;
        }
        if (script->status != 0 && json_is_string(json_object_get(answer, "code"))) {
                *ret_error = answer;
                return;
        }
        json_decref(answer);
        *ret_error = backend_failure(method, status);
}

static bool operation_cancelled(void *data)
{
        const Operation *operation = data;

        return (operation->call != NULL && service_call_cancelled(operation->call)) ||
               (operation->unwanted != NULL && operation->unwanted(operation->unwanted_data));
}

static void run(const PluginCaller *caller, const char *path, const char *method, const char *input,
                json_t **ret_result, json_t **ret_error)
{
        static const char *const arguments[] = { "--json", NULL };
        const Operation *operation = caller->operation;
        Script script = {
                .path = path,
                .arguments = arguments,
                .input = input,
                .input_len = strlen(input),
                .deadline_usec = operation->deadline_usec,
                .cancelled =
                    operation->call != NULL || operation->unwanted != NULL ? operation_cancelled : NULL,
                .data = (void *)operation,
        };
        ScriptResult result;
        int r;

        r = script_run(&script, &result);
        if (r < 0) {
                *ret_error = backend_failure(method, g_strerror(-r));
                return;
        }
        if (result.end == SCRIPT_EXITED)
                take_answer(method, &result, ret_result, ret_error);
        else if (result.end == SCRIPT_CANCELLED)
                *ret_error = failure_new("Cancelled", method);
        else
                *ret_error = backend_failure(method, script_end_text(result.end));
        if (*ret_error != NULL)
                log_debug("Plugin failed", "SM_SCRIPT", path, "SM_END", script_end_text(result.end), NULL);
        buffer_clear(&result.output);
}

static BusOutcome plugin_call(BusCaller *base, const BusMethod *method, const json_t *params,
                              uint64_t timeout_usec, json_t **ret_result, json_t **ret_error)
{
        PluginCaller *caller = (PluginCaller *)base;
        g_autofree char *path = method_path(caller->folder, method->name);
        char *input;

        if (path == NULL) {
                *ret_error = failure_new("Unimplemented", method->name);
                return BUS_OK;
        }
        input = json_dumps(json_array_get(params, 0), JSON_COMPACT);
        g_assert(input != NULL);
        run(caller, path, method->name, input, ret_result, ret_error);
        free(input);
        return BUS_OK;
}

PluginCaller plugin_caller(const Plugin *plugin, const Operation *operation)
{
        return (PluginCaller){ .caller = { .call = plugin_call },
                               .folder = plugin->folder,
                               .operation = operation };
}

static BusStrings failure_params(const SmapiError *failed)
{
        BusStrings params = { 0 };

        for (size_t i = 0; i < failed->params.n; i++) {
                json_t *param = failed->params.items[i];
                char *text = json_is_string(param) ? NULL : json_dumps(param, JSON_COMPACT | JSON_ENCODE_ANY);

                bus_strings_add(&params, text != NULL ? text : json_string_value(param));
                free(text);
        }
        return params;
}

static void fail_by_code(StorageError **error, const char *code, const BusStrings *params)
{
        const char *first = params->n > 0 ? params->items[0] : "";

        if (strcmp(code, "Volume_does_not_exist") == 0)
                storage_fail_vdi_does_not_exist(error, first);
        else if (strcmp(code, "Sr_not_attached") == 0 || strcmp(code, "SR_does_not_exist") == 0)
                storage_fail_sr_not_attached(error, first);
        else if (strcmp(code, "Unimplemented") == 0)
                storage_fail_unimplemented(error, first);
        else if (strcmp(code, "Cancelled") == 0)
                storage_fail_cancelled(error, first);
        else if (strcmp(code, "Activated_on_another_host") == 0)
                storage_fail_activated_on_another_host(error, first);
        else
                storage_fail_backend_error(error, code, params);
}

bool plugin_fail(StorageError **error, SmapiError *failed)
{
        const BusFailure *failure = smapi_error_failure(failed);
        BusStrings params = { 0 };

        if (failure != NULL) {
                bus_strings_add(&params, "");
                bus_strings_add(&params, "The storage plugin failed");
                bus_strings_add(&params, failure->text);
                storage_fail_backend_error(error, PLUGIN_FAILURE, &params);
        } else {
                params = failure_params(failed);
                fail_by_code(error, failed->code, &params);
        }
        bus_strings_clear(&params);
        smapi_error_free(failed);
        return false;
}
