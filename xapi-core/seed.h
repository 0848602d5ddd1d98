/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs to begin with, for tests and for figures. */
#pragma once

#include "manager.h"

#define SEED_VMS_MAX 100000

/* Makes n halted VMs, each with two disks and an interface, in a store that has none yet. Runs the loop until they are
 * there, which takes sm-daemon; the caller serves nobody yet. What an earlier attempt made that was killed is used. */
bool seed_vms(Manager *manager, int n, XapiError **error);
