/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A simulated domain and the guest in it: what it has, and what the guest does by itself and when. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

typedef enum SimLife { SIM_PAUSED, SIM_RUNNING, SIM_SHUTDOWN } SimLife;
/* What a guest was asked for, and why it shut down. */
typedef enum SimReason { SIM_NONE, SIM_POWEROFF, SIM_REBOOT, SIM_SUSPEND, SIM_CRASH } SimReason;

#define SIM_NEVER UINT64_MAX

typedef struct SimDevice {
        char *kind; /* "vbd" or "vif" */
        char *id;
        char *backend; /* what it is connected to: a disk's path, a bridge; "" is an empty drive */
        char *memo;    /* of xenopsd's: which disk it attached for it */
        bool carrier;
} SimDevice;

/* Under `lock`; domid and vm never change. */
typedef struct SimDomain {
        int64_t domid;
        char *vm;
        bool hvm, tools;
        bool built, device_model, rdp;
        SimLife life;
        SimReason reason; /* SIM_SHUTDOWN */
        int64_t memory_kib;
        int64_t vcpus;
        double shadow_multiplier;
        uint64_t started_usec; /* clock_real_usec; 0: not yet */
        /* What the guest was asked for and when it reacts, by clock_usec, unless it is paused then. */
        SimReason request;
        uint64_t acknowledge_usec, answer_usec;
        size_t n_devices;
        SimDevice *devices;

        /* The table's: */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool gone;     /* destroyed: nothing is written any more */
        bool announce; /* it shut down and nobody was told yet */
        unsigned refs;
        uint64_t due_usec; /* where it stands in the table's timers; SIM_NEVER: nowhere */
} SimDomain;

SimDomain *sim_domain_new(int64_t domid, const char *vm);
void sim_domain_free(SimDomain *domain);
json_t *sim_domain_to_json(const SimDomain *domain); /* owned */
/* Sets all that `json` says, domid and vm excepted. False, with nothing changed: it is no domain's. */
bool sim_domain_from_json(SimDomain *domain, const json_t *json);

void sim_domain_shut(SimDomain *domain, SimReason reason);
/* The guest is to do it, now being `now_usec`; SIM_NEVER: it never acknowledges, or never does. */
void sim_domain_request(SimDomain *domain, SimReason reason, uint64_t now_usec,
                        uint64_t acknowledge_after_usec, uint64_t answer_after_usec);
bool sim_domain_acknowledged(const SimDomain *domain, uint64_t now_usec);
/* Does what has become due; true when that changed anything. */
bool sim_domain_advance(SimDomain *domain, uint64_t now_usec);
/* When something becomes due next; SIM_NEVER: nothing will. */
uint64_t sim_domain_due(const SimDomain *domain, uint64_t now_usec);

SimDevice *sim_domain_device(SimDomain *domain, const char *kind, const char *id); /* NULL: not there */
/* A new one, or the same again with nothing in it; the caller fills it. */
SimDevice *sim_domain_add_device(SimDomain *domain, const char *kind, const char *id);
void sim_domain_remove_device(SimDomain *domain, const char *kind, const char *id);
const char *sim_reason_text(SimReason reason);
SimReason sim_reason_of(const char *text); /* SIM_NONE: no such reason */
