/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <glib.h>

#include "backend.h"

void host_clear(Host *host)
{
        g_free(host->domains);
        *host = (Host){ 0 };
}

static int compare(const void *p, const void *q)
{
        const HostDomain *a = p, *b = q;
        return a->domid < b->domid ? -1 : a->domid > b->domid;
}

void host_sort(Host *host)
{
        if (host->n > 1)
                qsort(host->domains, host->n, sizeof *host->domains, compare);
}

const HostDomain *host_domain(const Host *host, int64_t domid)
{
        const HostDomain key = { .domid = domid };
        return host->n ? bsearch(&key, host->domains, host->n, sizeof key, compare) : NULL;
}
