/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an executable of a storage plugin does around its method: one process is one call. No GLib here: such a process
 * lives for a millisecond, and half of it would be the loading. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define CALL_INPUT_MAX   (1u << 20) /* bytes of standard input */
#define FAILURE_TEXT_MAX 512u       /* bytes of one parameter, with its NUL; longer ones are cut */
#define FAILURE_PARAMS   3u

/* Why a method failed: a XenAPI error code, or a tag of the storage interface ("Volume_does_not_exist"). */
typedef struct Failure {
        const char *code;
        size_t n_params;
        char params[FAILURE_PARAMS][FAILURE_TEXT_MAX];
} Failure;

/* All return NULL, so that a method that fails says `return fail(...)`. */
void *fail(Failure *failure, const char *code, size_t n_params, ...); /* n_params `const char *` */
/* Codes with the parameters ["", text, details]. */
#define FAILURE_SR_NO_SPACE "SR_BACKEND_FAILURE_44"
#define FAILURE_VDI_SIZE    "SR_BACKEND_FAILURE_79"
#define FAILURE_SR_GENERAL  "SR_BACKEND_FAILURE"
#define FAILURE_BAD_CALL    "SR_BACKEND_FAILURE_101"
/* What a negative errno says to a client; ENOSPC and EDQUOT are number 44. `what` failed. */
void *fail_errno(Failure *failure, int r, const char *what);

/* A method takes the named parameters and returns its result, owned (json_null() for nothing), or NULL with *failure. */
typedef struct Method {
        const char *name; /* "Volume.create" */
        json_t *(*function)(json_t *args, Failure *failure);
} Method;

/* Named parameters. Missing or of the wrong type: *failure is set and NULL or false returned. Borrowed. */
const char *arg_string(json_t *args, const char *name, Failure *failure);
bool arg_int(json_t *args, const char *name, int64_t *ret, Failure *failure);
bool arg_bool(json_t *args, const char *name, bool *ret, Failure *failure);
json_t *arg_object(json_t *args, const char *name, Failure *failure);

/* The last part of argv[0] names the method, in any case of letters. Reads the parameters from standard input, writes
 * the result or the failure to standard output. Returns the exit status. `methods` ends with a NULL name. */
int call_main(const Method *methods, int argc, char **argv);
