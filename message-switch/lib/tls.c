/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls.h"

#include <glib.h>
#include <openssl/err.h>

/* For TLS 1.2; those of 1.3 are all fit. Clients of the XenAPI insist on the RSA ones with AES-GCM. */
#define TLS_CIPHERS                                                                                          \
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:"               \
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"

static SSL_CTX *give_up(SSL_CTX *context, const char *pem_path, char **ret_error)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        *ret_error = g_strdup_printf("%s: %s", pem_path, reason ? reason : "unknown error of OpenSSL");
        ERR_clear_error();
        SSL_CTX_free(context);
        return NULL;
}

SSL_CTX *tls_context_new(const char *pem_path, char **ret_error)
{
        ERR_clear_error();
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        if (!context)
                return give_up(NULL, pem_path, ret_error);
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
        /* Sessions are kept by clients, in tickets; nothing of them stays here. */
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(context, 1);
        SSL_CTX_set_read_ahead(context, 1); /* one read for a record and its header */
        if (SSL_CTX_set_cipher_list(context, TLS_CIPHERS) != 1 ||
            SSL_CTX_use_certificate_chain_file(context, pem_path) != 1 ||
            SSL_CTX_use_PrivateKey_file(context, pem_path, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_check_private_key(context) != 1)
                return give_up(context, pem_path, ret_error);
        return context;
}
