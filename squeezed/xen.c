/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of a real host: Xen's figures by libxenctrl, what balloons are told by xenstore. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "backend.h"

#define POLL_USEC        100000u
#define PAGE_KIB         4
#define DOMAINS_STEP     256
#define DOMAINS_MAX      65536 /* more than Xen has ids for */
#define TRANSACTION_MAX  100   /* tries, where others write at the same time */
#define MAXMEM_SLACK_KIB 1024  /* beside its memory, that a domain may have; as libxl's */

typedef struct Xen {
        Backend backend;
        xc_interface *control;
        struct xs_handle *store;
} Xen;

typedef char Path[64];

static void make_path(Path path, int64_t domid, const char *key)
{
        g_snprintf(path, sizeof(Path), "/local/domain/%" PRId64 "/memory/%s", domid, key);
}

/* False: the key is not there, or no number. */
static bool read_kib(Xen *xen, xs_transaction_t transaction, int64_t domid, const char *key, int64_t *ret)
{
        unsigned len;
        gint64 value;
        Path path;

        make_path(path, domid, key);
        char *text = xs_read(xen->store, transaction, path, &len);
        bool good = text && g_ascii_string_to_signed(text, 10, 0, INT64_MAX / 4096, &value, NULL);
        free(text);
        if (good)
                *ret = value;
        return good;
}

/* What libxl gives a domain beside what its balloon knows of: the memory of an emulated graphics card. */
static int64_t offset_kib(Xen *xen, xs_transaction_t transaction, int64_t domid)
{
        int64_t kib = 0;

        read_kib(xen, transaction, domid, "videoram", &kib);
        return kib;
}

/* A domain is ours when it has a range; that is only written once it is built. */
static void look_at_range(Xen *xen, HostDomain *domain)
{
        int64_t min, max, target;

        domain->target_kib = domain->actual_kib;
        if (!read_kib(xen, XBT_NULL, domain->domid, "dynamic-min", &min) ||
            !read_kib(xen, XBT_NULL, domain->domid, "dynamic-max", &max) ||
            !read_kib(xen, XBT_NULL, domain->domid, "target", &target) || min > max)
                return;
        int64_t offset = offset_kib(xen, XBT_NULL, domain->domid);
        domain->managed = true;
        domain->target_kib = target + offset;
        domain->dynamic_min_kib = min + offset;
        domain->dynamic_max_kib = max + offset;
}

static void look_at_domain(Xen *xen, const xc_dominfo_t *info, Host *host)
{
        if (info->domid == 0)
                host->control_kib = (int64_t)info->nr_pages * PAGE_KIB;
        if (info->domid == 0 || info->dying)
                return;
        HostDomain *domain = &host->domains[host->n++];
        const uint8_t *u = info->handle;
        *domain = (HostDomain){ .domid = info->domid,
                                .actual_kib = (int64_t)info->nr_pages * PAGE_KIB,
                                .ran = info->cpu_time > 0,
                                .running = !info->paused && !info->shutdown };
        g_snprintf(domain->uuid, sizeof domain->uuid,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
                   u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
        look_at_range(xen, domain);
}

static int look_at_domains(Xen *xen, Host *host)
{
        g_autofree xc_dominfo_t *infos = g_new(xc_dominfo_t, DOMAINS_STEP);

        for (uint32_t first = 0; first < DOMAINS_MAX;) {
                int n = xc_domain_getinfo(xen->control, first, DOMAINS_STEP, infos);
                if (n < 0)
                        return errno == ESRCH ? 0 : -errno;
                if (n == 0)
                        break;
                host->domains = g_renew(HostDomain, host->domains, host->n + (size_t)n);
                for (int i = 0; i < n; i++)
                        look_at_domain(xen, &infos[i], host);
                first = infos[n - 1].domid + 1;
        }
        return 0;
}

static int xen_look(Backend *backend, Host *ret)
{
        Xen *xen = (Xen *)backend;
        xc_physinfo_t info = { 0 };
        Host host = { 0 };

        int r = look_at_domains(xen, &host);
        if (r == 0 && xc_physinfo(xen->control, &info) < 0)
                r = -errno;
        if (r < 0) {
                host_clear(&host);
                return r;
        }
        host.total_kib = (int64_t)info.total_pages * PAGE_KIB;
        host.free_kib = (int64_t)(info.free_pages + info.scrub_pages - info.outstanding_pages) * PAGE_KIB;
        host_sort(&host);
        *ret = host;
        return 0;
}

/* The balloon's target, as long as there is a domain that has one: it may have gone, and must not be made anew. */
static int write_target(Xen *xen, int64_t domid, int64_t kib)
{
        int64_t before;
        char text[24];
        Path path;

        make_path(path, domid, "target");
        for (unsigned i = 0; i < TRANSACTION_MAX; i++) {
                xs_transaction_t transaction = xs_transaction_start(xen->store);
                if (transaction == XBT_NULL)
                        return -errno;
                if (!read_kib(xen, transaction, domid, "target", &before)) {
                        xs_transaction_end(xen->store, transaction, true);
                        return -ESRCH;
                }
                int64_t target = MAX(kib - offset_kib(xen, transaction, domid), 0);
                int len = g_snprintf(text, sizeof text, "%" PRId64, target);
                if (!xs_write(xen->store, transaction, path, text, (unsigned)len)) {
                        int r = -errno;
                        xs_transaction_end(xen->store, transaction, true);
                        return r;
                }
                if (xs_transaction_end(xen->store, transaction, false))
                        return 0;
                if (errno != EAGAIN)
                        return -errno;
        }
        return -EAGAIN;
}

/* The balloon is told, and the hypervisor lets the domain have no more than that: so a guest that does as it likes
 * cannot take what others were promised. */
static int xen_set_target(Backend *backend, int64_t domid, int64_t kib)
{
        Xen *xen = (Xen *)backend;
        int r = write_target(xen, domid, kib);

        if (r < 0)
                return r;
        if (xc_domain_setmaxmem(xen->control, (uint32_t)domid, (uint64_t)(kib + MAXMEM_SLACK_KIB)) < 0)
                return errno == ESRCH ? -ESRCH : -errno;
        return 0;
}

static void xen_free(Backend *backend)
{
        Xen *xen = (Xen *)backend;

        if (xen->store)
                xs_close(xen->store);
        if (xen->control)
                xc_interface_close(xen->control);
        g_free(xen);
}

Backend *xen_new(char **ret_error)
{
        static const BackendOperations operations = { .name = "xen",
                                                      .poll_usec = POLL_USEC,
                                                      .free = xen_free,
                                                      .look = xen_look,
                                                      .set_target = xen_set_target };
        Xen *xen = g_new0(Xen, 1);

        xen->backend = (Backend){ &operations };
        xen->control = xc_interface_open(NULL, NULL, 0);
        if (!xen->control) {
                *ret_error = g_strdup_printf("cannot reach Xen: %s", g_strerror(errno));
        } else {
                xen->store = xs_open(0);
                if (!xen->store)
                        *ret_error = g_strdup_printf("cannot reach xenstore: %s", g_strerror(errno));
        }
        if (*ret_error) {
                xen_free(&xen->backend);
                return NULL;
        }
        return &xen->backend;
}
