# SPDX-License-Identifier: LGPL-2.1-or-later
"""How names on the bus become names in C."""

import json
import re


def snake(name):
    """PowerState, VM.start, get_nbd -> power_state, vm_start, get_nbd."""
    name = name.replace('.', '_').replace('PVinPVH', 'Pvinpvh').replace('SMAPIv', 'Smapiv')
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'_+', '_', name).lower()


def flat(name):
    """Tags and methods keep their own underscores only: BlockDevice -> block_device, VM.start -> vm_start."""
    return C_WORDS.get(snake(name), snake(name))


C_WORDS = {w: w + '_' for w in (
    'auto bool break case char const continue default do double else enum extern float for goto if inline int long register '
    'return short signed sizeof static struct switch typedef union unsigned void volatile while').split()}


def camel(name):
    return ''.join(part[:1].upper() + part[1:] for part in snake(name).split('_'))


def c_string(text):
    return 'NULL' if text is None else json.dumps(text)
