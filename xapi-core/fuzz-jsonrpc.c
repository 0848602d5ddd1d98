/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz-rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        fuzz_rpc(true, bytes, n);
        return 0;
}
