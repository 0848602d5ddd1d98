/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

struct Service {
        Workers *workers;
        GHashTable *methods; /* ServiceMethod by name; borrowed */
        void *context;
};

struct ServiceReply {
        int fds[FRAME_FDS_MAX];
        size_t n_fds;
        bool deferred;
};

typedef struct ServiceWork {
        Service *service;
        const ServiceMethod *method;
        BusRequest *request;
} ServiceWork;

bool service_call_cancelled(const ServiceCall *call)
{
        return bus_request_cancelled(call->request);
}

void service_call_send_fd(const ServiceCall *call, int fd)
{
        assert(fd >= 0 && call->reply->n_fds < FRAME_FDS_MAX);
        call->reply->fds[call->reply->n_fds++] = fd;
}

BusRequest *service_call_defer(const ServiceCall *call)
{
        assert(!call->reply->deferred && call->reply->n_fds == 0);
        call->reply->deferred = true;
        return call->request;
}

json_t *service_internal_error(const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        return json_pack("[s,s]", "Internal_error", valid);
}

static void service_run(Service *service, const ServiceMethod *method, BusRequest *request)
{
        ServiceReply reply = { 0 };
        ServiceCall call = {
                .method = method->name,
                .params = bus_request_params(request),
                .traceparent = bus_request_traceparent(request),
                .deadline_usec = bus_request_deadline(request),
                .request = request,
                .reply = &reply,
        };
        call.n_fds = bus_request_fds(request, &call.fds);
        json_t *error = NULL;
        json_t *result = method->function(service->context, &call, &error);
        if (reply.deferred) {
                json_decref(result);
                json_decref(error);
                return;
        }
        assert(!result || !error);
        if (!result && !error)
                error = service_internal_error("%s failed without saying why", method->name);
        bus_request_respond(request, result, error, reply.fds, result ? reply.n_fds : 0);
        for (size_t i = 0; i < reply.n_fds; i++)
                close(reply.fds[i]);
}

static void service_work(void *data)
{
        ServiceWork *work = data;
        service_run(work->service, work->method, work->request);
        g_free(work);
}

static void service_on_request(BusRequest *request, void *data)
{
        Service *service = data;
        const char *name = bus_request_method(request);
        const ServiceMethod *method = g_hash_table_lookup(service->methods, name);
        if (!method) {
                bus_request_respond(request, NULL, service_internal_error("Unknown method %s", name), NULL,
                                    0);
                return;
        }
        if (method->on_loop) {
                service_run(service, method, request);
                return;
        }
        ServiceWork *work = g_new(ServiceWork, 1);
        *work = (ServiceWork){ .service = service, .method = method, .request = request };
        if (!workers_run(service->workers, method->urgent, service_work, work)) {
                bus_request_respond(request, NULL,
                                    service_internal_error("%s refused: too many operations at a time", name),
                                    NULL, 0);
                g_free(work);
        }
}

Service *service_new(Bus *bus, Workers *workers, const char *queue, const ServiceMethod *methods,
                     size_t n_methods, void *context)
{
        Service *service = g_new(Service, 1);
        *service = (Service){ .workers = workers,
                              .methods = g_hash_table_new(g_str_hash, g_str_equal),
                              .context = context };
        for (size_t i = 0; i < n_methods; i++)
                g_hash_table_insert(service->methods, (char *)methods[i].name, (void *)&methods[i]);
        bus_serve(bus, queue, service_on_request, service);
        return service;
}

void service_free(Service *service)
{
        if (!service)
                return;
        g_hash_table_unref(service->methods);
        g_free(service);
}

const char *service_operation_id(const char *debug_info)
{
        const char *newline = debug_info ? strchr(debug_info, '\n') : NULL;
        if (!newline || newline[1] == '\0' || newline[1] == '{' || g_str_has_prefix(newline + 1, "00-") ||
            strlen(newline + 1) > SERVICE_OPERATION_ID_MAX)
                return NULL;
        return newline + 1;
}
