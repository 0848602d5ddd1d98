/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

void *fail(Failure *failure, const char *code, size_t n_params, ...)
{
        va_list ap;

        assert(n_params <= FAILURE_PARAMS);
        failure->code = code;
        failure->n_params = n_params;
        va_start(ap, n_params);
        for (size_t i = 0; i < n_params; i++)
                snprintf(failure->params[i], FAILURE_TEXT_MAX, "%s", va_arg(ap, const char *));
        va_end(ap);
        return NULL;
}

void *fail_errno(Failure *failure, int r, const char *what)
{
        char details[FAILURE_TEXT_MAX];

        assert(r < 0);
        snprintf(details, sizeof(details), "%s: %s", what, strerror(-r));
        switch (r) {
        case -ENOSPC:
        case -EDQUOT:
                return fail(failure, FAILURE_SR_NO_SPACE, 3, "", "There is insufficient space", details);
        case -EFBIG:
                return fail(failure, FAILURE_VDI_SIZE, 3, "", "The size is more than the file system allows",
                            details);
        default:
                return fail(failure, FAILURE_SR_GENERAL, 3, "", "The operation failed", details);
        }
}

const char *arg_string(json_t *args, const char *name, Failure *failure)
{
        json_t *value = json_object_get(args, name);

        if (!json_is_string(value))
                return fail(failure, FAILURE_BAD_CALL, 3, "", "A text was expected", name);
        return json_string_value(value);
}

bool arg_int(json_t *args, const char *name, int64_t *ret, Failure *failure)
{
        json_t *value = json_object_get(args, name);

        if (!json_is_integer(value))
                return fail(failure, FAILURE_BAD_CALL, 3, "", "A whole number was expected", name);
        *ret = json_integer_value(value);
        return true;
}

bool arg_bool(json_t *args, const char *name, bool *ret, Failure *failure)
{
        json_t *value = json_object_get(args, name);

        if (!json_is_boolean(value))
                return fail(failure, FAILURE_BAD_CALL, 3, "", "A truth value was expected", name);
        *ret = json_is_true(value);
        return true;
}

json_t *arg_object(json_t *args, const char *name, Failure *failure)
{
        json_t *value = json_object_get(args, name);

        if (!json_is_object(value))
                return fail(failure, FAILURE_BAD_CALL, 3, "", "A map was expected", name);
        return value;
}

static json_t *read_args(Failure *failure)
{
        static char input[CALL_INPUT_MAX + 1];
        size_t len = 0;
        ssize_t n;
        json_t *args;

        while ((n = read(STDIN_FILENO, input + len, sizeof(input) - len)) > 0)
                len += (size_t)n;
        if (n < 0)
                return fail_errno(failure, -errno, "Standard input");
        if (len > CALL_INPUT_MAX)
                return fail(failure, FAILURE_BAD_CALL, 3, "", "The parameters are too long", "");
        args = json_loadb(input, len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(args)) {
                json_decref(args);
                return fail(failure, FAILURE_BAD_CALL, 3, "", "The parameters are no JSON object", "");
        }
        return args;
}

static const Method *method_find(const Method *methods, const char *name)
{
        for (; methods->name != NULL; methods++)
                if (strcasecmp(methods->name, name) == 0)
                        return methods;
        return NULL;
}

static int write_document(json_t *document)
{
        int r;

        r = json_dumpf(document, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(document);
        return r < 0 || fflush(stdout) != 0 ? -EIO : 0;
}

static json_t *failure_document(const Failure *failure)
{
        json_t *params = json_array();

        for (size_t i = 0; i < failure->n_params; i++) {
                json_t *text = json_string(failure->params[i]);

                /* A text that was cut inside a character. */
                json_array_append_new(params, text != NULL ? text : json_string("?"));
        }
        return json_pack("{s:s, s:o, s:{s:s, s:[], s:[]}}", "code", failure->code, "params", params,
                         "backtrace", "error", failure->code, "files", "lines");
}

int call_main(const Method *methods, int argc, char **argv)
{
        const char *slash = strrchr(argv[0], '/');
        const char *name = slash != NULL ? slash + 1 : argv[0];
        const Method *method = method_find(methods, name);
        Failure failure = { 0 };
        json_t *args, *result = NULL;

        if (method == NULL || argc != 2 || strcmp(argv[1], "--json") != 0) {
                fprintf(stderr, "Usage: <METHOD> --json < PARAMETERS\nA storage plugin; called through a "
                                "link named after "
                                "one of its methods:\n");
                for (; methods->name != NULL; methods++)
                        fprintf(stderr, "  %s\n", methods->name);
                return 2;
        }
        args = read_args(&failure);
        if (args != NULL)
                result = method->function(args, &failure);
        json_decref(args);
        if (result == NULL) {
                write_document(failure_document(&failure));
                return 1;
        }
        return write_document(result) < 0 ? 3 : 0;
}
