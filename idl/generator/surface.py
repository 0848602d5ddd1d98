# SPDX-License-Identifier: LGPL-2.1-or-later
"""The model in the shape of surface.json, defaults left out as there, for the test that compares the two."""

import json

from .model import state


def lifecycle(thing, c, out):
    """`since` and `state` where they are not the class's and "published", `lifecycle` where there is more to say."""
    steps = thing.lifecycle
    if steps[0][1] != c.lifecycle[0][1] or thing is c:
        out['since'] = steps[0][1]
    if state(steps) != 'published' or thing is c:
        out['state'] = state(steps)
    if thing is c or len(steps) > 1:
        out['lifecycle'] = [list(step) for step in steps]


def field(c, f):
    out = {'type': f.type.text}
    lifecycle(f, c, out)
    if f.qualifier != 'RO':
        out['q'] = f.qualifier
    if f.db_name != f.name:
        out['db_name'] = f.db_name
    if f.default is not None:
        out['default'] = json.loads(f.default)
    if f.key_roles:
        out['map_keys_roles'] = f.key_roles
    if not f.persist:
        out['persist'] = False
    for key, value in (('internal', f.internal), ('ignore_fk', f.ignore_foreign_key), ('has_effect', f.effect),
                       ('pseudo', f.pseudo)):
        if value:
            out[key] = True
    return out


def message(c, m):
    out = {}
    lifecycle(m, c, out)
    if m.tag != 'custom':
        out['tag'] = m.tag
    if m.params:
        out['params'] = [[p.name, p.type.text] + ([{'default': p.default}] if p.has_default else [])
                         for p in m.params]
    if m.result.text != 'void':
        out['result'] = m.result.text
    if m.role != 'read-only':
        out['role'] = m.role
    if m.errors:
        out['errors'] = m.errors
    if not m.session:
        out['session'] = False
    if m.key_roles:
        out['map_keys_roles'] = m.key_roles
    if m.forward_to:
        out['forward_to'] = m.forward_to
    if m.ctor_required is not None:
        out['ctor_required'], out['ctor_optional'] = m.ctor_required, m.ctor_optional
    for key, value in (('async', m.is_async), ('hidden', m.hidden), ('pool_internal', m.pool_internal),
                       ('secret', m.secret), ('custom_marshaller', m.custom_marshaller)):
        if value:
            out[key] = True
    return out


def of_class(c):
    out = {}
    lifecycle(c, c, out)
    for key, value in (('in_database', c.in_database), ('persist', c.persist), ('events', c.events)):
        if not value:
            out[key] = False
    out['fields'] = {f.name: field(c, f) for f in c.fields.values()}
    out['messages'] = {m.name: message(c, m) for m in c.messages.values()}
    return out


def http_action(a):
    out = {'method': a.method, 'uri': a.uri, 'in_sdk': a.sdk}
    if a.role:
        out['roles'] = a.role
    if a.args:
        out['args'] = a.args
    return out


def surface(model):
    messages = [(f'{c.name}.{m.name}', m) for c in model.classes.values() for m in c.messages.values()]
    return {
        'api_version': model.api_version,
        'classes': {c.name: of_class(c) for c in model.classes.values()},
        'enums': {e.name: e.values for e in model.enums.values()},
        'errors': {e.name: e.params for e in model.errors.values()},
        'roles': model.roles,
        'releases': [list(r) for r in model.releases],
        'message_types': model.message_types,
        'http_actions': {a.name: http_action(a) for a in model.http.values()},
        'http_no_rbac': sorted(a.name for a in model.http.values() if a.open),
        'relations': sorted([c.name, f.name, *f.other_end] for c in model.classes.values()
                            for f in c.fields.values() if f.other_end),
        'emergency_calls': sorted(name for name, m in messages if m.emergency),
        'slave_local_calls': sorted(name for name, m in messages if m.member_local),
        'current_operations_for': [c.name for c in model.classes.values() if c.current_operations],
        'no_task_id_for': [c.name for c in model.classes.values() if not c.task_id],
    }
