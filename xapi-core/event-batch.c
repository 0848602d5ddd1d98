/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "xenapi.h"

struct EventBatch {
        unsigned n_refs;
        Subscriptions *subscriptions;
        Change *changes; /* the first n match, in the order of events */
        size_t n, n_all;
        uint64_t since, generation;
        size_t *counts; /* by Class.index */
        Buffer *texts;  /* in JSON, and in XML: as event.from answers it, once that was asked for */
};

typedef enum EventOrder { EVENT_MESSAGE, EVENT_ADD, EVENT_MOD, EVENT_DEL, N_EVENT_ORDERS } EventOrder;

static EventOrder event_order(const EventBatch *batch, const Change *change)
{
        if (change->class == &CLASS_MESSAGE)
                return EVENT_MESSAGE;
        if (change->row == NULL)
                return EVENT_DEL;
        return change->created > batch->since ? EVENT_ADD : EVENT_MOD;
}

static const char *event_operation(const EventBatch *batch, const Change *change)
{
        if (change->row == NULL)
                return "del";
        return change->created > batch->since ? "add" : "mod";
}

/* What came and went since is no news, but for tasks: upstream tells of those of synchronous calls, which no client has
 * seen. */
static bool is_told(const EventBatch *batch, const Subscriptions *subscriptions, const Change *change)
{
        bool passing = change->row == NULL && change->created > batch->since && change->class != &CLASS_TASK;
        return !passing && subscriptions_match(subscriptions, change->class, change->ref);
}

/* Puts what matches first, by kind of event and then by age, and the rest behind. */
static void batch_select(EventBatch *batch, const Subscriptions *subscriptions)
{
        Change *selected = g_new(Change, batch->n_all);
        size_t n = 0, n_rest = batch->n_all;
        for (int order = 0; order < N_EVENT_ORDERS; order++) {
                for (size_t i = 0; i < batch->n_all; i++) {
                        const Change *change = &batch->changes[i];
                        if ((int)event_order(batch, change) == order && is_told(batch, subscriptions, change))
                                selected[n++] = *change;
                }
        }
        for (size_t i = batch->n_all; i-- > 0;)
                if (!is_told(batch, subscriptions, &batch->changes[i]))
                        selected[--n_rest] = batch->changes[i];
        g_free(batch->changes);
        batch->changes = selected;
        batch->n = n;
}

EventBatch *event_batch_collect(Store *store, Subscriptions *subscriptions, uint64_t since)
{
        EventBatch *batch = g_new0(EventBatch, 1);
        batch->n_refs = 1;
        batch->texts = g_new0(Buffer, 2);
        batch->subscriptions = subscriptions_ref(subscriptions);
        batch->since = since;
        batch->counts = g_new(size_t, model_n_classes);
        if (!store_changes(store, since, subscriptions_wanted(subscriptions), &batch->changes, &batch->n_all,
                           &batch->generation, batch->counts)) {
                event_batch_unref(batch);
                return NULL;
        }
        batch_select(batch, subscriptions);
        return batch;
}

EventBatch *event_batch_ref(EventBatch *batch)
{
        batch->n_refs++;
        return batch;
}

void event_batch_unref(EventBatch *batch)
{
        if (batch == NULL || --batch->n_refs > 0)
                return;
        store_changes_free(batch->changes, batch->n_all);
        subscriptions_unref(batch->subscriptions);
        buffer_clear(&batch->texts[0]);
        buffer_clear(&batch->texts[1]);
        g_free(batch->texts);
        g_free(batch->counts);
        g_free(batch);
}

bool event_batch_answers(const EventBatch *batch, const Subscriptions *subscriptions, uint64_t since)
{
        return batch->since == since && subscriptions_equal(batch->subscriptions, subscriptions);
}

size_t event_batch_n(const EventBatch *batch)
{
        return batch->n;
}

uint64_t event_batch_generation(const EventBatch *batch)
{
        return batch->generation;
}

static void write_event_json(Buffer *b, const EventBatch *batch, const Change *change)
{
        buffer_printf(
            b, "{\"id\":\"%" PRIu64 "\",\"timestamp\":\"0.0\",\"class\":\"%s\",\"operation\":\"%s\",\"ref\":",
            change->generation, change->class->event_name, event_operation(batch, change));
        json_write_string(b, change->ref);
        if (change->row != NULL) {
                size_t len;
                const char *text = row_json(change->row, &len);
                buffer_append_literal(b, ",\"snapshot\":");
                buffer_append(b, text, len);
        }
        buffer_append_literal(b, "}");
}

static void write_event_xml(Buffer *b, const EventBatch *batch, const Change *change)
{
        buffer_printf(
            b,
            "<value><struct><member><name>id</name><value>%" PRIu64 "</value></member>"
            "<member><name>timestamp</name><value>0.0</value></member>"
            "<member><name>class</name><value>%s</value></member>"
            "<member><name>operation</name><value>%s</value></member><member><name>ref</name><value>",
            change->generation, change->class->event_name, event_operation(batch, change));
        xml_write_text(b, change->ref);
        buffer_append_literal(b, "</value></member>");
        if (change->row != NULL) {
                size_t len;
                const char *text = row_xml(change->row, &len);
                buffer_append_literal(b, "<member><name>snapshot</name>");
                buffer_append(b, text, len);
                buffer_append_literal(b, "</member>");
        }
        buffer_append_literal(b, "</struct></value>");
}

void event_batch_write_events(Buffer *b, Dialect dialect, const EventBatch *batch)
{
        if (dialect == DIALECT_XML)
                buffer_append_literal(b, "<value><array><data>");
        else
                buffer_append_literal(b, "[");
        for (size_t i = 0; i < batch->n; i++) {
                if (dialect == DIALECT_XML) {
                        write_event_xml(b, batch, &batch->changes[i]);
                } else {
                        buffer_append_text(b, i > 0 ? "," : "");
                        write_event_json(b, batch, &batch->changes[i]);
                }
        }
        if (dialect == DIALECT_XML)
                buffer_append_literal(b, "</data></array></value>");
        else
                buffer_append_literal(b, "]");
}

/* Prototypes that upstream's documentation leaves out. Every other class is counted, those without rows included. */
static bool is_uncounted(const Class *class)
{
        return class == &CLASS_CALLER || class == &CLASS_DRIVER_VARIANT || class == &CLASS_HOST_DRIVER ||
               class == &CLASS_RATE_LIMIT || class == &CLASS_VM_GROUP;
}

/* Some seventy: without printf. */
static void write_counts(Buffer *b, Dialect dialect, const EventBatch *batch)
{
        bool xml = dialect == DIALECT_XML;
        const char *separator = xml ? "<member><name>" : "\"";
        for (size_t i = 0; i < model_n_classes; i++) {
                const Class *class = model_classes[i];
                if (is_uncounted(class))
                        continue;
                buffer_append_text(b, separator);
                buffer_append_text(b, class->event_name);
                buffer_append_text(b, xml ? "</name><value><i4>" : "\":");
                buffer_append_int(b, (int64_t)batch->counts[i]);
                if (xml)
                        buffer_append_literal(b, "</i4></value></member>");
                else
                        separator = ",\"";
        }
}

static void write_batch(Buffer *b, Dialect dialect, const EventBatch *batch)
{
        char token[EVENT_TOKEN_SIZE];
        event_token_write(token, batch->generation);
        if (dialect == DIALECT_XML) {
                buffer_append_literal(b, "<value><struct><member><name>events</name>");
                event_batch_write_events(b, dialect, batch);
                buffer_append_literal(b, "</member><member><name>valid_ref_counts</name><value><struct>");
                write_counts(b, dialect, batch);
                buffer_append_literal(b, "</struct></value></member><member><name>token</name><value>");
                buffer_append_text(b, token);
                buffer_append_literal(b, "</value></member></struct></value>");
        } else {
                buffer_append_literal(b, "{\"events\":");
                event_batch_write_events(b, dialect, batch);
                buffer_append_literal(b, ",\"valid_ref_counts\":{");
                write_counts(b, dialect, batch);
                buffer_printf(b, "},\"token\":\"%s\"}", token);
        }
}

void event_batch_write(Buffer *b, Dialect dialect, const EventBatch *batch)
{
        Buffer *text = &batch->texts[dialect == DIALECT_XML];
        if (text->len == 0)
                write_batch(text, dialect, batch);
        buffer_append(b, text->data, text->len);
}

void event_token_write(char ret_text[EVENT_TOKEN_SIZE], uint64_t generation)
{
        snprintf(ret_text, EVENT_TOKEN_SIZE, "%020" PRIu64 ",%020d", generation, 0);
}

/* A signed decimal number that fills text up to `end`. */
static bool token_part(const char *text, char end, int64_t *ret, const char **ret_rest)
{
        const char *digits = text + (*text == '-' || *text == '+');
        size_t n = strspn(digits, "0123456789");
        char *rest;
        errno = 0;
        *ret = strtoll(text, &rest, 10);
        if (n == 0 || errno != 0 || digits[n] != end)
                return false;
        *ret_rest = digits + n;
        return true;
}

bool event_token_parse(const char *text, uint64_t *ret_generation, XapiError **error)
{
        int64_t objects = 0, messages;
        const char *rest;
        if (*text != '\0' &&
            !(token_part(text, ',', &objects, &rest) && token_part(rest + 1, '\0', &messages, &rest)))
                return xapi_fail(error, ERR_EVENT_FROM_TOKEN_PARSE_FAILURE, text, NULL);
        *ret_generation = objects < 0 ? 0 : (uint64_t)objects;
        return true;
}
