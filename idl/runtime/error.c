/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <stdarg.h>
#include <string.h>

XapiError *xapi_error_new_array(const char *code, size_t n, const char *const *params)
{
        XapiError *e = g_malloc(sizeof(XapiError) + n * sizeof(Str));
        e->code = str_new(code);
        e->n_params = n;
        for (size_t i = 0; i < n; i++)
                e->params[i] = str_new(params[i]);
        return e;
}

static XapiError *error_new_list(const char *code, va_list args)
{
        g_autoptr(GPtrArray) params = g_ptr_array_new();
        const char *param;
        while ((param = va_arg(args, const char *)))
                g_ptr_array_add(params, (char *)param);
        return xapi_error_new_array(code, params->len, (const char *const *)params->pdata);
}

XapiError *xapi_error_new(const char *code, ...)
{
        va_list args;
        va_start(args, code);
        XapiError *e = error_new_list(code, args);
        va_end(args);
        return e;
}

XapiError *xapi_error_copy(const XapiError *e)
{
        return xapi_error_new_array(e->code, e->n_params, e->params);
}

void xapi_error_free(XapiError *e)
{
        if (!e)
                return;
        str_unref(e->code);
        for (size_t i = 0; i < e->n_params; i++)
                str_unref(e->params[i]);
        g_free(e);
}

bool xapi_fail(XapiError **error, const char *code, ...)
{
        va_list args;
        if (!error)
                return false;
        va_start(args, code);
        *error = error_new_list(code, args);
        va_end(args);
        return false;
}

bool xapi_fail_internal(XapiError **error, const char *format, ...)
{
        va_list args;
        if (!error)
                return false;
        va_start(args, format);
        g_autofree char *text = g_strdup_vprintf(format, args);
        va_end(args);
        return xapi_fail(error, "INTERNAL_ERROR", text, NULL);
}

bool xapi_error_is(const XapiError *e, const char *code)
{
        return e && strcmp(e->code, code) == 0;
}

char *xapi_error_text(const XapiError *e)
{
        GString *text = g_string_new(e->code);
        g_string_append(text, ": [");
        for (size_t i = 0; i < e->n_params; i++)
                g_string_append_printf(text, "%s%s", i ? "; " : "", e->params[i]);
        g_string_append_c(text, ']');
        return g_string_free(text, FALSE);
}
