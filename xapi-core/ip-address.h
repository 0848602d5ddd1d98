/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Internet addresses as text. */
#pragma once

#include <stdbool.h>

/* `family` is AF_INET or AF_INET6. */
bool ip_address_is_valid(int family, const char *text); /* "10.0.0.1" */
bool ip_cidr_is_valid(int family, const char *text);    /* "10.0.0.1/24" */
