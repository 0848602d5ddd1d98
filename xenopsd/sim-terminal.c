/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A simulated guest's serial console: it greets, echoes lines, and knows one command that never ends by itself. */
#include <stdbool.h>

#include <glib.h>

#include "sim-console.h"

#define LINE_MAX_BYTES 256u /* of a line that is typed; what is beyond is not taken */
#define FLOOD_BYTES    4096u
#define CONTROL_C      3

typedef struct Terminal {
        char line[LINE_MAX_BYTES];
        size_t len;
        bool flooding; /* says y until it is interrupted */
} Terminal;

static void prompt(Buffer *out)
{
        buffer_append_literal(out, "# ");
}

static void terminal_begin(void *state, const char *name, Buffer *out)
{
        buffer_printf(out,
                      "\x1b[2J\x1b[H%s: the console of a simulated guest\r\n"
                      "What is typed is echoed; `yes` says y until ^C.\r\n",
                      name);
        prompt(out);
}

static void run_line(Terminal *terminal, Buffer *out)
{
        buffer_append_literal(out, "\r\n");
        if (terminal->len == 3 && memcmp(terminal->line, "yes", 3) == 0) {
                terminal->flooding = true;
        } else if (terminal->len > 0) {
                buffer_append(out, terminal->line, terminal->len);
                buffer_append_literal(out, "\r\n");
        }
        terminal->len = 0;
        if (!terminal->flooding)
                prompt(out);
}

static void take_key(Terminal *terminal, char key, Buffer *out)
{
        if (key == CONTROL_C) {
                terminal->flooding = false;
                terminal->len = 0;
                buffer_append_literal(out, "^C\r\n");
                prompt(out);
        } else if (terminal->flooding) {
                return;
        } else if (key == '\r' || key == '\n') {
                run_line(terminal, out);
        } else if (key == '\b' || key == 0x7f) {
                if (terminal->len > 0) {
                        terminal->len--;
                        buffer_append_literal(out, "\b \b");
                }
        } else if (terminal->len < LINE_MAX_BYTES) {
                terminal->line[terminal->len++] = key;
                buffer_append(out, &key, 1);
        }
}

static bool terminal_take(void *state, Buffer *input, Buffer *out)
{
        for (size_t i = 0; i < input->len; i++)
                take_key(state, input->data[i], out);
        input->len = 0;
        return true;
}

static void terminal_room(void *state, Buffer *out)
{
        if (!((Terminal *)state)->flooding)
                return;
        for (unsigned i = 0; i < FLOOD_BYTES / 3; i++)
                buffer_append_literal(out, "y\r\n");
}

static void terminal_end(void *state, const char *why, Buffer *out)
{
        buffer_printf(out, "\r\nThe guest %s.\r\n", why);
}

const SimConsoleKind sim_terminal = {
        .size = sizeof(Terminal),
        .begin = terminal_begin,
        .take = terminal_take,
        .room = terminal_room,
        .end = terminal_end,
};
