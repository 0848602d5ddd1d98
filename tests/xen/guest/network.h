// SPDX-License-Identifier: LGPL-2.1-or-later
// An address for an interface, and ICMP echo.
#pragma once
#include <stdbool.h>

// Waits some seconds for the interface to be there; prints what fails. The network's mask is of 24 bits.
void network_set_up(const char *interface, const char *address);

// Returns whether one of several echo requests was answered.
bool network_ping(const char *address);
