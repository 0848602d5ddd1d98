/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of names that were ever served: what lets a switch that was restarted tell "restarting" from "no such queue". */
#pragma once

typedef struct Names Names;

/* Calls function for each name that the file holds, then makes it anew with those alone. A file that cannot be read or
 * written costs only the memory of names over a restart, and is logged. */
Names *names_open(const char *path, void (*function)(const char *name, void *data), void *data);
void names_add(Names *names, const char *name);
void names_close(Names *names);
