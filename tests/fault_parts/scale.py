# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of a fault: the short form, which `tests/run` includes, or the full one of `tests/faults --long`."""
import os
import random

LONG = 'XAPI_FAULTS_LONG'
SEED = 'XAPI_FAULTS_SEED'


def is_long():
    return bool(os.environ.get(LONG))


def scale(short, full):
    return full if is_long() else short


def seeded():
    """The same choices again when it is told the seed that a failed run has printed."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1 << 32))
    print(f'     {SEED}={seed}', flush=True)
    return random.Random(seed)
