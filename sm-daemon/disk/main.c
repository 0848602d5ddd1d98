/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sm-disk: starts and connects one disk's server, for sm-daemon or, while that is dead, for systemd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nbd-connect.h"
#include "server-command.h"

static int fail(const char *what, int r)
{
        fprintf(stderr, "sm-disk: %s: %s\n", what, strerror(-r));
        return EXIT_FAILURE;
}

/* Becomes the server, which says that it is ready by the end of its first process. */
static int serve(const DiskRecord *record)
{
        g_auto(GStrv) argv = NULL;
        int r;

        if (record->held || !record->active)
                return fail("the record does not want it now", -EAGAIN);
        r = server_command(record, &argv);
        if (r < 0)
                return fail(record->path, r);
        execv(argv[0], argv);
        return fail(argv[0], -errno);
}

static int connect_device(const DiskRecord *record)
{
        const char *why = "";
        int r = nbd_connect_device(record, &why);

        return r < 0 ? fail(why, r) : 0;
}

/* systemd does this also when the server died, and is about to start it again: then the device waits. */
static int disconnect_device(const DiskRecord *record)
{
        int r = record->active ? 0 : nbd_disconnect_device(record);

        return r < 0 ? fail("disconnect", r) : 0;
}

static const struct {
        const char *name;
        int (*function)(const DiskRecord *record);
} verbs[] = { { "serve", serve }, { "connect", connect_device }, { "disconnect", disconnect_device } };

static int run(int (*function)(const DiskRecord *record), const char *folder)
{
        DiskRecord record;
        int r;

        r = disk_record_load(folder, &record);
        if (r < 0)
                return fail(folder, r);
        r = function(&record);
        disk_record_clear(&record);
        return r;
}

int main(int argc, char **argv)
{
        for (size_t i = 0; argc == 3 && i < G_N_ELEMENTS(verbs); i++)
                if (strcmp(argv[1], verbs[i].name) == 0)
                        return run(verbs[i].function, argv[2]);
        fprintf(stderr, "usage: sm-disk serve|connect|disconnect FOLDER\n"
                        "Run by sm-daemon; FOLDER has the record of a disk.\n");
        return 2;
}
