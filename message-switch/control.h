/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the switch itself answers: list, diagnostics, tail, shutdown. Bodies and answers are JSON objects. */
#pragma once

#include "frame-reader.h"
#include "manager.h"

/* "list": {"queues":[{"name","served"}]}
 * "diagnostics": {"version","pid","uptime_usec","peers":[...],"queues":[...],"calls","held_bytes","counts":{...}}
 * "tail": {"events":[...]}, what the ring holds; with {"follow":true} further ones as they come, in the same shape with
 *         "lost", how many were left out; with {"bodies":true} those have a "body"
 * "shutdown": {}, and the switch ends; only for who is trusted. */
void control_answer(Peer *peer, const Frame *frame);
