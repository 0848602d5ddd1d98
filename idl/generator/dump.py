# SPDX-License-Identifier: LGPL-2.1-or-later
"""wire-surface.txt: everything that a client can see of the API, one fact a line, for review and for diff."""

import json

from .model import state


def steps(lifecycle):
    return ', '.join(' '.join(step) for step in lifecycle)


def write_dump(model, out):
    out.write('# SPDX-License-Identifier: LGPL-2.1-or-later\n')
    out.write('# Generated from idl/xenapi; `ninja -C build update-wire-surface` brings it up to date.\n')
    out.write(f'api-version {".".join(map(str, model.api_version))}\n')
    for role in model.roles:
        out.write(f'role {role}\n')
    for e in model.enums.values():
        out.write(f'enum {e.name}: {" ".join(e.values)}\n')
    for c in model.classes.values():
        write_class(c, out)
    for e in model.errors.values():
        out.write(f'error {e.name}' + ('' if e.params is None else f'({", ".join(e.params)})') + '\n')
    for name, priority in model.message_types.items():
        out.write(f'message-type {name} {priority}\n')
    for a in model.http.values():
        out.write(f'http {a.method} {a.uri} {a.name} [{a.role}{" open" if a.open else ""}]'
                  + (f' ({", ".join(a.args)})' if a.args else '') + '\n')


def key_roles(thing):
    return [f'{key}={role}' for key, role in sorted(thing.key_roles.items())]


def write_class(c, out):
    flags = [text for text, on in (('not-in-database', not c.in_database), ('volatile', not c.persist),
                                   ('no-events', not c.events)) if on]
    out.write(f'class {c.name} [{" ".join(flags)}] {steps(c.lifecycle)}\n')
    for f in c.fields.values():
        flags = [f.qualifier] + [text for text, on in (('internal', f.internal), ('volatile', not f.persist)) if on]
        default = '' if f.default is None else f' = {f.default}'
        ends = f' <-> {".".join(f.other_end)}' if f.other_end else ''
        out.write(f'field {c.name}.{f.name}: {f.type.text}{default} [{" ".join(flags + key_roles(f))}]{ends} '
                  f'{steps(f.lifecycle)}\n')
    for m in c.messages.values():
        params = ', '.join(f'{p.name}: {p.type.text}' + (f' = {json.dumps(p.default, sort_keys=True)}'
                                                        if p.has_default else '') for p in m.params)
        flags = [m.role] + [text for text, on in (
            ('async', m.is_async), ('hidden', m.hidden), ('pool-internal', m.pool_internal), ('secret', m.secret),
            ('no-session', not m.session), ('emergency', m.emergency), ('member-local', m.member_local),
            ('removed', state(m.lifecycle) == 'removed'))
            if on]
        errors = f' raises {" ".join(m.errors)}' if m.errors else ''
        out.write(f'message {c.name}.{m.name}({params}): {m.result.text} [{" ".join(flags + key_roles(m))}]{errors} '
                  f'{steps(m.lifecycle)}\n')
        if m.ctor_required is not None:
            out.write(f'constructor {c.name}: {" ".join(m.ctor_required)} [{" ".join(m.ctor_optional)}]\n')
