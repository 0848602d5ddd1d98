/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deadlines.h"

#include <assert.h>

#include <glib.h>

struct Deadlines {
        uv_timer_t timer;
        uint64_t
            timer_usec; /* when it fires, maybe earlier than anything is due; UINT64_MAX: it is not started */
        void (*on_due)(Deadline *deadline, void *data);
        void *data;
        Deadline **heap;
        size_t n, room;
};

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
                if (child + 1 < deadlines->n &&
                    deadlines->heap[child + 1]->usec < deadlines->heap[child]->usec)
                        child++;
                if (deadline->usec <= deadlines->heap[child]->usec)
                        break;
                deadlines_put(deadlines, place, deadlines->heap[child]);
                place = child;
        }
        deadlines_put(deadlines, place, deadline);
}

static void deadlines_start_timer(Deadlines *deadlines);

void deadlines_add(Deadlines *deadlines, Deadline *deadline, uint64_t usec)
{
        if (deadlines->n == deadlines->room) {
                deadlines->room = deadlines->room ? deadlines->room * 2 : 16;
                deadlines->heap = g_renew(Deadline *, deadlines->heap, deadlines->room);
        }
        deadline->usec = usec;
        deadlines_up(deadlines, deadlines->n++, deadline);
        deadlines_start_timer(deadlines);
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

static void deadlines_on_timer(uv_timer_t *timer);

static void deadlines_start_timer(Deadlines *deadlines)
{
        if (deadlines->n == 0 || deadlines->heap[0]->usec >= deadlines->timer_usec)
                return;
        uint64_t now = clock_usec();
        uint64_t due = deadlines->heap[0]->usec;
        uv_update_time(deadlines->timer.loop);
        uv_timer_start(&deadlines->timer, deadlines_on_timer, due > now ? (due - now + 999) / 1000 : 0, 0);
        deadlines->timer_usec = due;
}

static void deadlines_on_timer(uv_timer_t *timer)
{
        Deadlines *deadlines = timer->data;
        uint64_t now = clock_usec();
        while (deadlines->n && deadlines->heap[0]->usec <= now) {
                Deadline *due = deadlines->heap[0];
                deadlines_remove(deadlines, due);
                deadlines->on_due(due, deadlines->data);
        }
        deadlines->timer_usec = UINT64_MAX;
        deadlines_start_timer(deadlines);
}

Deadlines *deadlines_new(Loop *loop, void (*on_due)(Deadline *deadline, void *data), void *data)
{
        Deadlines *deadlines = g_new(Deadlines, 1);
        *deadlines = (Deadlines){ .timer_usec = UINT64_MAX, .on_due = on_due, .data = data };
        uv_timer_init(loop_uv(loop), &deadlines->timer);
        deadlines->timer.data = deadlines;
        return deadlines;
}

static void deadlines_on_closed(uv_handle_t *handle)
{
        g_free(handle->data);
}

void deadlines_free(Deadlines *deadlines)
{
        if (!deadlines)
                return;
        g_free(deadlines->heap);
        uv_close((uv_handle_t *)&deadlines->timer, deadlines_on_closed);
}
