/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-plan.h"

bool xl_set_vcpus(BackendContext *context, const XenopsVm *vm, int64_t vcpus, XenopsError **error)
{
        return xenops_fail_unimplemented(error, "VM.set_vcpus");
}

bool xl_set_memory(BackendContext *context, const XenopsVm *vm, int64_t bytes, XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, vm->id, &domain, error))
                return false;
        if (!domain.plan)
                return xenops_fail_unimplemented(error, "VM.set_memory_dynamic_range of a running VM");
        domain.plan->target_kib = bytes / 1024;
        return true;
}
