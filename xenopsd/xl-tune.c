/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes while a domain runs: its processors and its memory. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <glib.h>
#include <xenstore.h>

#include "xl-plan.h"

bool xl_set_vcpus(BackendContext *context, const XenopsVm *vm, int64_t vcpus, XenopsError **error)
{
        uint32_t domid;
        libxl_bitmap online;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_domid(context, vm->id, &domid, error))
                return false;
        libxl_bitmap_init(&online);
        int rc = libxl_cpu_bitmap_alloc(ctx, &online, (int)vm->vcpu_max);
        if (rc == 0) {
                libxl_bitmap_set_none(&online);
                for (int i = 0; i < vcpus; i++)
                        libxl_bitmap_set(&online, i);
                rc = xl_await(context, libxl_set_vcpuonline(ctx, domid, &online, xl_how(context)));
        }
        libxl_bitmap_dispose(&online);
        return rc == 0 || xl_fail(context, error, rc, "cannot change the number of processors");
}

/* Of a running domain only where there is no squeezed, whose task it is. */
bool xl_set_memory(BackendContext *context, const XenopsVm *vm, int64_t bytes, XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, vm->id, &domain, error))
                return false;
        if (domain.plan) {
                domain.plan->target_kib = bytes / 1024;
                return true;
        }
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx)
                return false;
        int rc = libxl_set_memory_target(ctx, (uint32_t)domain.domid, bytes / 1024, 0, 1);
        return rc == 0 || xl_fail(context, error, rc, "cannot change the memory");
}

static bool write_kib(struct xs_handle *store, int64_t domid, const char *key, int64_t bytes)
{
        g_autofree char *path = g_strdup_printf("/local/domain/%" PRId64 "/memory/%s", domid, key);
        g_autofree char *text = g_strdup_printf("%" PRId64, bytes / 1024);
        return xs_write(store, XBT_NULL, path, text, (unsigned)strlen(text));
}

bool xl_set_memory_range(BackendContext *context, const XenopsVm *vm, int64_t min_bytes, int64_t max_bytes,
                         XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, vm->id, &domain, error))
                return false;
        if (domain.domid == XL_NO_DOMAIN)
                return true; /* there is nothing to be moved yet */
        struct xs_handle *store = xs_open(0);
        bool good = store && write_kib(store, domain.domid, "dynamic-min", min_bytes) &&
                    write_kib(store, domain.domid, "dynamic-max", max_bytes);
        int r = -errno;
        if (store)
                xs_close(store);
        return good || xl_fail_errno(error, "cannot tell of the memory's range", r);
}

int64_t xl_memory_overhead(Backend *backend, const XenopsVm *vm)
{
        Xenlight *xenlight = (Xenlight *)backend;
        libxl_domain_config config;
        uint64_t needed_kib = 0, target_kib = (uint64_t)vm->memory_dynamic_max / 1024;
        libxl_domain_config_init(&config);
        config.c_info.type = vm->ty.tag == XENOPS_BUILDER_INFO_HVM  ? LIBXL_DOMAIN_TYPE_HVM
                             : vm->ty.tag == XENOPS_BUILDER_INFO_PV ? LIBXL_DOMAIN_TYPE_PV
                                                                    : LIBXL_DOMAIN_TYPE_PVH;
        libxl_domain_build_info_init_type(&config.b_info, config.c_info.type);
        config.b_info.max_vcpus = (int)vm->vcpu_max;
        config.b_info.max_memkb = (uint64_t)vm->memory_static_max / 1024;
        config.b_info.target_memkb = target_kib;
        if (libxl_domain_need_memory(xenlight->look, &config, INVALID_DOMID, &needed_kib) != 0)
                needed_kib = target_kib;
        libxl_domain_config_dispose(&config);
        return needed_kib > target_kib ? (int64_t)(needed_kib - target_kib) * 1024 : 0;
}
