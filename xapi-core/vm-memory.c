/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-memory.h"

#define MIB              (INT64_C(1) << 20)
#define PAGES_PER_MIB    256
#define PAGES_PER_VCPU   256
#define XEN_OVERHEAD_MIB 1
#define MIB_MAX          (INT64_C(1) << 42) /* beyond any machine, and far from overflow */
#define VCPUS_MAX        (INT64_C(1) << 20)

static int64_t clamp(int64_t value, int64_t max)
{
        return value < 0 ? 0 : value > max ? max : value;
}

static int64_t overhead_mib(int64_t static_max_mib, int64_t vcpus, double multiplier)
{
        int64_t pages = clamp(vcpus, VCPUS_MAX) * PAGES_PER_VCPU + 2 * static_max_mib;
        double shadow_mib = (double)((pages + PAGES_PER_MIB - 1) / PAGES_PER_MIB) * multiplier;

        if (!(shadow_mib >= 1))
                shadow_mib = 1;
        return XEN_OVERHEAD_MIB + (shadow_mib < (double)MIB_MAX ? (int64_t)shadow_mib : MIB_MAX);
}

int64_t vm_memory_overhead_bytes(int64_t static_max_bytes, int64_t vcpus, double shadow_multiplier)
{
        int64_t static_max_mib = clamp(static_max_bytes, INT64_MAX - MIB) + MIB - 1;

        return overhead_mib(static_max_mib / MIB, vcpus, shadow_multiplier) * MIB;
}

int64_t vm_memory_maximise_bytes(int64_t total_bytes, int64_t vcpus, double shadow_multiplier)
{
        int64_t total_mib = clamp(total_bytes, INT64_MAX) / MIB, fits = 0, too_big = total_mib + 1;

        while (fits + 1 < too_big) {
                int64_t middle = fits + (too_big - fits) / 2;

                if (middle + overhead_mib(middle, vcpus, shadow_multiplier) <= total_mib)
                        fits = middle;
                else
                        too_big = middle;
        }
        return fits * MIB;
}

bool vm_memory_limits_valid(const VmMemoryLimits *l)
{
        return 0 <= l->static_min_bytes && l->static_min_bytes <= l->dynamic_min_bytes &&
               l->dynamic_min_bytes <= l->dynamic_max_bytes && l->dynamic_max_bytes <= l->static_max_bytes;
}
