/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slots.h"

#include <assert.h>

#include <glib.h>

#define SLOTS_FIRST 16u

static void slots_grow(Slots *slots)
{
        uint32_t n = slots->n_slots ? slots->n_slots * 2 : SLOTS_FIRST;
        slots->slots = g_renew(Slot, slots->slots, n);
        for (uint32_t place = n; place-- > slots->n_slots;) {
                slots->slots[place] = (Slot){ .next_free = slots->first_free };
                slots->first_free = place + 1;
        }
        slots->n_slots = n;
}

uint64_t slots_add(Slots *slots, void *thing)
{
        assert(thing);
        if (!slots->first_free)
                slots_grow(slots);
        uint32_t place = slots->first_free - 1;
        Slot *slot = &slots->slots[place];
        slots->first_free = slot->next_free;
        slot->thing = thing;
        if (++slot->generation == 0)
                slot->generation = 1;
        slots->n_used++;
        return (uint64_t)slot->generation << 32 | place;
}

void slots_remove(Slots *slots, uint64_t id)
{
        assert(slots_get(slots, id));
        uint32_t place = (uint32_t)id;
        slots->slots[place].thing = NULL;
        slots->slots[place].next_free = slots->first_free;
        slots->first_free = place + 1;
        slots->n_used--;
}

void slots_clear(Slots *slots)
{
        g_free(slots->slots);
        *slots = (Slots){ 0 };
}
