/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a hypervisor says of its memory and does with it. One file a back end. Memory is in KiB everywhere. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Backend Backend; /* each back end's own struct begins with it */

/* A domain other than the control domain. All its figures count the same pages, so that they can be compared. */
typedef struct HostDomain {
        int64_t domid;
        char uuid[37];      /* "": not known */
        int64_t actual_kib; /* what it has */
        int64_t target_kib; /* where its balloon was told to be */
        int64_t dynamic_min_kib, dynamic_max_kib;
        bool managed; /* it has such a range: its target is ours to set */
        bool ran;     /* since it was built; before, it is given what was reserved for it */
        bool running; /* its guest can do something now */
} HostDomain;

typedef struct Host {
        int64_t total_kib, free_kib;
        int64_t control_kib; /* of the control domain */
        size_t n;
        HostDomain *domains; /* owned (g_free); by domid */
} Host;
void host_clear(Host *host);
void host_sort(Host *host);
const HostDomain *host_domain(const Host *host, int64_t domid); /* NULL: there is none */

/* Any thread, one at a time. Functions that can fail return 0 or a negative errno. */
typedef struct BackendOperations {
        const char *name;
        uint64_t poll_usec; /* how often it is worth while to look whether balloons have moved */
        void (*free)(Backend *backend);
        int (*look)(Backend *backend, Host *ret);
        /* -ESRCH: the domain is gone. */
        int (*set_target)(Backend *backend, int64_t domid, int64_t kib);
} BackendOperations;

struct Backend {
        const BackendOperations *operations;
};

/* NULL: *ret_error, which must be NULL, says why (g_free). The folder is that of xenopsd's simulator. */
Backend *xen_new(char **ret_error);
Backend *simulator_new(const char *folder, char **ret_error);
