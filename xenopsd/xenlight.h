/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The back end for Xen: libxenlight. Private to xenlight.c and xl-*.c. */
#pragma once

#include <stdint.h>

#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>

#include "backend.h"
#include "xl-table.h"

typedef struct XlEvents XlEvents;
typedef struct XlLog XlLog;

typedef struct Xenlight {
        Backend backend;
        Ledger *ledger;
        XlTable *table;
        XlEvents *events;
        struct XlGuests *guests; /* xl-guest.h */
        XlLog *look_log;
        libxl_ctx *look;       /* for questions that do not wait; any thread */
        char *path;            /* folder for what need not outlive a reboot */
        char *cores;           /* folder for the memory of crashed guests */
        char **kernel_folders; /* below which kernels that are given stand */
        int64_t plug_timeout_ms;
} Xenlight;

#define XL_CPUS_MAX 4096 /* of this host, that a VM's affinity can name */

/* Of one operation, on its thread. */
typedef struct XlContext {
        BackendContext base;
        XlLog *log;
        libxl_ctx *ctx; /* by xl_ctx: made when it is first needed */
        libxl_asyncop_how how;
        int wake_fd; /* written to when the operation is to end early */
        bool asking; /* a request to the guest goes on */
} XlContext;

/* A VM's domain as the table has it. */
typedef struct XlDomain {
        int64_t domid; /* XL_NO_DOMAIN: it is still to be built */
        bool hvm;
        struct XlPlan *plan; /* until it is built; borrowed */
} XlDomain;

Xenlight *xl_of(BackendContext *context);
/* libxl's context of the operation. NULL, with *error set: there is none to be had. */
libxl_ctx *xl_ctx(BackendContext *context, XenopsError **error);
/* A long call of libxl: xl_await(context, libxl_foo(ctx, ..., xl_how(context))) waits for its end, which comes early
 * when the operation is cancelled. Returns what libxl did: 0 or an ERROR_. */
const libxl_asyncop_how *xl_how(BackendContext *context);
int xl_await(BackendContext *context, int rc);
int xl_await_until(BackendContext *context, uint64_t deadline_usec, int rc); /* ERROR_TIMEDOUT after it */
/* What libxl's `rc` of this context means: Cancelled, or an Internal_error with `what` and the reason it logged. */
bool xl_fail(BackendContext *context, XenopsError **error, int rc, const char *what);

bool xl_fail_errno(XenopsError **error, const char *what, int r); /* r: a negative errno */

/* False, with *error Bad_power_state: the VM has none, nor is it to get one. */
bool xl_find(BackendContext *context, const char *vm, XlDomain *ret, XenopsError **error);
/* The same, and it is built. */
bool xl_domid(BackendContext *context, const char *vm, uint32_t *ret_domid, XenopsError **error);
/* libxl's name of a device, owned (g_free); NULL: it is not plugged. */
char *xl_device_node(BackendContext *context, const char *kind, const XenopsDeviceId *id);
/* The domain as Xen has it now. 0; ERROR_DOMAIN_NOTFOUND, also while it is being taken apart. Does not wait. */
int xl_domain_info(Xenlight *xenlight, int64_t domid, libxl_dominfo *ret);
/* Every domain with the VM's uuid; *ret of `n` domids, owned (g_free). */
size_t xl_domains_of(Xenlight *xenlight, const char *vm, uint32_t **ret);
BackendReason xl_reason(libxl_shutdown_reason reason);
bool xl_uuid(const char *vm, libxl_uuid *ret); /* false: the VM's id is no uuid */

/* xl-log.c: libxl's words into our log. */
XlLog *xl_log_new(void);
void xl_log_free(XlLog *log);
xentoollog_logger *xl_log_logger(XlLog *log);
char *
xl_log_first_error(XlLog *log); /* the first error it told of since the last call, owned (g_free), or NULL */

/* xl-context.c */
/* `hooks`, with `user`, or NULL, are its events'. NULL: Xen cannot be reached. */
libxl_ctx *xl_ctx_new(XlLog *log, const libxl_osevent_hooks *hooks, void *user);
BackendContext *xl_context_new(Backend *backend, Cancel *cancel);
void xl_context_free(BackendContext *context);

/* xl-events.c: what Xen tells by itself. On the loop, with a context of its own. */
XlEvents *xl_events_new(Xenlight *xenlight, char **ret_error);
void xl_events_free(XlEvents *events); /* on the loop's thread */
/* From now on the end of that domain is told of, once; again after it went on from a suspend. Any thread. */
void xl_events_watch(Xenlight *xenlight, uint32_t domid);
void xl_events_forget(Xenlight *xenlight, uint32_t domid);

/* xl-state.c */
char **xl_list(Backend *backend);
bool xl_stat(Backend *backend, const char *vm, BackendDomain *ret);
void xl_state(Backend *backend, const XenopsVm *vm, XenopsVmState *state);
bool xl_vbd_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret);
bool xl_vif_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret);
void xl_host_stat(Backend *backend, XenopsHost *host);
int64_t xl_total_memory_mib(Backend *backend);
char *xl_console_data(Backend *backend);
char *xl_diagnostics(Backend *backend);

/* xl-domain.c */
bool xl_create(BackendContext *context, const XenopsVm *vm, XenopsError **error);
bool xl_destroy(BackendContext *context, const XenopsVm *vm, XenopsError **error);
bool xl_build(BackendContext *context, const XenopsVm *vm, XenopsError **error);
/* Builds the domain, or restores it from the descriptor where that is not -1. */
bool xl_make(BackendContext *context, const XenopsVm *vm, int restore_fd, XenopsError **error);
bool xl_create_device_model(BackendContext *context, const XenopsVm *vm, XenopsError **error);
bool xl_unpause(BackendContext *context, const XenopsVm *vm, XenopsError **error);
bool xl_pause(BackendContext *context, const XenopsVm *vm, XenopsError **error);

/* xl-scope.c: gives the domain's device model, if it has one, a unit of its own, where there is systemd. */
void xl_scope_adopt(const char *vm, uint32_t domid);

/* xl-front-end.c */
/* Whether the domain has the device of that kind ("vbd", "vif") that libxl has under `node`. 1; 0; negative errno. */
int xl_device_there(uint32_t domid, const char *kind, const char *node);
/* Waits until the guest has connected to a device that was plugged, if it can be expected to: it runs, and has connected to
 * another of that kind. False, with *error: Device_attach_timeout after plug_timeout_ms, or Cancelled. */
bool xl_await_taken(BackendContext *context, uint32_t domid, const char *kind, const char *node,
                    XenopsError **error);

/* xl-xsdata.c */
bool xl_set_xsdata(BackendContext *context, const XenopsVm *vm, const BusDict *data, XenopsError **error);

/* xl-request.c: what guests are asked for. */
bool xl_request(BackendContext *context, const XenopsVm *vm, BackendReason reason, XenopsError **error);
int xl_wait_acknowledged(BackendContext *context, const char *vm, uint64_t deadline_usec);
int xl_wait_shut_down(BackendContext *context, const char *vm, uint64_t deadline_usec);

/* xl-image.c: a domain as a file. */
bool xl_save(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error);
bool xl_restore(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error);
bool xl_core_dump(BackendContext *context, const XenopsVm *vm, XenopsError **error);
bool xl_fast_resume(BackendContext *context, const XenopsVm *vm, XenopsError **error);

/* xl-disk.c */
bool xl_vbd_plug(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk, XenopsError **error);
bool xl_vbd_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error);
bool xl_vbd_change(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                   XenopsError **error);

/* QEMU 7.2 dies when a medium is put into a drive that never had one: drives without one begin with this file and are emptied
 * before the guest runs. */
#define XL_NO_MEDIUM "no-medium"
bool xl_disk_empty_drives(BackendContext *context, const char *vm, uint32_t domid, XenopsError **error);

/* xl-nic.c */
bool xl_vif_plug(BackendContext *context, const XenopsVif *vif, XenopsError **error);
bool xl_vif_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error);
bool xl_vif_change(BackendContext *context, const XenopsVif *vif, XenopsError **error);
/* Puts the ports of a domain that was just made onto their bridges. */
bool xl_nic_connect_all(BackendContext *context, const char *vm, XenopsError **error);

/* xl-console.c: where the domain's consoles are. Does not wait. */
void xl_console_state(Xenlight *xenlight, const XenopsVm *vm, uint32_t domid, XenopsVmState *state);

int xl_open_console(Backend *backend, const XenopsVm *vm, XenopsConsoleProtocol protocol,
                    XenopsError **error);
char *xl_console_vnc_path(const Xenlight *xenlight, const char *vm); /* the socket; owned (g_free) */
/* A connection, that does not block, or negative errno: -EAGAIN where a device model hangs, which nobody waits for. */
int xl_console_connect(const char *path);
/* The terminal, raw, that does not block; or negative errno: -ENOTTY: it is none; -EBUSY: somebody works at it, or it is another's. */
int xl_console_open_terminal(const char *path);

/* xl-tune.c: what changes while a domain runs. */
bool xl_set_vcpus(BackendContext *context, const XenopsVm *vm, int64_t vcpus, XenopsError **error);
bool xl_set_memory(BackendContext *context, const XenopsVm *vm, int64_t bytes, XenopsError **error);
bool xl_set_memory_range(BackendContext *context, const XenopsVm *vm, int64_t min_bytes, int64_t max_bytes,
                         XenopsError **error);
int64_t xl_memory_overhead(Backend *backend, const XenopsVm *vm);
