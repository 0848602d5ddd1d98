/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-fixture.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

void fixture_write_certificate(const char *pem_path, const char *name)
{
        EVP_PKEY *key = EVP_RSA_gen(2048);
        X509 *certificate = X509_new();

        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        X509_set_pubkey(certificate, key);
        X509_NAME *subject = X509_get_subject_name(certificate);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
        X509_set_issuer_name(certificate, subject);
        X509_sign(certificate, key, EVP_sha256());
        FILE *file = fopen(pem_path, "we");
        g_assert_nonnull(file);
        g_assert_true(PEM_write_X509(file, certificate));
        g_assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
        fclose(file);
        X509_free(certificate);
        EVP_PKEY_free(key);
}

static void fixture_loop(void *data)
{
        Fixture *f = data;
        loop_run(f->loop);
}

Fixture *fixture_new(HttpServerOptions options)
{
        Fixture *f = g_new0(Fixture, 1);
        g_autofree char *error = NULL;

        f->dir = g_dir_make_tmp("http-XXXXXX", NULL);
        f->socket_path = g_build_filename(f->dir, "socket", NULL);
        f->pem_path = g_build_filename(f->dir, "pem", NULL);
        fixture_write_certificate(f->pem_path, "first");
        f->loop = options.loop = loop_new();
        f->server = http_server_new(&options);
        g_assert_cmpint(http_server_set_certificate(f->server, f->pem_path, &error), ==, 0);
        g_assert_cmpint(http_server_listen_unix(f->server, f->socket_path, 0600), ==, 0);
        g_assert_cmpint(http_server_listen_tcp(f->server, "127.0.0.1", 0, false, &f->port), ==, 0);
        g_assert_cmpint(http_server_listen_tcp(f->server, "127.0.0.1", 0, true, &f->tls_port), ==, 0);
        f->client_tls = SSL_CTX_new(TLS_client_method());
        g_assert_cmpint(uv_thread_create(&f->thread, fixture_loop, f), ==, 0);
        return f;
}

void fixture_free(Fixture *f)
{
        loop_stop(f->loop);
        uv_thread_join(&f->thread);
        http_server_free(f->server);
        loop_free(f->loop);
        SSL_CTX_free(f->client_tls);
        g_unlink(f->socket_path);
        g_unlink(f->pem_path);
        g_rmdir(f->dir);
        g_free(f->socket_path);
        g_free(f->pem_path);
        g_free(f->dir);
        g_free(f);
}

typedef struct Run {
        void (*function)(void *data);
        void *data;
        uv_sem_t done;
} Run;

static void run_posted(void *data)
{
        Run *run = data;
        run->function(run->data);
        uv_sem_post(&run->done);
}

void fixture_run(Fixture *f, void (*function)(void *data), void *data)
{
        Run run = { function, data };
        uv_sem_init(&run.done, 0);
        loop_post(f->loop, run_posted, &run);
        uv_sem_wait(&run.done);
        uv_sem_destroy(&run.done);
}

static int connect_to(Fixture *f, Via via)
{
        struct sockaddr_un path = { .sun_family = AF_UNIX };
        struct sockaddr_in port = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

        g_strlcpy(path.sun_path, f->socket_path, sizeof(path.sun_path));
        port.sin_port = htons((uint16_t)(via == VIA_TLS ? f->tls_port : f->port));
        int fd = socket(via == VIA_UNIX ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(fd, >=, 0);
        int r = via == VIA_UNIX ? connect(fd, (struct sockaddr *)&path, sizeof(path))
                                : connect(fd, (struct sockaddr *)&port, sizeof(port));
        g_assert_cmpint(r, ==, 0);
        return fd;
}

Client *client_new(Fixture *f, Via via)
{
        Client *c = g_new0(Client, 1);
        c->fd = connect_to(f, via);
        if (via == VIA_TLS) {
                c->ssl = SSL_new(f->client_tls);
                SSL_set_fd(c->ssl, c->fd);
                g_assert_cmpint(SSL_connect(c->ssl), ==, 1);
        }
        return c;
}

void client_free(Client *c)
{
        SSL_free(c->ssl);
        close(c->fd);
        buffer_clear(&c->in);
        g_free(c);
}

void client_send(Client *c, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t sent = c->ssl ? SSL_write(c->ssl, bytes, (int)MIN(n, 1 << 20))
                                      : send(c->fd, bytes, n, MSG_NOSIGNAL);
                if (sent <= 0)
                        return; /* the server may have heard enough */
                bytes += sent;
                n -= (size_t)sent;
        }
}

void client_send_text(Client *c, const char *text)
{
        client_send(c, text, strlen(text));
}

bool client_fill(Client *c)
{
        char *to = buffer_reserve(&c->in, 65536);
        ssize_t n = c->ssl ? SSL_read(c->ssl, to, 65536) : recv(c->fd, to, 65536, 0);
        if (n <= 0)
                return false;
        c->in.len += (size_t)n;
        return true;
}

bool client_has_ended(Client *c)
{
        return c->in.len == 0 && !client_fill(c);
}

int client_reply(Client *c, char **ret_head, char **ret_body)
{
        char *end, *length;

        while (!(end = c->in.len > 0 ? g_strstr_len(c->in.data, (gssize)c->in.len, "\r\n\r\n") : NULL))
                if (!client_fill(c))
                        return -1;
        size_t head_len = (size_t)(end - c->in.data) + 4;
        g_autofree char *head = g_strndup(c->in.data, head_len);
        int status = atoi(head + strlen("HTTP/1.x "));
        length = strstr(head, "Content-Length: ");
        size_t body_len = length ? strtoull(length + strlen("Content-Length: "), NULL, 10) : 0;
        while (c->in.len < head_len + body_len)
                if (!client_fill(c))
                        return -1;
        if (ret_body)
                *ret_body = g_strndup(c->in.data + head_len, body_len);
        if (ret_head)
                *ret_head = g_steal_pointer(&head);
        buffer_consume(&c->in, head_len + body_len);
        return status;
}

int client_call(Client *c, const char *request, char **ret_body)
{
        client_send_text(c, request);
        return client_reply(c, NULL, ret_body);
}
