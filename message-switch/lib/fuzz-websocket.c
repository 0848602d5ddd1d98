/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames in one piece, byte by byte and in between must carry the same and be answered the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

typedef struct Outcome {
        WebSocket ws;
        Buffer carried, answered;
} Outcome;

/* A mistake in text is noticed at a piece's end: what was carried of it before depends on the pieces. */
static void run(Outcome *o, const uint8_t *bytes, size_t n, size_t piece)
{
        for (size_t at = 0; at < n; at += piece) {
                size_t now = piece < n - at ? piece : n - at;
                char *room = malloc(now);

                assert(room);
                memcpy(room, bytes + at, now);
                size_t given = websocket_take(&o->ws, room, now, &o->answered);
                assert(given <= now);
                buffer_append(&o->carried, room, given);
                free(room);
        }
        assert(o->answered.len <= n + WEBSOCKET_HEADER_MAX);
}

static void clear(Outcome *o)
{
        buffer_clear(&o->carried);
        buffer_clear(&o->answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        static const size_t pieces[] = { 1, 3, 64 };
        Outcome whole = { 0 };

        if (n == 0)
                return 0;
        run(&whole, bytes, n, n);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                Outcome o = { 0 };

                run(&o, bytes, n, pieces[i]);
                assert(o.ws.ended == whole.ws.ended && o.ws.close_sent == whole.ws.close_sent);
                assert(o.answered.len == whole.answered.len);
                assert(o.answered.len == 0 ||
                       memcmp(o.answered.data, whole.answered.data, o.answered.len) == 0);
                assert(o.carried.len >= whole.carried.len);
                assert(whole.carried.len == 0 ||
                       memcmp(o.carried.data, whole.carried.data, whole.carried.len) == 0);
                clear(&o);
        }
        clear(&whole);
        return 0;
}
