/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ids for things that are under way: found in one step, and never mistaken for what had the place before. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Slot {
        void *thing;         /* NULL: free */
        uint32_t generation; /* of the last id given out; never 0 */
        uint32_t next_free;  /* place + 1; 0: none */
} Slot;

/* Zeroed is empty. */
typedef struct Slots {
        Slot *slots;
        uint32_t n_slots, first_free; /* place + 1; 0: none */
        size_t n_used;
} Slots;

/* Returns an id that was not in use for the last 2^32 uses of its place; above UINT32_MAX, so that smaller numbers are free
 * for other purposes. */
uint64_t slots_add(Slots *slots, void *thing);
void slots_remove(Slots *slots, uint64_t id); /* of a thing that is there */
void slots_clear(Slots *slots);               /* frees the memory, not the things */

/* NULL: there is no such thing any more, or there never was. */
static inline void *slots_get(const Slots *slots, uint64_t id)
{
        uint32_t place = (uint32_t)id;
        if (place >= slots->n_slots || slots->slots[place].generation != (uint32_t)(id >> 32))
                return NULL;
        return slots->slots[place].thing;
}
