/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the switch itself (control.h says what), waiting for the answers. For command lines. */
#pragma once

#include <jansson.h>

typedef struct ControlClient ControlClient;

/* Connects and says HELLO. NULL with *ret_error (owned) set where there is no switch. */
ControlClient *control_client_new(const char *socket_path, const char *name, char **ret_error);
void control_client_free(ControlClient *client);
/* Asks; the answers come by control_client_next. `options` is borrowed, NULL: none. */
void control_client_ask(ControlClient *client, const char *what, const json_t *options);
/* Waits for the next answer. Returns it owned, or NULL with *ret_error (owned) set: the switch refused, or has gone. */
json_t *control_client_next(ControlClient *client, char **ret_error);
