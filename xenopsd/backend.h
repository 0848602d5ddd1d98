/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What runs domains: the hypervisor's side of every operation. One file a back end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "message-switch/lib/cancel.h"
#include "message-switch/lib/loop.h"
#include "xenops.h"

typedef struct Backend Backend; /* each back end's own struct begins with it */

/* Of one operation, on the thread that does it: what a back end needs for itself there. Its own struct begins so. */
typedef struct BackendContext {
        Backend *backend;
        Cancel *cancel; /* waits end when this is asked for */
} BackendContext;

typedef enum BackendReason {
        BACKEND_NO_REASON,
        BACKEND_POWEROFF,
        BACKEND_REBOOT,
        BACKEND_SUSPEND,
        BACKEND_CRASH,
} BackendReason;

typedef struct BackendDomain {
        int64_t domid;
        bool paused;
        bool shut_down;       /* the guest ended; the domain is still there */
        BackendReason reason; /* shut_down */
        int64_t memory_kib;   /* that it has */
        int64_t vcpus;        /* that are online */
} BackendDomain;

/* A device as the domain has it. */
typedef struct BackendDevice {
        bool carrier;
        char *memo; /* what the plugger wanted to be remembered; owned (g_free) */
} BackendDevice;

/* What a disk's bytes are reached by. */
typedef struct BackendDisk {
        const char *path; /* of a file or block device; NULL: only `nbd`, or an empty drive */
        const char *nbd;  /* NBD URI; NULL: only `path` */
        const char *memo; /* to be remembered with the device */
} BackendDisk;

/* Functions that can fail return false with *error set and leave things as they were. Those that take a context run
 * on its thread and may wait; the others run on any thread, the loop's too, and do not wait. `vm` is borrowed. */
typedef struct BackendOperations {
        const char *name;
        bool save_asks;                 /* `save` asks the guest by itself, and takes a domain that runs */
        void (*free)(Backend *backend); /* the loop must run, or be freed, after */
        /* From now on events are told of. */
        void (*start)(Backend *backend);
        BackendContext *(*context_new)(Backend *backend, Cancel *cancel);
        void (*context_free)(BackendContext *context);

        char **(*list)(Backend *backend); /* the VMs that have a domain; owned (g_strfreev) */
        bool (*stat)(Backend *backend, const char *vm, BackendDomain *ret); /* false: the VM has no domain */
        /* Overwrites what the domain knows better than the configuration; nothing if there is none. */
        void (*state)(Backend *backend, const XenopsVm *vm, XenopsVmState *state);
        bool (*vbd_stat)(Backend *backend, const XenopsDeviceId *id,
                         BackendDevice *ret); /* false: not plugged */
        bool (*vif_stat)(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret);

        /* The steps of a start. A domain is created paused. What destroy does not find is no error. */
        bool (*create)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        bool (*destroy)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        bool (*set_memory)(BackendContext *context, const XenopsVm *vm, int64_t bytes, XenopsError **error);
        /* Between what squeezed may move the domain's memory, for squeezed to find. */
        bool (*set_memory_range)(BackendContext *context, const XenopsVm *vm, int64_t min_bytes,
                                 int64_t max_bytes, XenopsError **error);
        /* What a domain takes of the host's memory beside its own, in bytes. NULL: nothing. */
        int64_t (*memory_overhead)(Backend *backend, const XenopsVm *vm);
        bool (*build)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        bool (*create_device_model)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        bool (*unpause)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        bool (*pause)(BackendContext *context, const XenopsVm *vm, XenopsError **error);

        bool (*vbd_plug)(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                         XenopsError **error);
        bool (*vbd_unplug)(BackendContext *context, const XenopsDeviceId *id, bool force,
                           XenopsError **error);
        /* Another medium in a drive that is plugged. */
        bool (*vbd_change)(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                           XenopsError **error);
        bool (*vif_plug)(BackendContext *context, const XenopsVif *vif, XenopsError **error);
        bool (*vif_unplug)(BackendContext *context, const XenopsDeviceId *id, bool force,
                           XenopsError **error);
        /* Makes a plugged interface as `vif` now says. */
        bool (*vif_change)(BackendContext *context, const XenopsVif *vif, XenopsError **error);

        /* Asks the guest. Then both waits: 0; -ETIME: the deadline (clock_usec) passed; -ECANCELED; -ESRCH. */
        bool (*request)(BackendContext *context, const XenopsVm *vm, BackendReason reason,
                        XenopsError **error);
        int (*wait_acknowledged)(BackendContext *context, const char *vm, uint64_t deadline_usec);
        int (*wait_shut_down)(BackendContext *context, const char *vm, uint64_t deadline_usec);
        /* Of a domain that shut down for BACKEND_SUSPEND (but see save_asks): its state to the path, and back into a created domain in
         * place of build; or it goes on where it stopped. */
        bool (*save)(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error);
        bool (*restore)(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error);
        bool (*fast_resume)(BackendContext *context, const XenopsVm *vm, XenopsError **error);

        /* Of a domain that crashed: its memory to a file, in place of the VM's last one. NULL: there is nothing to see. */
        bool (*core_dump)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        /* What the guest sees is now `data`, no longer vm->xsdata. NULL: no guest looks. */
        bool (*set_xsdata)(BackendContext *context, const XenopsVm *vm, const BusDict *data,
                           XenopsError **error);

        bool (*set_vcpus)(BackendContext *context, const XenopsVm *vm, int64_t vcpus, XenopsError **error);
        bool (*set_shadow_multiplier)(BackendContext *context, const XenopsVm *vm, double multiplier,
                                      XenopsError **error);
        bool (*request_rdp)(BackendContext *context, const XenopsVm *vm, bool enabled, XenopsError **error);
        bool (*s3suspend)(BackendContext *context, const XenopsVm *vm, XenopsError **error);
        bool (*s3resume)(BackendContext *context, const XenopsVm *vm, XenopsError **error);

        /* A socket or terminal that is the domain's console, owned, non-blocking; -1 with *error set: it has none of that
         * kind. It ends with the domain. Any thread but the loop's. */
        int (*open_console)(Backend *backend, const XenopsVm *vm, XenopsConsoleProtocol protocol,
                            XenopsError **error);

        void (*host_stat)(Backend *backend, XenopsHost *host); /* its hypervisor and chipset */
        int64_t (*total_memory_mib)(Backend *backend);
        char *(*console_data)(Backend *backend); /* owned (free) */
        char *(*diagnostics)(Backend *backend);  /* owned (free) */
        /* DEBUG.trigger: for tests. */
        bool (*trigger)(Backend *backend, const char *command, const BusStrings *arguments,
                        XenopsError **error);
} BackendOperations;

/* Told by the back end, on any thread, without a lock held. */
typedef struct BackendEvents {
        void (*shut_down)(const char *vm, void *data); /* a guest ended, whether it was asked to or not */
        void (*changed)(const char *vm, void *data);   /* what `state` tells is another */
        /* A guest wants what is in that drive taken out. It may say so of any disk, at any rate. */
        void (*ejected)(const char *vm, const char *device, void *data);
        void *data;
} BackendEvents;

struct Backend {
        const BackendOperations *operations;
        Loop *loop;
        BackendEvents events;
};

typedef struct SimulatorSettings {
        const char *path; /* folder of the simulated hypervisor */
        int64_t memory_mib;
        int64_t guest_delay_ms; /* until a guest has done what it was asked for */
} SimulatorSettings;
/* NULL: *ret_error says why (g_free). */
Backend *simulator_new(const SimulatorSettings *settings, Loop *loop, const BackendEvents *events,
                       char **ret_error);

typedef struct XenlightSettings {
        const char
            *cores;       /* folder for the memory of crashed guests, one file a VM; made when it is needed */
        const char *path; /* folder for what need not outlive a reboot */
        const char
            *kernel_folders; /* separated by colons: kernels that are given to VMs stand below one of them */
        int64_t plug_timeout_ms; /* for a guest that runs to take a device */
} XenlightSettings;
/* Xen, by libxenlight; in builds that have it. NULL: *ret_error says why (g_free). */
Backend *xenlight_new(const XenlightSettings *settings, Loop *loop, const BackendEvents *events,
                      char **ret_error);
