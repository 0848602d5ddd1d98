/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-domain.h"
#include "message-switch/lib/cancel.h"

#include <string.h>

#include <glib.h>

#include "message-switch/lib/condition.h"

static const char *const life_texts[] = { "paused", "running", "shutdown" };
static const char *const reason_texts[] = { "none", "poweroff", "reboot", "suspend", "crash" };

const char *sim_reason_text(SimReason reason)
{
        return reason_texts[reason];
}

static int text_index(const char *const *texts, size_t n, const char *text)
{
        for (size_t i = 0; i < n; i++)
                if (g_str_equal(texts[i], text))
                        return (int)i;
        return -1;
}

SimReason sim_reason_of(const char *text)
{
        return (SimReason)MAX(text_index(reason_texts, G_N_ELEMENTS(reason_texts), text), 0);
}

SimDomain *sim_domain_new(int64_t domid, const char *vm)
{
        SimDomain *domain = g_new0(SimDomain, 1);
        domain->domid = domid;
        domain->vm = g_strdup(vm);
        domain->shadow_multiplier = 1.0;
        domain->refs = 1;
        domain->due_usec = SIM_NEVER;
        pthread_mutex_init(&domain->lock, NULL);
        condition_init(&domain->changed);
        return domain;
}

static void device_clear(SimDevice *device)
{
        g_free(device->kind);
        g_free(device->id);
        g_free(device->backend);
        g_free(device->memo);
}

static void devices_clear(SimDomain *domain)
{
        for (size_t i = 0; i < domain->n_devices; i++)
                device_clear(&domain->devices[i]);
        g_free(domain->devices);
        domain->devices = NULL;
        domain->n_devices = 0;
}

void sim_domain_free(SimDomain *domain)
{
        if (!domain)
                return;
        devices_clear(domain);
        pthread_cond_destroy(&domain->changed);
        pthread_mutex_destroy(&domain->lock);
        g_free(domain->vm);
        g_free(domain);
}

json_t *sim_domain_to_json(const SimDomain *domain)
{
        json_t *devices = json_array();
        for (size_t i = 0; i < domain->n_devices; i++) {
                const SimDevice *device = &domain->devices[i];
                json_array_append_new(devices, json_pack("{ss ss ss ss sb}", "kind", device->kind, "id",
                                                         device->id, "backend", device->backend, "memo",
                                                         device->memo, "carrier", device->carrier));
        }
        return json_pack(
            "{sI ss sb sb sb sb sb ss ss sI sI sf sI ss sI sI so}", "domid", (json_int_t)domain->domid, "vm",
            domain->vm, "hvm", domain->hvm, "tools", domain->tools, "built", domain->built, "device_model",
            domain->device_model, "rdp", domain->rdp, "life", life_texts[domain->life], "reason",
            reason_texts[domain->reason], "memory_kib", (json_int_t)domain->memory_kib, "vcpus",
            (json_int_t)domain->vcpus, "shadow_multiplier", domain->shadow_multiplier, "started_usec",
            (json_int_t)domain->started_usec, "request", reason_texts[domain->request], "acknowledge_usec",
            (json_int_t)domain->acknowledge_usec, "answer_usec", (json_int_t)domain->answer_usec, "devices",
            devices);
}

static bool devices_from_json(SimDomain *domain, const json_t *devices)
{
        size_t i;
        json_t *item;
        json_array_foreach(devices, i, item)
        {
                const char *kind, *id, *backend, *memo;
                int carrier;
                if (json_unpack(item, "{ss ss ss ss sb}", "kind", &kind, "id", &id, "backend", &backend,
                                "memo", &memo, "carrier", &carrier) < 0)
                        return false;
                SimDevice *device = sim_domain_add_device(domain, kind, id);
                g_free(device->backend);
                g_free(device->memo);
                device->backend = g_strdup(backend);
                device->memo = g_strdup(memo);
                device->carrier = carrier;
        }
        return true;
}

bool sim_domain_from_json(SimDomain *domain, const json_t *json)
{
        int hvm, tools, built, device_model, rdp;
        const char *life, *reason, *request;
        json_int_t memory_kib, vcpus, started_usec, acknowledge_usec, answer_usec;
        double shadow_multiplier;
        json_t *devices;
        if (json_unpack((json_t *)json, "{sb sb sb sb sb ss ss sI sI sF sI ss sI sI so}", "hvm", &hvm,
                        "tools", &tools, "built", &built, "device_model", &device_model, "rdp", &rdp, "life",
                        &life, "reason", &reason, "memory_kib", &memory_kib, "vcpus", &vcpus,
                        "shadow_multiplier", &shadow_multiplier, "started_usec", &started_usec, "request",
                        &request, "acknowledge_usec", &acknowledge_usec, "answer_usec", &answer_usec,
                        "devices", &devices) < 0)
                return false;
        int life_index = text_index(life_texts, G_N_ELEMENTS(life_texts), life);
        int reason_index = text_index(reason_texts, G_N_ELEMENTS(reason_texts), reason);
        int request_index = text_index(reason_texts, G_N_ELEMENTS(reason_texts), request);
        SimDomain read = { 0 };
        if (life_index < 0 || reason_index < 0 || request_index < 0 || !devices_from_json(&read, devices)) {
                devices_clear(&read);
                return false;
        }
        devices_clear(domain);
        domain->devices = read.devices;
        domain->n_devices = read.n_devices;
        domain->hvm = hvm;
        domain->tools = tools;
        domain->built = built;
        domain->device_model = device_model;
        domain->rdp = rdp;
        domain->life = (SimLife)life_index;
        domain->reason = (SimReason)reason_index;
        domain->memory_kib = memory_kib;
        domain->vcpus = vcpus;
        domain->shadow_multiplier = shadow_multiplier;
        domain->started_usec = (uint64_t)started_usec;
        domain->request = (SimReason)request_index;
        domain->acknowledge_usec = (uint64_t)acknowledge_usec;
        domain->answer_usec = (uint64_t)answer_usec;
        return true;
}

void sim_domain_shut(SimDomain *domain, SimReason reason)
{
        domain->life = SIM_SHUTDOWN;
        domain->reason = reason;
        domain->request = SIM_NONE;
        domain->announce = true;
}

void sim_domain_request(SimDomain *domain, SimReason reason, uint64_t now_usec,
                        uint64_t acknowledge_after_usec, uint64_t answer_after_usec)
{
        domain->request = reason;
        domain->acknowledge_usec =
            acknowledge_after_usec == SIM_NEVER ? SIM_NEVER : now_usec + acknowledge_after_usec;
        domain->answer_usec = answer_after_usec == SIM_NEVER ? SIM_NEVER : now_usec + answer_after_usec;
}

bool sim_domain_acknowledged(const SimDomain *domain, uint64_t now_usec)
{
        return domain->life == SIM_SHUTDOWN || (domain->life == SIM_RUNNING && domain->request != SIM_NONE &&
                                                now_usec >= domain->acknowledge_usec);
}

bool sim_domain_advance(SimDomain *domain, uint64_t now_usec)
{
        if (domain->life != SIM_RUNNING || domain->request == SIM_NONE || now_usec < domain->answer_usec)
                return false;
        sim_domain_shut(domain, domain->request);
        return true;
}

uint64_t sim_domain_due(const SimDomain *domain, uint64_t now_usec)
{
        if (domain->life != SIM_RUNNING || domain->request == SIM_NONE)
                return SIM_NEVER;
        return now_usec < domain->acknowledge_usec ? MIN(domain->acknowledge_usec, domain->answer_usec)
                                                   : domain->answer_usec;
}

SimDevice *sim_domain_device(SimDomain *domain, const char *kind, const char *id)
{
        for (size_t i = 0; i < domain->n_devices; i++)
                if (g_str_equal(domain->devices[i].kind, kind) && g_str_equal(domain->devices[i].id, id))
                        return &domain->devices[i];
        return NULL;
}

SimDevice *sim_domain_add_device(SimDomain *domain, const char *kind, const char *id)
{
        SimDevice *device = sim_domain_device(domain, kind, id);
        if (device) {
                device_clear(device);
        } else {
                domain->devices = g_renew(SimDevice, domain->devices, domain->n_devices + 1);
                device = &domain->devices[domain->n_devices++];
        }
        *device = (SimDevice){ g_strdup(kind), g_strdup(id), g_strdup(""), g_strdup(""), true };
        return device;
}

void sim_domain_remove_device(SimDomain *domain, const char *kind, const char *id)
{
        SimDevice *device = sim_domain_device(domain, kind, id);
        if (!device)
                return;
        device_clear(device);
        size_t index = (size_t)(device - domain->devices);
        memmove(device, device + 1, (domain->n_devices - index - 1) * sizeof *device);
        domain->n_devices--;
}
