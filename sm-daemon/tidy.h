/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the chains of images short, of plugins that tell of theirs (SR.images): an image that is no volume's and lies under
 * one other alone is brought together with that, by the plugin, or, while a disk server has them open, by that, while the
 * guest goes on. What nobody needs is removed. */
#pragma once

#include "manager.h"

/* Until there is nothing left to do, or `ends` says so. False: something failed that may succeed another time. */
bool tidy_repository(Manager *manager, const char *sr, bool (*ends)(void *data), void *data);
