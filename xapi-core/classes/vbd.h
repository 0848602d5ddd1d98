/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VBDs made on behalf of other operations. */
#pragma once

#include "call.h"
#include "xenapi.h"

/* Puts an unpublished row in as a new VBD, with metrics, not attached; takes it. Borrowed until the transaction's end. */
VbdRow *vbd_insert(Txn *txn, VbdRow *taken);
/* Puts a free device in the place of "autodetect"; INVALID_DEVICE, DEVICE_ALREADY_EXISTS. */
bool vbd_choose_device(Txn *txn, const VmRow *vm, VbdRow *vbd, XapiError **error);
