/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "daemon.h"
#include "frame.h"

struct Names {
        int fd; /* -1: none */
};

/* A line that was cut off when the machine stopped is no name, or one too many: neither does harm. */
static char *names_read(const char *path, void (*function)(const char *name, void *data), void *data)
{
        g_autofree char *text = NULL;
        GString *clean = g_string_new(NULL);
        if (g_file_get_contents(path, &text, NULL, NULL)) {
                g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
                for (size_t i = 0; lines[i]; i++) {
                        if (!frame_name_valid(lines[i], strlen(lines[i])))
                                continue;
                        g_string_append_printf(clean, "%s\n", lines[i]);
                        function(lines[i], data);
                }
        }
        return g_string_free(clean, FALSE);
}

Names *names_open(const char *path, void (*function)(const char *name, void *data), void *data)
{
        Names *names = g_new(Names, 1);
        g_autofree char *clean = names_read(path, function, data);
        g_autoptr(GError) error = NULL;
        names->fd = -1;
        if (!g_file_set_contents_full(path, clean, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error)) {
                log_warning("Cannot keep the names of queues", "PATH", path, "ERROR", error->message, NULL);
                return names;
        }
        names->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (names->fd < 0)
                log_warning("Cannot keep the names of queues", "PATH", path, "ERROR", g_strerror(errno),
                            NULL);
        return names;
}

void names_add(Names *names, const char *name)
{
        g_autofree char *line = g_strconcat(name, "\n", NULL);
        if (names->fd >= 0 && write(names->fd, line, strlen(line)) < 0)
                log_warning("Cannot keep the name of a queue", "QUEUE", name, "ERROR", g_strerror(errno),
                            NULL);
}

void names_close(Names *names)
{
        if (!names)
                return;
        if (names->fd >= 0)
                close(names->fd);
        g_free(names);
}
