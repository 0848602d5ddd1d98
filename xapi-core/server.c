/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"

#include <string.h>

#include "codec.h"
#include "dispatch.h"
#include "manager.h"
#include "rpc.h"

static void reply_options(HttpExchange *exchange)
{
        auto_buffer headers = { 0 };

        rpc_write_options_headers(&headers, http_exchange_request(exchange));
        http_reply(exchange, &(HttpReply){ .status = 200, .headers = buffer_terminate(&headers) });
}

/* ---- calls ---- */

typedef struct Answering {
        HttpExchange *exchange;
        RpcRequest request; /* without its params */
        Manager *manager;
        Buffer body;
} Answering;

static void answering_free(Answering *a)
{
        rpc_request_clear(&a->request);
        buffer_clear(&a->body);
        g_free(a);
}

static void send_answer(Answering *a)
{
        http_reply(a->exchange, &(HttpReply){ .status = 200,
                                              .content_type = rpc_content_type(a->request.dialect),
                                              .headers = RPC_REPLY_HEADERS,
                                              .body = &a->body });
}

typedef struct Held {
        Manager *manager;
        uv_timer_t timer;
        GList link; /* in Manager.held */
        void (*function)(void *data);
        void *data;
} Held;

static void timer_closed(uv_handle_t *handle)
{
        g_free(handle->data);
}

static void let_go(Held *held)
{
        g_queue_unlink(&held->manager->held, &held->link);
        held->function(held->data);
        uv_close((uv_handle_t *)&held->timer, timer_closed);
}

static void timer_fired(uv_timer_t *timer)
{
        let_go(timer->data);
}

void server_hold_back(Manager *manager, uint64_t delay_usec, void (*function)(void *data), void *data)
{
        Held *held;

        if (manager->stopping) {
                function(data);
                return;
        }
        held = g_new0(Held, 1);
        *held = (Held){ .manager = manager, .function = function, .data = data };
        held->link.data = held;
        g_queue_push_tail_link(&manager->held, &held->link);
        uv_timer_init(loop_uv(manager->daemon->loop), &held->timer);
        held->timer.data = held;
        uv_timer_start(&held->timer, timer_fired, delay_usec / 1000, 0);
}

void server_let_go(Manager *manager)
{
        Held *held;

        while ((held = g_queue_peek_head(&manager->held)))
                let_go(held);
}

static void send_held(void *user)
{
        send_answer(user);
        answering_free(user);
}

static void write_value(Buffer *b, const RpcRequest *r, const DispatchAnswer *answer)
{
        Dialect dialect = r->dialect == RPC_XML ? DIALECT_XML : DIALECT_JSON;

        rpc_begin_success(b, r);
        if (answer->write)
                answer->write(b, dialect, answer->written);
        else
                value_write(b, dialect, answer->type, answer->value);
        rpc_end_success(b, r);
}

static void answer(const DispatchAnswer *answer, void *user)
{
        Answering *a = user;

        if (answer->broken) {
                http_reply_error(a->exchange, 500, NULL);
                answering_free(a);
                return;
        }
        if (answer->error)
                rpc_write_failure(&a->body, &a->request, answer->error);
        else
                write_value(&a->body, &a->request, answer);
        if (answer->delay_usec) {
                server_hold_back(a->manager, answer->delay_usec, send_held, a);
                return;
        }
        send_answer(a);
        answering_free(a);
}

static void run_call(Manager *manager, HttpExchange *exchange, RpcRequest *taken)
{
        Answering *a = g_new0(Answering, 1);
        const HttpRequest *http = http_exchange_request(exchange);
        json_t *params = g_steal_pointer(&taken->params);
        DispatchRequest request;

        a->exchange = exchange;
        a->manager = manager;
        a->request = *taken;
        *taken = (RpcRequest){ 0 };
        request = (DispatchRequest){
                .method = a->request.method,
                .params = params,
                .local_socket = http_exchange_is_local(exchange),
                .peer = http_exchange_peer(exchange),
                .user_agent = http_header(http, "user-agent"),
        };
        dispatch(manager, &request, exchange, answer, a);
        json_decref(params);
}

static void reply_refusal(HttpExchange *exchange, RpcRequest *r)
{
        http_reply(
            exchange,
            &(HttpReply){ .status = 200, .content_type = rpc_content_type(r->dialect), .body = &r->refusal });
}

static void on_post(Manager *manager, HttpExchange *exchange)
{
        const HttpRequest *http = http_exchange_request(exchange);
        auto_rpc_request request = { 0 };

        RpcParse parsed = rpc_parse(rpc_path_is_json(http->path), http->body.data, http->body.len, &request);

        http_exchange_drop_body(exchange);
        switch (parsed) {
        case RPC_CALL:
                run_call(manager, exchange, &request);
                break;
        case RPC_REFUSED:
                reply_refusal(exchange, &request);
                break;
        case RPC_TOO_LARGE:
                http_reply_error(exchange, 413, NULL);
                break;
        case RPC_MALFORMED:
                http_reply_error(exchange, 500, NULL);
                break;
        }
}

void server_on_request(HttpExchange *exchange, void *user)
{
        const HttpRequest *http = http_exchange_request(exchange);

        if (strcmp(http->method, "POST") == 0)
                on_post(user, exchange);
        else if (strcmp(http->method, "OPTIONS") == 0 && *http->path == '/')
                reply_options(exchange);
        else if (strcmp(http->method, "GET") == 0)
                http_reply_error(exchange, 404, NULL);
        else if (strcmp(http->method, "PUT") == 0 || strcmp(http->method, "CONNECT") == 0 ||
                 strcmp(http->method, "OPTIONS") == 0)
                http_reply_error(exchange, 403, NULL);
        else
                http_reply_error(exchange, 501, NULL);
}
