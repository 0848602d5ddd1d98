# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the model's names read in C."""

import json
import re

KEYWORDS = {'auto', 'break', 'case', 'char', 'const', 'continue', 'default', 'do', 'double', 'else', 'enum', 'extern',
            'float', 'for', 'goto', 'if', 'inline', 'int', 'long', 'register', 'restrict', 'return', 'short', 'signed',
            'sizeof', 'static', 'struct', 'switch', 'typedef', 'union', 'unsigned', 'void', 'volatile', 'while'}


def camel(name):
    """VM_guest_metrics as VmGuestMetrics."""
    return ''.join(p.capitalize() if p.isupper() else p[:1].upper() + p[1:] for p in name.split('_'))


def constant(*names):
    return re.sub(r'\W', '_', '_'.join(names)).upper()


def member(name):
    return name + '_' if name in KEYWORDS else name


def quoted(text):
    """A C string literal."""
    return json.dumps(text, ensure_ascii=False)


def value_type(t):
    if t.kind in ('string', 'secretstring', 'ref', 'void'):
        return 'Str '
    if t.kind == 'float':
        return 'double '
    return {'set': 'Set *', 'option': 'Set *', 'map': 'Map *', 'record': 'Row *'}.get(t.kind, 'int64_t ')


def class_symbol(c):
    return f'CLASS_{constant(c if isinstance(c, str) else c.name)}'


def has_handler(m):
    """What the classes' own code answers; the generic object layer answers the rest."""
    if m.lifecycle[-1][0] == 'removed':
        return False
    return m.tag in ('custom', 'ctor', 'dtor') or (m.field is not None and m.field.effect and m.tag != 'field_get')


def handlers_of(c):
    return [m for m in c.messages.values() if has_handler(m)]


def check_unique(what, names):
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f'{what}: two C names are "{name}"')
        seen.add(name)


BANNER = '/* SPDX-License-Identifier: LGPL-2.1-or-later */\n/* Generated from idl/xenapi; not to be edited. */\n'
