// SPDX-License-Identifier: LGPL-2.1-or-later
// Blocks of 4 KiB on disks, each stamped with its number and a generation, written past every cache.
#pragma once
#include <stdbool.h>

// stamp DISK FIRST COUNT GENERATION   writes them
// check DISK FIRST COUNT GENERATION   "check ok", or how many are something else
// size DISK                           in bytes
// writer DISK FIRST COUNT [sync]      begins to write them over and over, in the background, until a write fails; with
//                                     sync each is flushed before it counts as acknowledged
// written                             how many writes of the writer have been acknowledged
// error                               of the write that failed, or "error none"
// stop                                ends the writer; "stop ok WRITES" if every acknowledged write is there
// Returns whether it was one of these.
bool blocks_obey(char **word);
