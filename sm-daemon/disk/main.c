/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sm-disk: starts and connects one disk's server, for sm-daemon or, while that is dead, for systemd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk-record.h"
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

int main(int argc, char **argv)
{
        DiskRecord record;
        int r;

        if (argc != 3 || strcmp(argv[1], "serve") != 0) {
                fprintf(stderr, "usage: sm-disk serve FOLDER\n"
                                "Run by sm-daemon; FOLDER has the record of a disk.\n");
                return 2;
        }
        r = disk_record_load(argv[2], &record);
        if (r < 0)
                return fail(argv[2], r);
        r = serve(&record);
        disk_record_clear(&record);
        return r;
}
