/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-service.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct BusService {
        const BusInterface *interface;
        const void *functions;
        void *data;
        Service *service;
        ServiceMethod methods[];
};

static json_t *fail(const BusInterface *interface, void *error_taken, json_t **ret_error)
{
        *ret_error = bus_encode_error(interface, error_taken);
        bus_value_free(interface->error, error_taken);
        return NULL;
}

static json_t *invoke(const BusService *service, const BusMethod *method, const ServiceCall *call, void *args,
                      json_t **ret_error)
{
        const BusInterface *interface = service->interface;
        void *result = bus_alloc(1, method->result->size), *error = NULL;
        int outcome = method->invoke(service->functions, service->data, call, args, result, &error);
        json_t *json;

        if (outcome < 0) {
                json = fail(interface, bus_error_new_unimplemented(interface, method->name), ret_error);
        } else if (outcome == 0) {
                assert(error);
                json = fail(interface, error, ret_error);
        } else {
                assert(!error);
                json = bus_encode(method->result, result);
        }
        bus_value_free(method->result, result);
        return json;
}

static json_t *serve(void *context, const ServiceCall *call, json_t **ret_error)
{
        const BusService *service = context;
        const BusMethod *method = bus_interface_method(service->interface, call->method);
        BusReason reason;
        json_t *json;

        assert(method); /* only methods of the interface are in the table */
        void *args = bus_alloc(1, method->args_size);

        if (bus_decode_params(method, call->params, args, &reason)) {
                json = invoke(service, method, call, args, ret_error);
                bus_args_clear(method, args);
        } else {
                char *text = bus_printf("%s: parameters: %s", method->name, reason.text);

                json = fail(service->interface, bus_error_new_internal(service->interface, text), ret_error);
                free(text);
        }
        free(args);
        return json;
}

static bool names_have(const char *const *names, const char *name)
{
        for (; names && *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

BusService *bus_service_new(const BusInterface *interface, const void *functions, void *data,
                            const BusServiceOptions *options)
{
        BusService *service = bus_alloc(1, sizeof(BusService) + interface->n_methods * sizeof(ServiceMethod));

        for (const char *const *name = options->on_loop; name && *name; name++)
                assert(bus_interface_method(interface, *name));
        for (const char *const *name = options->urgent; name && *name; name++)
                assert(bus_interface_method(interface, *name));
        service->interface = interface;
        service->functions = functions;
        service->data = data;
        for (size_t i = 0; i < interface->n_methods; i++) {
                const char *name = interface->methods[i].name;

                service->methods[i] = (ServiceMethod){
                        .name = name,
                        .on_loop = names_have(options->on_loop, name),
                        .urgent = names_have(options->urgent, name),
                        .function = serve,
                };
        }
        service->service =
            service_new(options->bus, options->workers, options->queue ? options->queue : interface->queue,
                        service->methods, interface->n_methods, service);
        return service;
}

void bus_service_free(BusService *service)
{
        if (!service)
                return;
        service_free(service->service);
        free(service);
}
