/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system's D-Bus, for workers that ask systemd for something. */
#pragma once

#include <stdint.h>

#include <gio/gio.h>

/* A connection of the caller's own, owned (g_object_unref). NULL, with *error: there is no bus, or it does not answer by the
 * deadline (clock_usec). The thread has pushed a main context of its own, which is run meanwhile. */
GDBusConnection *system_bus_connect(uint64_t deadline_usec, GError **error);
/* What is left until the deadline, as GDBus wants it: at least 1. */
int system_bus_msec(uint64_t deadline_usec);
