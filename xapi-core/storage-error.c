/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "storage-internal.h"

#define ATTEMPTS_MAX 5

static bool fail_backend(const StorageBackendFailure *f, size_t first, XapiError **error)
{
        size_t n = f->params.n > first ? f->params.n - first : 0;

        *error = xapi_error_new_array(f->code ? f->code : ERR_SR_BACKEND_FAILURE, n,
                                      (const char *const *)f->params.items + (n ? first : 0));
        return false;
}

static bool fail_sick(const StorageSrSickness *s, const char *sr, XapiError **error)
{
        return xapi_fail(error, ERR_SR_UNHEALTHY, sr, storage_sr_health_name(s->health), "", NULL);
}

static bool fail_other(const StorageError *e, XapiError **error)
{
        char *text = storage_error_text(e);

        xapi_fail_internal(error, "sm-daemon: %s", text);
        free(text);
        return false;
}

static const char *text(const char *s)
{
        return s ? s : "";
}

static bool fail(const char *sr, const char *vdi, const StorageError *e, XapiError **error)
{
        switch (e->tag) {
        case STORAGE_ERROR_BACKEND_ERROR:
                return fail_backend(&e->backend_error, 0, error);
        case STORAGE_ERROR_BACKEND_ERROR_WITH_BACKTRACE:
                return fail_backend(&e->backend_error_with_backtrace, 1, error);
        case STORAGE_ERROR_SR_NOT_ATTACHED:
                return xapi_fail(error, ERR_SR_NOT_ATTACHED, sr, NULL);
        case STORAGE_ERROR_SR_ATTACHED:
                return xapi_fail(error, ERR_SR_ATTACHED, sr, NULL);
        case STORAGE_ERROR_SR_UNHEALTHY:
                return fail_sick(&e->sr_unhealthy, sr, error);
        case STORAGE_ERROR_VDI_DOES_NOT_EXIST:
                return xapi_fail(error, ERR_VDI_MISSING, sr, vdi, NULL);
        case STORAGE_ERROR_UNIMPLEMENTED:
                return xapi_fail(error, ERR_SR_OPERATION_NOT_SUPPORTED, sr, NULL);
        case STORAGE_ERROR_NO_STORAGE_PLUGIN_FOR_SR:
                return xapi_fail(error, ERR_SR_UNKNOWN_DRIVER, text(e->no_storage_plugin_for_sr), NULL);
        case STORAGE_ERROR_CANCELLED:
                return xapi_fail(error, ERR_TASK_CANCELLED, text(e->cancelled), NULL);
        default:
                return fail_other(e, error);
        }
}

bool storage_fail(const char *sr, const char *vdi, StorageError *taken, XapiError **error)
{
        fail(sr, vdi, taken, error);
        storage_error_free(taken);
        return false;
}

bool storage_retry(StorageError **error, int *attempt)
{
        const BusFailure *failure = storage_error_failure(*error);

        if (!failure || failure->outcome != BUS_OUTCOME_UNKNOWN || ++*attempt >= ATTEMPTS_MAX)
                return false;
        storage_error_free(*error);
        *error = NULL;
        return true;
}
