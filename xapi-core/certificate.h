/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's certificate: made once, kept, and replaced by whoever replaces the file. */
#pragma once

/* Makes a self-signed RSA certificate with its key (PEM, readable by its owner alone) where the file is not there.
 * 0 or negative errno. */
int certificate_ensure(const char *path, const char *hostname);
