/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deadlines.h"

#include <assert.h>

#include <glib.h>

static void deadlines_put(Deadlines *deadlines, size_t place, Deadline *deadline)
{
        deadlines->heap[place] = deadline;
        deadline->place = place + 1;
}

static void deadlines_up(Deadlines *deadlines, size_t place, Deadline *deadline)
{
        while (place > 0) {
                size_t parent = (place - 1) / 2;
                if (deadlines->heap[parent]->usec <= deadline->usec)
                        break;
                deadlines_put(deadlines, place, deadlines->heap[parent]);
                place = parent;
        }
        deadlines_put(deadlines, place, deadline);
}

static void deadlines_down(Deadlines *deadlines, size_t place, Deadline *deadline)
{
        for (;;) {
                size_t child = 2 * place + 1;
                if (child >= deadlines->n)
                        break;
                if (child + 1 < deadlines->n && deadlines->heap[child + 1]->usec < deadlines->heap[child]->usec)
                        child++;
                if (deadline->usec <= deadlines->heap[child]->usec)
                        break;
                deadlines_put(deadlines, place, deadlines->heap[child]);
                place = child;
        }
        deadlines_put(deadlines, place, deadline);
}

void deadlines_add(Deadlines *deadlines, Deadline *deadline, uint64_t usec)
{
        if (deadlines->n == deadlines->room) {
                deadlines->room = deadlines->room ? deadlines->room * 2 : 16;
                deadlines->heap = g_renew(Deadline *, deadlines->heap, deadlines->room);
        }
        deadline->usec = usec;
        deadlines_up(deadlines, deadlines->n++, deadline);
}

void deadlines_remove(Deadlines *deadlines, Deadline *deadline)
{
        if (!deadline->place)
                return;
        size_t place = deadline->place - 1;
        assert(deadlines->heap[place] == deadline);
        deadline->place = 0;
        Deadline *last = deadlines->heap[--deadlines->n];
        if (last == deadline)
                return;
        if (place > 0 && deadlines->heap[(place - 1) / 2]->usec > last->usec)
                deadlines_up(deadlines, place, last);
        else
                deadlines_down(deadlines, place, last);
}

void deadlines_clear(Deadlines *deadlines)
{
        assert(deadlines->n == 0);
        g_free(deadlines->heap);
        *deadlines = (Deadlines){ 0 };
}
