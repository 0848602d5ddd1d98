/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may serve and call which queue. The switch's own user and root may do all; others what the policy file says:
 *
 *     [queue org.xen.xapi.xenops.*]     a pattern with * and ?
 *     serve=xenopsd                     users by name or number, @groups (primary ones); * is everybody
 *     call=xapi;@xapi
 *     [control]                         list, diagnostics and tail, which show others' calls
 *     allow=xapi
 *
 * A right that any group of the file gives is given. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

typedef struct Policy Policy;
typedef enum PolicyRight { POLICY_SERVE, POLICY_CALL } PolicyRight;

/* `path` NULL: nobody else may do anything. NULL with *ret_error (owned) set where the file is not right. */
Policy *policy_load(const char *path, char **ret_error);
void policy_free(Policy *policy);
bool policy_trusts(const Policy *policy, uid_t uid); /* root, or the switch's own user */
bool policy_allows(const Policy *policy, PolicyRight right, const char *queue, uid_t uid, gid_t gid);
bool policy_allows_control(const Policy *policy, uid_t uid, gid_t gid);
