/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events between two generations, as event.from and event.next answer them. */
#pragma once

#include "codec.h"
#include "event-subscription.h"
#include "store.h"

#define EVENT_TOKEN_SIZE 42 /* with the NUL */

typedef struct EventBatch EventBatch;

/* What matches and is newer than `since`, messages first, then what was made, changed, deleted. NULL: `since` is so old
 * that deletions are forgotten. Returns owned. */
EventBatch *event_batch_collect(Store *store, Subscriptions *subscriptions, uint64_t since);
EventBatch *event_batch_ref(EventBatch *batch); /* of one thread */
void event_batch_unref(EventBatch *batch);      /* NULL is legal */
/* Whether it was collected for such a question. */
bool event_batch_answers(const EventBatch *batch, const Subscriptions *subscriptions, uint64_t since);
size_t event_batch_n(const EventBatch *batch);
uint64_t event_batch_generation(const EventBatch *batch); /* nothing that matched is newer */

/* The value of event.from: {events, valid_ref_counts, token}. Rows' own texts are joined. It is made once a dialect. */
void event_batch_write(Buffer *b, Dialect dialect, const EventBatch *batch);
/* The value of event.next: the events alone. */
void event_batch_write_events(Buffer *b, Dialect dialect, const EventBatch *batch);

/* Tokens name a generation of objects and one of messages; here messages are objects, and the second is 0. */
void event_token_write(char ret_text[EVENT_TOKEN_SIZE], uint64_t generation);
/* "" is the beginning, as is anything negative. EVENT_FROM_TOKEN_PARSE_FAILURE [text]. */
bool event_token_parse(const char *text, uint64_t *ret_generation, XapiError **error);
