/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http-connection.h"
#include "tls.h"

#define ACCEPT_MAX         64u /* connections taken before others get their turn */
#define REFUSALS_MAX       64u /* connections past the limit that are told so; further ones are just closed */
#define DESCRIPTORS_SPARED 256u /* of the process's limit, for all that is not a client's connection */
#define TICK_MSEC          1000u

typedef struct Listener Listener;
struct Listener {
        HttpServer *server;
        uv_poll_t poll;
        int fd;
        bool tls, local;
        TAILQ_ENTRY(Listener) all;
};

HttpParser *server_take_parser(HttpServer *s)
{
        return s->n_parsers > 0 ? s->parsers[--s->n_parsers] : http_parser_new();
}

void server_give_parser(HttpServer *s, HttpParser *p)
{
        if (!p || s->n_parsers == sizeof(s->parsers) / sizeof(s->parsers[0])) {
                http_parser_free(p);
                return;
        }
        http_parser_reset(p);
        s->parsers[s->n_parsers++] = p;
}

static void wait_is_over(Connection *c)
{
        Phase phase = c->phase;

        connection_set_wait(c, WAIT_NONE);
        if (c->exchange.open)
                connection_tell_gone(c);
        else if (phase == PHASE_HEAD || phase == PHASE_BODY)
                connection_refuse(c, 408);
        else if (phase == PHASE_IDLE)
                connection_finish(c);
        else
                connection_close(c);
        connection_settle(c);
}

static void server_on_tick(uv_timer_t *timer)
{
        HttpServer *s = timer->data;
        uint64_t now = uv_now(loop_uv(s->options.loop));

        for (Wait wait = WAIT_NONE + 1; wait < WAIT_COUNT; wait++) {
                Connection *c;
                while ((c = TAILQ_FIRST(&s->waits[wait])) && c->wait_until_msec <= now)
                        wait_is_over(c);
        }
}

/* Raises the soft limit of descriptors to the hard one; returns how many connections it leaves room for. */
static size_t descriptor_room(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 512;
        if (limit.rlim_cur < limit.rlim_max) {
                struct rlimit raised = { limit.rlim_max, limit.rlim_max };
                if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
                        limit = raised;
        }
        return limit.rlim_cur > 2 * DESCRIPTORS_SPARED ? limit.rlim_cur - DESCRIPTORS_SPARED
                                                       : limit.rlim_cur / 2;
}

static void fill_limits(HttpServerLimits *l)
{
        size_t room = descriptor_room();

        if (l->connections == 0 || l->connections > room)
                l->connections = room;
        l->bodies_bytes = l->bodies_bytes ? l->bodies_bytes : 256u << 20;
        l->idle_msec = l->idle_msec ? l->idle_msec : 3600u * 1000u;
        l->head_msec = l->head_msec ? l->head_msec : 10u * 1000u;
        l->progress_msec = l->progress_msec ? l->progress_msec : 30u * 1000u;
}

static unsigned tick_msec(const HttpServerLimits *l)
{
        unsigned tick = TICK_MSEC;
        const unsigned waits[] = { l->idle_msec, l->head_msec, l->progress_msec };

        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
                if (waits[i] / 2 < tick)
                        tick = waits[i] / 2;
        return tick > 0 ? tick : 1;
}

HttpServer *http_server_new(const HttpServerOptions *options)
{
        HttpServer *s = calloc(1, sizeof(*s));
        assert(s);
        s->options = *options;
        fill_limits(&s->options.limits);
        TAILQ_INIT(&s->all);
        TAILQ_INIT(&s->orphans);
        TAILQ_INIT(&s->listeners);
        for (size_t i = 0; i < WAIT_COUNT; i++)
                TAILQ_INIT(&s->waits[i]);
        s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
        uv_timer_init(loop_uv(options->loop), &s->tick);
        s->tick.data = s;
        unsigned tick = tick_msec(&s->options.limits);
        uv_timer_start(&s->tick, server_on_tick, tick, tick);
        return s;
}

static void listener_on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

static void server_on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void http_server_free(HttpServer *s)
{
        Listener *l;
        Connection *c;

        if (!s)
                return;
        while ((l = TAILQ_FIRST(&s->listeners))) {
                TAILQ_REMOVE(&s->listeners, l, all);
                uv_close((uv_handle_t *)&l->poll, listener_on_closed);
                close(l->fd);
        }
        while ((c = TAILQ_FIRST(&s->all))) {
                transport_end_writing(&c->transport);
                connection_close(c);
        }
        while ((c = TAILQ_FIRST(&s->orphans))) {
                TAILQ_REMOVE(&s->orphans, c, all);
                connection_set_wait(c, WAIT_NONE);
                c->server = NULL;
        }
        while (s->n_parsers > 0)
                http_parser_free(s->parsers[--s->n_parsers]);
        if (s->spare_fd >= 0)
                close(s->spare_fd);
        SSL_CTX_free(s->tls);
        buffer_clear(&s->scratch);
        uv_close((uv_handle_t *)&s->tick, server_on_closed);
}

size_t http_server_connections(const HttpServer *s)
{
        return s->n_connections;
}

int http_server_set_certificate(HttpServer *s, const char *pem_path, char **ret_error)
{
        SSL_CTX *context = tls_context_new(pem_path, ret_error);
        if (!context)
                return -EINVAL;
        SSL_CTX_free(s->tls); /* connections hold it for themselves */
        s->tls = context;
        return 0;
}

/* Without descriptors the connection would wait in the queue, and the poll spin: it is taken to be closed. */
static bool turn_away(Listener *l)
{
        HttpServer *s = l->server;

        if (s->spare_fd < 0)
                return false;
        close(s->spare_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
                close(fd);
        s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd >= 0;
}

static void listener_on_poll(uv_poll_t *poll, int status, int events)
{
        Listener *l = poll->data;
        HttpServer *s = l->server;

        for (size_t i = 0; i < ACCEPT_MAX; i++) {
                struct sockaddr_storage peer = { 0 };
                socklen_t peer_len = sizeof(peer);
                int fd = accept4(l->fd, (struct sockaddr *)&peer, &peer_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
                        if (!turn_away(l))
                                return;
                } else if (fd < 0 && (errno == ECONNABORTED || errno == EINTR)) {
                        continue;
                } else if (fd < 0) {
                        return;
                } else if (s->n_connections >= s->options.limits.connections + REFUSALS_MAX) {
                        close(fd);
                } else {
                        connection_new(s, fd, l->tls, l->local, (struct sockaddr *)&peer);
                }
        }
}

static int listen_on(HttpServer *s, int fd, bool tls, bool local)
{
        if (listen(fd, SOMAXCONN) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        Listener *l = calloc(1, sizeof(*l));
        assert(l);
        *l = (Listener){ .server = s, .fd = fd, .tls = tls, .local = local };
        uv_poll_init_socket(loop_uv(s->options.loop), &l->poll, fd);
        l->poll.data = l;
        uv_poll_start(&l->poll, UV_READABLE, listener_on_poll);
        TAILQ_INSERT_TAIL(&s->listeners, l, all);
        return 0;
}

/* Accepted sockets inherit these. Keep-alive finds clients that vanished under a long poll. */
static void set_tcp_options(int fd)
{
        static const struct {
                int level, option, value;
        } options[] = {
                { SOL_SOCKET, SO_REUSEADDR, 1 },    { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_NODELAY, 1 },    { IPPROTO_TCP, TCP_KEEPIDLE, 60 },
                { IPPROTO_TCP, TCP_KEEPINTVL, 15 }, { IPPROTO_TCP, TCP_KEEPCNT, 4 },
                { IPPROTO_IPV6, IPV6_V6ONLY, 0 }, /* fails on IPv4, where it says nothing */
        };

        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
                setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
}

int http_server_listen_tcp(HttpServer *s, const char *address, int port, bool tls, int *ret_port)
{
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
        bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;

        if (port < 0 || port > 65535 || (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1))
                return -EINVAL;
        int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        set_tcp_options(fd);
        struct sockaddr *bound = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
        socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
        if (bind(fd, bound, len) < 0 || getsockname(fd, bound, &len) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        int r = listen_on(s, fd, tls, false);
        if (r == 0 && ret_port)
                *ret_port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
        return r;
}

int http_server_listen_unix(HttpServer *s, const char *path, unsigned mode)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat there;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
                unlink(path);
        /* The mode before bind keeps others out from the first instant; the one after it is free of the umask. */
        if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chmod(path, mode) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        return listen_on(s, fd, false, true);
}
