/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making domains and taking them apart. libxl makes a domain with all its devices and its device model in one go, so that
 * what comes before is only noted down (xl-plan.h). */
#include <errno.h>
#include <unistd.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "xl-guest.h"
#include "xl-plan.h"

bool xl_create(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        Xenlight *xenlight = xl_of(context);
        libxl_uuid uuid;
        uint32_t *domids;
        if (!xl_uuid(vm->id, &uuid))
                return xenops_fail_internal(error, "the VM's id, %s, is no UUID: it can have no domain",
                                            vm->id);
        size_t n = xl_domains_of(xenlight, vm->id, &domids);
        g_free(domids);
        if (n > 0)
                return xenops_fail_already_exists(error, "domain", vm->id);
        int r = xl_table_add(xenlight->table, vm->id, vm->ty.tag == XENOPS_BUILDER_INFO_HVM);
        if (r == -EEXIST)
                return xenops_fail_already_exists(error, "domain", vm->id);
        if (r < 0)
                return xl_fail_errno(error, "cannot write down the domain", r);
        XlVm *found = xl_table_lock(xenlight->table, vm->id);
        found->plan = xl_plan_new(vm);
        xl_table_unlock(xenlight->table, found);
        return true;
}

/* Where it is ours: all there is of it, whoever made it and however far. */
static bool destroy_all(BackendContext *context, const char *vm, int64_t known, XenopsError **error)
{
        uint32_t *found;
        size_t n = xl_domains_of(xl_of(context), vm, &found);
        g_autofree uint32_t *domids = found;
        bool known_found = known == XL_NO_DOMAIN;
        libxl_ctx *ctx = n > 0 || !known_found ? xl_ctx(context, error) : NULL;
        if (!ctx)
                return n == 0 && known_found;
        for (size_t i = 0; i < n; i++) {
                int rc = xl_await(context, libxl_domain_destroy(ctx, domids[i], xl_how(context)));
                if (rc != 0 && rc != ERROR_DOMAIN_NOTFOUND)
                        return xl_fail(context, error, rc, "cannot destroy the domain");
                known_found = known_found || domids[i] == known;
        }
        return true;
}

static void forget_vm(Xenlight *xenlight, const char *vm, int64_t domid)
{
        g_autofree char *vnc = xl_console_vnc_path(xenlight, vm);
        if (domid != XL_NO_DOMAIN) {
                xl_events_forget(xenlight, (uint32_t)domid);
                xl_guests_forget(xenlight->guests, (uint32_t)domid);
        }
        unlink(vnc);
}

bool xl_destroy(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        Xenlight *xenlight = xl_of(context);
        XlVm *found = xl_table_lock(xenlight->table, vm->id);
        if (!found)
                return true;
        int64_t domid = found->domid;
        XlPlan *plan = g_steal_pointer(&found->plan);
        xl_table_unlock(xenlight->table, found);
        xl_plan_free(plan);
        if (!destroy_all(context, vm->id, domid, error))
                return false;
        forget_vm(xenlight, vm->id, domid);
        int r = xl_table_remove(xenlight->table, vm->id);
        return r == 0 || xl_fail_errno(error, "cannot write down that the domain has gone", r);
}

static bool check_memory(BackendContext *context, libxl_ctx *ctx, libxl_domain_config *config,
                         XenopsError **error)
{
        uint64_t needed_kib, free_kib;
        if (libxl_domain_need_memory(ctx, config, INVALID_DOMID, &needed_kib) != 0 ||
            libxl_get_free_memory(ctx, &free_kib) != 0)
                return xl_fail(context, error, ERROR_FAIL, "cannot tell how much memory the domain needs");
        return needed_kib <= free_kib ||
               xenops_fail_cannot_free_this_much_memory(error, (int64_t)needed_kib, (int64_t)free_kib);
}

/* The domain is there, paused. */
static bool note_domain(BackendContext *context, const XenopsVm *vm, uint32_t domid, XenopsError **error)
{
        Xenlight *xenlight = xl_of(context);
        XlVm *found = xl_table_lock(xenlight->table, vm->id);
        if (!found)
                return xenops_fail_domain_not_built(error);
        found->domid = domid;
        found->started_usec = clock_real_usec();
        XlPlan *plan = g_steal_pointer(&found->plan);
        int r = xl_table_commit(xenlight->table, found);
        xl_plan_free(plan);
        if (r < 0)
                return xl_fail_errno(error, "cannot write down the domain", r);
        xl_events_watch(xenlight, domid);
        xl_guests_watch(xenlight->guests, vm->id, domid);
        xl_scope_adopt(vm->id, domid);
        return xl_disk_empty_drives(context, vm->id, domid, error) &&
               xl_nic_connect_all(context, vm->id, error);
}

static int make_domain(BackendContext *context, libxl_ctx *ctx, libxl_domain_config *config, int restore_fd,
                       uint32_t *ret_domid)
{
        libxl_domain_restore_params params;
        *ret_domid = (uint32_t)INVALID_DOMID;
        if (restore_fd < 0)
                return xl_await(context,
                                libxl_domain_create_new(ctx, config, ret_domid, xl_how(context), NULL));
        libxl_domain_restore_params_init(&params);
        params.stream_version = 2;
        int rc = xl_await(context, libxl_domain_create_restore(ctx, config, ret_domid, restore_fd, -1,
                                                               &params, xl_how(context), NULL));
        libxl_domain_restore_params_dispose(&params);
        return rc;
}

/* Of a PVH guest's, which all are there (xl-plan), those that it is to have later on. */
static bool take_processors_back(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        return vm->ty.tag != XENOPS_BUILDER_INFO_PVH || vm->vcpus == vm->vcpu_max ||
               xl_set_vcpus(context, vm, vm->vcpus, error);
}

bool xl_make(BackendContext *context, const XenopsVm *vm, int restore_fd, XenopsError **error)
{
        XlDomain domain;
        libxl_domain_config config;
        uint32_t domid;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_find(context, vm->id, &domain, error))
                return false;
        if (!domain.plan)
                return xenops_fail_already_exists(error, "domain", vm->id);
        libxl_domain_config_init(&config);
        bool good = xl_plan_config(xl_of(context), vm, domain.plan, &config, error) &&
                    check_memory(context, ctx, &config, error);
        if (good) {
                int rc = make_domain(context, ctx, &config, restore_fd, &domid);
                good = rc == 0 ? note_domain(context, vm, domid, error)
                               : xl_fail(context, error, rc, "cannot build the domain");
                good = good && take_processors_back(context, vm, error);
                if (!good && domid != (uint32_t)INVALID_DOMID)
                        libxl_domain_destroy(ctx, domid, NULL);
        }
        libxl_domain_config_dispose(&config);
        return good;
}

bool xl_build(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        return xl_make(context, vm, -1, error);
}

bool xl_create_device_model(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        return true; /* it came with the domain */
}

static bool check_paused(BackendContext *context, const XenopsVm *vm, bool paused, XenopsError **error)
{
        BackendDomain domain;
        if (!xl_stat(context->backend, vm->id, &domain))
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED,
                                                   paused ? XENOPS_POWER_STATE_PAUSED
                                                          : XENOPS_POWER_STATE_RUNNING);
        return (domain.paused == paused && !domain.shut_down) ||
               xenops_fail_bad_power_state(
                   error, domain.paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING,
                   paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING);
}

bool xl_unpause(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        uint32_t domid;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_domid(context, vm->id, &domid, error) || !check_paused(context, vm, true, error))
                return false;
        int rc = xl_await(context, libxl_domain_unpause(ctx, domid, xl_how(context)));
        return rc == 0 || xl_fail(context, error, rc, "cannot unpause the domain");
}

bool xl_pause(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        uint32_t domid;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_domid(context, vm->id, &domid, error) || !check_paused(context, vm, false, error))
                return false;
        int rc = xl_await(context, libxl_domain_pause(ctx, domid, xl_how(context)));
        return rc == 0 || xl_fail(context, error, rc, "cannot pause the domain");
}
