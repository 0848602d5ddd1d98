/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "steps.h"

#include <glib.h>

void steps_add(Steps *steps, const Step *step)
{
        steps->items = g_renew(Step, steps->items, steps->n + 1);
        steps->items[steps->n++] = *step;
}

void steps_clear(Steps *steps)
{
        g_free(steps->items);
        *steps = (Steps){ 0 };
}

bool steps_run(const Steps *steps, void *context, Task *task, XenopsError **error)
{
        size_t n_done;
        for (n_done = 0; n_done < steps->n; n_done++) {
                const Step *step = &steps->items[n_done];
                if (!task_check_cancelled(task, error) || !step->run(context, step->item, error))
                        break;
                task_set_progress(task, (double)(n_done + 1) / (double)steps->n);
        }
        if (n_done == steps->n)
                return true;
        while (n_done-- > 0) {
                const Step *step = &steps->items[n_done];
                if (step->undo)
                        step->undo(context, step->item);
        }
        return false;
}
