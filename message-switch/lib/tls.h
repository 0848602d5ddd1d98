/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What TLS is spoken as a server: 1.2 and later, forward-secret AEAD suites only. */
#pragma once

#include <openssl/ssl.h>

/* From a PEM file with the certificate, its chain and its key. NULL: *ret_error says why (g_free). Returns owned. */
SSL_CTX *tls_context_new(const char *pem_path, char **ret_error);
