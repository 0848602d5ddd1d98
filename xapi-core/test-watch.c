/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <glib.h>

#include "test-store-lib.h"
#include "watch.h"
#include "writer.h"
#include "xenapi.h"

static Store *store;
static Loop *loop;
static Watches *watches;

typedef struct Answer {
        int n;       /* how often done was called */
        char *error; /* as text */
        size_t n_events;
        uint64_t generation;
        char *json, *xml;
        Watch *cancel;           /* in done */
        const EventBatch *batch; /* only to be compared with another's */
} Answer;

static void on_done(const EventBatch *batch, const XapiError *error, void *data)
{
        Answer *answer = data;
        answer->n++;
        if (error != NULL) {
                answer->error = xapi_error_text(error);
        } else {
                auto_buffer json = { 0 }, xml = { 0 };
                answer->n_events = event_batch_n(batch);
                answer->generation = event_batch_generation(batch);
                event_batch_write(&json, DIALECT_JSON, batch);
                event_batch_write(&xml, DIALECT_XML, batch);
                answer->json = g_strndup(json.data, json.len);
                answer->xml = g_strndup(xml.data, xml.len);
        }
        answer->batch = batch;
        if (answer->cancel != NULL)
                watch_cancel(answer->cancel);
}

static void answer_clear(Answer *answer)
{
        g_free(answer->error);
        g_free(answer->json);
        g_free(answer->xml);
        *answer = (Answer){ 0 };
}

static void setup(void)
{
        store = test_store_memory();
        loop = loop_new();
        watches = watches_new(store, loop);
}

static void teardown(void)
{
        watches_free(watches);
        loop_free(loop);
        store_close(store);
}

static Set *classes(const char *first, const char *second)
{
        return set_of_strings(&type_string, (const char *const[]){ first, second, NULL });
}

static Watch *from(const char *class, const char *token, double timeout_sec, Answer *answer)
{
        Set *set = classes(class, NULL);
        Watch *watch = watches_from(watches, "OpaqueRef:session", set, token, timeout_sec, on_done, answer);
        set_unref(set);
        return watch;
}

static char *token_now(void)
{
        char *text = g_malloc(EVENT_TOKEN_SIZE);
        event_token_write(text, store_generation(store));
        return text;
}

static void wait_for(Answer *answer)
{
        while (answer->n == 0)
                uv_run(loop_uv(loop), UV_RUN_ONCE);
}

/* What was committed by now has been looked at: commits are told after the watches are. */
static void settle(void)
{
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static void test_shapes(void)
{
        setup();
        g_autofree char *ref = test_vm(store, "one");
        Answer answer = { 0 };
        g_assert_null(from("vm", "", 0, &answer));
        g_assert_cmpint(answer.n, ==, 1);
        g_assert_cmpuint(answer.n_events, ==, 1);

        json_t *tree = json_loads(answer.json, 0, NULL);
        g_assert_nonnull(tree);
        const json_t *event = json_array_get(json_object_get(tree, "events"), 0);
        g_assert_cmpstr(json_string_value(json_object_get(event, "class")), ==, "vm");
        g_assert_cmpstr(json_string_value(json_object_get(event, "operation")), ==, "add");
        g_assert_cmpstr(json_string_value(json_object_get(event, "ref")), ==, ref);
        g_assert_cmpstr(json_string_value(json_object_get(event, "timestamp")), ==, "0.0");
        g_assert_true(json_is_string(json_object_get(event, "id")));
        g_assert_cmpstr(json_string_value(json_object_get(json_object_get(event, "snapshot"), "name_label")),
                        ==, "one");
        g_assert_cmpint(json_integer_value(json_object_get(json_object_get(tree, "valid_ref_counts"), "vm")),
                        ==, 1);
        g_assert_cmpint(
            json_integer_value(json_object_get(json_object_get(tree, "valid_ref_counts"), "task")), ==, 0);
        g_autofree char *token = token_now();
        g_assert_cmpstr(json_string_value(json_object_get(tree, "token")), ==, token);
        json_decref(tree);

        g_assert_nonnull(strstr(answer.xml, "<member><name>vm</name><value><i4>1</i4></value></member>"));
        g_assert_nonnull(strstr(answer.xml, "<member><name>operation</name><value>add</value></member>"));
        g_assert_null(strchr(answer.xml, '\n'));
        answer_clear(&answer);
        teardown();
}

static void check_subscription(const char *text, size_t n_events)
{
        Answer answer = { 0 };
        g_assert_null(from(text, "", 0, &answer));
        g_assert_null(answer.error);
        g_assert_cmpuint(answer.n_events, ==, n_events);
        answer_clear(&answer);
}

static void test_subscriptions(void)
{
        setup();
        g_autofree char *ref = test_vm(store, "one"), *other = test_vm(store, "two");
        g_autofree char *one = g_strconcat("VM/", ref, NULL), *lower = g_strconcat("vm/", ref, NULL);
        test_delete(store, &CLASS_VM, other);
        Txn *txn = txn_begin(store);
        txn_create(txn, &CLASS_SECRET, NULL, NULL);
        txn_create(txn, &CLASS_NETWORK, NULL, NULL);
        test_commit(txn);
        check_subscription("*", 2);
        check_subscription("vm", 1);
        check_subscription("VM", 1);
        check_subscription(one, 1);
        check_subscription(lower, 1);
        check_subscription("VM/OpaqueRef:nope", 0);
        check_subscription("VM/", 0);
        check_subscription("nope", 0);
        check_subscription("secret", 0);
        check_subscription("", 0);
        check_subscription("/", 0);
        check_subscription("*/x", 0);
        check_subscription("a/b/c", 0);
        check_subscription("VM/a/b", 0);
        teardown();
}

static void check_token(const char *token, bool valid)
{
        Answer answer = { 0 };
        g_assert_null(from("vm", token, 0, &answer));
        if (valid)
                g_assert_null(answer.error);
        else
                g_assert_true(g_str_has_prefix(answer.error, "EVENT_FROM_TOKEN_PARSE_FAILURE"));
        answer_clear(&answer);
}

static void test_tokens(void)
{
        setup();
        check_token("", true);
        check_token("1,2", true);
        check_token("-1,-1", true);
        check_token("00000000000000000000,00000000000000000000", true);
        check_token("00000000000999999999,00000000000000000000", true);
        check_token("9223372036854775807,0", true);
        check_token("9223372036854775808,0", false);
        check_token("99999999999999999999,00000000000000000000", false);
        check_token("nope", false);
        check_token("1", false);
        check_token("1,", false);
        check_token(",1", false);
        check_token(",", false);
        check_token("1,2,3", false);
        check_token("x,y", false);
        check_token(" 1,2", false);
        check_token("1,2 ", false);
        check_token("-,-", false);
        teardown();
}

static void test_wakes(void)
{
        setup();
        g_autofree char *ref = test_vm(store, "one"), *other = test_vm(store, "other");
        g_autofree char *subscription = g_strconcat("vm/", ref, NULL), *token = token_now();
        Answer answer = { 0 };
        g_assert_nonnull(from(subscription, token, 3600, &answer));
        test_set_label(store, other, "changed");
        settle();
        g_assert_cmpint(answer.n, ==, 0);
        test_set_label(store, ref, "two");
        wait_for(&answer);
        g_assert_cmpint(answer.n, ==, 1);
        g_assert_cmpuint(answer.n_events, ==, 1);
        g_assert_nonnull(strstr(answer.json, "\"operation\":\"mod\""));
        g_assert_cmpuint(answer.generation, ==, store_generation(store));
        answer_clear(&answer);

        test_delete(store, &CLASS_VM, ref);
        g_assert_null(from(subscription, token, 3600, &answer));
        g_assert_nonnull(strstr(answer.json, "\"operation\":\"del\""));
        g_assert_null(strstr(answer.json, "snapshot"));
        answer_clear(&answer);
        teardown();
}

static void test_many_wake(void)
{
        setup();
        g_autofree char *token = token_now();
        Answer answers[100] = { 0 };
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
                from("*", token, 3600, &answers[i]);
        g_autofree char *ref = test_vm(store, "one");
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                wait_for(&answers[i]);
                g_assert_cmpint(answers[i].n, ==, 1);
                g_assert_cmpuint(answers[i].n_events, ==, 1);
                answer_clear(&answers[i]);
        }
        teardown();
}

static void wait_begins(const char *first, const char *second, const char *token, Answer *answer)
{
        Set *set = classes(first, second);
        g_assert_nonnull(watches_from(watches, "OpaqueRef:session", set, token, 3600, on_done, answer));
        set_unref(set);
}

/* Who waits for the same since the same time gets the same answer, made once; others get their own. */
static void test_shared(void)
{
        setup();
        g_autofree char *ref = test_vm(store, "one");
        g_autofree char *token = token_now();
        g_autofree char *one = g_strconcat("vm/", ref, NULL);
        Answer same[3] = { 0 }, objects[2] = { 0 }, other = { 0 }, none = { 0 };
        wait_begins("vm", "sr", token, &same[0]);
        wait_begins("vm", "vbd", token, &other);
        wait_begins("sr", "VM", token, &same[1]);
        wait_begins(one, "sr", token, &objects[0]);
        wait_begins("vm/none", "sr", token, &none);
        wait_begins("vm/none", one, token, &objects[1]);
        wait_begins("vm", "sr", token, &same[2]);
        test_set_label(store, ref, "two");
        wait_for(&same[0]);
        settle();
        g_assert_true(same[0].batch == same[1].batch && same[0].batch == same[2].batch);
        g_assert_true(same[0].batch != other.batch && same[0].batch != objects[0].batch);
        g_assert_true(objects[0].batch != objects[1].batch);
        g_assert_cmpint(none.n, ==, 0);
        Answer *ended[] = { &same[1], &same[2], &objects[0], &objects[1], &other, &same[0] };
        for (size_t i = 0; i < G_N_ELEMENTS(ended); i++) {
                g_assert_cmpint(ended[i]->n, ==, 1);
                g_assert_cmpstr(ended[i]->json, ==, same[0].json);
                g_assert_cmpstr(ended[i]->xml, ==, same[0].xml);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(ended); i++)
                answer_clear(ended[i]);
        teardown();
        answer_clear(&none);
}

static void test_order(void)
{
        setup();
        g_autofree char *deleted = test_vm(store, "a"), *changed = test_vm(store, "b");
        g_autofree char *token = token_now();
        test_delete(store, &CLASS_VM, deleted);
        test_set_label(store, changed, "c");
        g_autofree char *made = test_vm(store, "d");
        Answer answer = { 0 };
        g_assert_null(from("vm", token, 0, &answer));
        g_assert_cmpuint(answer.n_events, ==, 3);
        const char *add = strstr(answer.json, "\"add\""), *mod = strstr(answer.json, "\"mod\"");
        g_assert_true(add < mod && mod < strstr(answer.json, "\"del\""));
        answer_clear(&answer);
        teardown();
}

static void test_timeout(void)
{
        setup();
        g_autofree char *token = token_now();
        Answer late = { 0 }, answer = { 0 };
        g_assert_nonnull(from("vm", token, 3600, &late));
        g_assert_nonnull(from("vm", token, 0.05, &answer));
        Txn *txn = txn_begin(store);
        txn_create(txn, &CLASS_NETWORK, NULL, NULL);
        test_commit(txn);
        wait_for(&answer);
        g_assert_cmpint(late.n, ==, 0);
        g_assert_cmpuint(answer.n_events, ==, 0);
        g_assert_cmpuint(answer.generation, ==, store_generation(store));
        answer_clear(&answer);
        teardown();
        g_assert_cmpint(late.n, ==, 1);
        g_assert_nonnull(late.error);
        answer_clear(&late);
}

static void test_absurd_timeouts(void)
{
        setup();
        g_autofree char *token = token_now();
        const double timeouts[] = {
                -1, 1e300, INFINITY, NAN, WATCH_TIMEOUT_MAX_SEC, WATCH_TIMEOUT_MAX_SEC + 1
        };
        for (size_t i = 0; i < G_N_ELEMENTS(timeouts); i++) {
                Answer answer = { 0 };
                Watch *watch = from("vm", token, timeouts[i], &answer);
                g_assert_nonnull(watch);
                settle();
                g_assert_cmpint(answer.n, ==, 0);
                watch_cancel(watch);
        }
        teardown();
}

static void test_lost(void)
{
        setup();
        g_autofree char *token = token_now();
        Txn *txn = txn_begin(store);
        for (size_t i = 0; i < TOMBSTONES_MAX + 1; i++)
                txn_delete(txn, &CLASS_TASK, txn_create(txn, &CLASS_TASK, NULL, NULL)->ref);
        test_commit(txn);
        Answer answer = { 0 };
        g_assert_null(from("task", token, 0, &answer));
        g_assert_cmpstr(answer.error, ==, "EVENTS_LOST: []");
        answer_clear(&answer);
        g_assert_null(from("vm", token, 0, &answer));
        g_assert_null(answer.error);
        answer_clear(&answer);
        g_assert_null(from("task", "", 0, &answer));
        g_assert_null(answer.error);
        answer_clear(&answer);
        teardown();
}

static void test_session_ends(void)
{
        setup();
        Txn *txn = txn_begin(store);
        txn_create(txn, &CLASS_SESSION, "OpaqueRef:session", NULL);
        test_commit(txn);
        g_autofree char *token = token_now();
        Answer answer = { 0 };
        from("vm", token, 3600, &answer);
        test_delete(store, &CLASS_SESSION, "OpaqueRef:session");
        wait_for(&answer);
        g_assert_true(g_str_has_prefix(answer.error, "SESSION_INVALID"));
        answer_clear(&answer);

        /* One that is no object of the store. */
        from("vm", token, 3600, &answer);
        watches_end_session(watches, "OpaqueRef:another");
        g_assert_cmpint(answer.n, ==, 0);
        watches_end_session(watches, "OpaqueRef:session");
        g_assert_cmpint(answer.n, ==, 1);
        answer_clear(&answer);
        teardown();
}

static void test_cancel_in_done(void)
{
        setup();
        g_autofree char *token = token_now();
        Answer first = { 0 }, second = { 0 }, third = { 0 };
        from("vm", token, 3600, &first);
        first.cancel = from("vm", token, 3600, &second);
        from("vm", token, 3600, &third);
        g_autofree char *ref = test_vm(store, "one");
        wait_for(&third);
        g_assert_cmpint(first.n, ==, 1);
        g_assert_cmpint(second.n, ==, 0);
        answer_clear(&first);
        answer_clear(&third);
        teardown();
}

static void test_next(void)
{
        setup();
        Answer answer = { 0 };
        g_assert_null(watches_next(watches, "s", "trackid=x", on_done, &answer));
        g_assert_cmpstr(answer.error, ==, "SESSION_NOT_REGISTERED: [trackid=x]");
        answer_clear(&answer);

        g_autofree char *old = test_vm(store, "old");
        Set *vm = classes("VM", NULL), *network = classes("network", NULL);
        g_assert_true(watches_register(watches, "s", vm, NULL));
        g_assert_true(watches_register(watches, "s", network, NULL));
        watches_unregister(watches, "s", network);
        g_assert_nonnull(watches_next(watches, "s", "", on_done, &answer));
        g_autofree char *made = test_vm(store, "made");
        wait_for(&answer);
        g_assert_cmpuint(answer.n_events, ==, 1);
        answer_clear(&answer);

        /* What was told is not told again. */
        g_assert_nonnull(watches_next(watches, "s", "", on_done, &answer));
        watches_end_session(watches, "s");
        g_assert_true(g_str_has_prefix(answer.error, "SESSION_INVALID"));
        answer_clear(&answer);
        set_unref(vm);
        set_unref(network);
        teardown();
}

static Set *many_classes(size_t n)
{
        g_auto(GStrv) texts = g_new0(char *, n + 1);

        for (size_t i = 0; i < n; i++)
                texts[i] = g_strdup_printf("vm/%zu", i);
        return set_of_strings(&type_string, (const char *const *)texts);
}

/* As many as may be told apart in no time: what takes long here holds up everybody. */
static void test_many_classes(void)
{
        setup();
        Set *most = many_classes(WATCH_CLASSES_MAX), *too_many = many_classes(WATCH_CLASSES_MAX + 1);
        Set *vm = classes("VM", NULL);
        g_autoptr(XapiError) error = NULL;
        Answer answer = { 0 };

        g_assert_false(watches_register(watches, "s", too_many, &error));
        g_assert_cmpstr(error->code, ==, ERR_INVALID_VALUE);
        g_assert_null(watches_next(watches, "s", "x", on_done, &answer));
        g_assert_cmpstr(answer.error, ==, "SESSION_NOT_REGISTERED: [x]");
        answer_clear(&answer);
        g_assert_true(watches_register(watches, "s", most, NULL));
        g_assert_true(watches_register(watches, "s", most, NULL));
        g_assert_false(watches_register(watches, "s", vm, NULL));
        watches_unregister(watches, "s", most);
        g_assert_true(watches_register(watches, "s", vm, NULL));

        g_assert_null(watches_from(watches, "s", too_many, "", 0, on_done, &answer));
        g_assert_true(g_str_has_prefix(answer.error, "INVALID_VALUE: [classes"));
        answer_clear(&answer);
        g_assert_null(watches_from(watches, "s", most, "", 0, on_done, &answer));
        g_assert_null(answer.error);
        answer_clear(&answer);
        set_unref(most);
        set_unref(too_many);
        set_unref(vm);
        teardown();
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/watch/shapes", test_shapes);
        g_test_add_func("/watch/subscriptions", test_subscriptions);
        g_test_add_func("/watch/tokens", test_tokens);
        g_test_add_func("/watch/wakes", test_wakes);
        g_test_add_func("/watch/many-wake", test_many_wake);
        g_test_add_func("/watch/shared", test_shared);
        g_test_add_func("/watch/order", test_order);
        g_test_add_func("/watch/timeout", test_timeout);
        g_test_add_func("/watch/absurd-timeouts", test_absurd_timeouts);
        g_test_add_func("/watch/lost", test_lost);
        g_test_add_func("/watch/session-ends", test_session_ends);
        g_test_add_func("/watch/cancel-in-done", test_cancel_in_done);
        g_test_add_func("/watch/many-classes", test_many_classes);
        g_test_add_func("/watch/next", test_next);
        return g_test_run();
}
