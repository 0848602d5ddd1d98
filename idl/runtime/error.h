/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An error that can reach a XenAPI client: a code of the data model and its parameters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "str.h"

/* Functions that can fail so return false (or NULL) and set *error, which must point at a NULL pointer; on success
 * they leave *error alone. `error` itself is never NULL. Codes are those of idl/xenapi/errors.idl (generated
 * constants ERR_VM_BAD_POWER_STATE...), or a code that a plugin chose. */
typedef struct XapiError {
        Str code;
        size_t n_params;
        Str params[];
} XapiError;

/* Parameters are `const char *`, copied, ended by NULL. Returns owned. */
XapiError *xapi_error_new(const char *code, ...) __attribute__((sentinel));
XapiError *xapi_error_new_array(const char *code, size_t n, const char *const *params);
XapiError *xapi_error_copy(const XapiError *e);
void xapi_error_free(XapiError *e);
/* Sets *error, unless error is NULL, when nobody asks why; returns false, so that a check reads `return xapi_fail(error,
 * ERR_X, a, NULL);`. */
bool xapi_fail(XapiError **error, const char *code, ...) __attribute__((sentinel));
/* INTERNAL_ERROR with one formatted text. Returns false. */
bool xapi_fail_internal(XapiError **error, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool xapi_error_is(const XapiError *e, const char *code); /* e may be NULL: false */
char *xapi_error_text(const XapiError *e); /* "CODE: [a; b]" for logs; returns owned (g_free) */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(XapiError, xapi_error_free)
