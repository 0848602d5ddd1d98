/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root of the process: owns everything that lives as long as it. */
#pragma once

#include "auth.h"
#include "daemon.h"
#include "http-server.h"
#include "session.h"
#include "shares.h"
#include "store.h"
#include "task.h"
#include "watch.h"

typedef struct ManagerOptions {
        const char *listen;        /* address */
        int port;                  /* 0: any free one */
        const char *socket;        /* path of the unix socket */
        const char *certificate;   /* PEM with the key */
        const char *password_file; /* NULL: PAM */
        int seed_vms;              /* that many halted VMs are made in a new store */
} ManagerOptions;

struct Manager {
        Daemon *daemon;
        Store *store;
        Auth *auth;
        Sessions *sessions;
        RunningTasks *running;
        Watches *watches;
        HttpServer *http;
        struct Xenops *xenops;
        struct Storage *storage;
        struct Networks *networks;
        struct HostMemory *host_memory;
        Shares *console_shares; /* of the consoles that are open */
        GHashTable *consoles;   /* VM's uuid -> how many of its are open; on the loop */
        GQueue held;            /* answers that server.c holds back; on the loop */
        bool stopping;          /* set by manager_stop: nothing is held back any more; on the loop */
        uv_timer_t tick;        /* each minute: what is old goes */
        uv_signal_t reload;     /* SIGHUP: the certificate anew */
        uv_fs_poll_t certificate_poll;
        unsigned n_closing; /* of the three above */
        char *certificate;
        Str host, pool, dom0; /* refs of this host's objects; set before anything is served */
        uint64_t login_delay_usec;
};

Manager *manager_new(Daemon *daemon, const ManagerOptions *options, XapiError **error);
/* Before the bus is closed: whatever waits for a daemon ends, and no answer is held back any longer. */
void manager_stop(Manager *manager);
void manager_free(Manager *manager);
