# SPDX-License-Identifier: LGPL-2.1-or-later
"""The data model: what the .idl files say, and the messages that follow from it."""

import pathlib
import re

from .text import IdlError, read_blocks, split_params
from .types import TypeTable

STATES = ('prototyped', 'published', 'deprecated', 'removed')
STEPS = STATES + ('changed', 'extended')
QUALIFIERS = {'': 'RO', 'static': 'StaticRO', 'rw': 'RW'}


class Thing:
    def __init__(self, **members):
        self.__dict__.update(members)


class Model:
    def __init__(self, folder):
        self.types = TypeTable()
        self.classes, self.enums, self.errors = {}, {}, {}
        self.roles, self.releases, self.message_types, self.http = [], [], {}, {}
        self.api_version = None
        for path in sorted(pathlib.Path(folder).glob('*.idl')):
            self.read(path)
        self.classes = dict(sorted(self.classes.items()))
        for c in self.classes.values():
            derive_messages(self, c)
            c.fields = dict(sorted(c.fields.items()))
            c.messages = dict(sorted(c.messages.items()))
        self.link()

    def read(self, path):
        current = None
        for block in read_blocks(path):
            if block.kind == 'class':
                current = read_class(block)
                self.add(block, self.classes, current)
            elif block.kind == 'field':
                self.add(block, current.fields, read_field(self, current, block))
            elif block.kind == 'message':
                self.add(block, current.messages, read_message(self, current, block))
            elif block.kind == 'enum':
                self.add(block, self.enums, Thing(name=block.rest, about=need(block, 'about'),
                                                  values=need(block, 'values').split()))
            elif block.kind == 'error':
                self.add(block, self.errors, read_error(block))
            elif block.kind == 'http':
                self.add(block, self.http, read_http(block))
            elif block.kind == 'message-type':
                name, priority = block.rest.split()
                self.message_types[name] = int(priority)
            elif block.kind == 'role':
                self.roles.append(block.rest)
            elif block.kind == 'release':
                name, version, product = block.rest.split(' ', 2)
                self.releases.append((None if name == '-' else name, version, product))
            elif block.kind == 'api-version':
                self.api_version = [int(n) for n in block.rest.split('.')]
            else:
                block.fail(f'unknown block "{block.kind}"')
            block.finish()

    @staticmethod
    def add(block, where, thing):
        if thing.name in where:
            block.fail(f'"{thing.name}" is defined twice')
        where[thing.name] = thing

    def type(self, block, text):
        try:
            return self.types.get(text)
        except ValueError as error:
            block.fail(str(error))

    def link(self):
        """Checks every name that refers to something, and resolves the relations."""
        for t in list(self.types.by_text.values()):
            if t.kind in ('ref', 'record') and t.name is not None and t.name not in self.classes:
                raise IdlError(f'type "{t.text}": no such class')
            if t.kind == 'enum' and t.name not in self.enums:
                raise IdlError(f'type "{t.text}": no such enum')
        for c in self.classes.values():
            for f in c.fields.values():
                if f.other_end:
                    self.link_relation(c, f)
            for m in c.messages.values():
                for code in m.errors or ():
                    if code not in self.errors:
                        raise IdlError(f'{c.name}.{m.name}: no such error "{code}"')
                for role in [m.role] + list(m.key_roles.values()):
                    role_names(self, role)

    def link_relation(self, c, f):
        try:
            other = self.classes[f.other_end[0]].fields[f.other_end[1]]
        except KeyError:
            raise IdlError(f'{c.name}.{f.name}: no other end {".".join(f.other_end)}') from None
        # An end that names itself, or refers to another class than its own other end's, is a plain reference that
        # surface.json counts as a relation; there is nothing to keep in step.
        if other is not f and ref_class(f.type) == f.other_end[0] and ref_class(other.type) == c.name:
            f.relation = f.other_end
            other.relation = (c.name, f.name)


def ref_class(t):
    t = t.element if t.kind == 'set' else t
    return t.name if t.kind == 'ref' else None


def role_names(model, role):
    """Who may, by "pool-operator+client-cert": each role includes those before it, and more are named after a +."""
    if role == 'local-root-only':
        return []
    first, *more = role.split('+')
    if first not in model.roles or any(r not in model.roles for r in more):
        raise IdlError(f'no such role "{role}"')
    return model.roles[:model.roles.index(first) + 1] + more


def need(block, name):
    value = block.take(name)
    if not value:
        block.fail(f'"{name}" is missing')
    return value


def take_lifecycle(block, inherited=None):
    found = [(k, v) for k, v in block.attributes if k in STEPS]
    if len(found) > 1:
        block.fail('two lifecycles')
    if not found:
        if inherited is None:
            block.fail('a class needs a lifecycle')
        return inherited
    block.attributes.remove(found[0])
    steps = [tuple(step.split()) for step in ' '.join(found[0]).split(', ')]
    if any(len(step) != 2 or step[0] not in STEPS for step in steps):
        block.fail('bad lifecycle')
    return steps


def state(lifecycle):
    return [step for step, _ in lifecycle if step in STATES][-1]


def take_key_roles(block):
    return dict(line.split() for line in block.take_all('key-roles'))


def read_class(block):
    lifecycle = take_lifecycle(block)
    return Thing(
        name=block.rest, about=need(block, 'about'), lifecycle=lifecycle, fields={}, messages={},
        # What a field or a custom message has when it does not say: the class's, without its changes.
        inherited=[step for step in lifecycle if step[0] in STATES],
        in_database=block.take('in-database') != 'no', persist=block.take('persist') != 'no',
        events=block.take('events') != 'no', lists=block.take('lists') != 'no',
        current_operations=block.take('current-operations') == 'yes', task_id=block.take('task-id') != 'no',
        readers=block.take('readers', 'read-only'), writers=block.take('writers'),
        constructor=block.take('constructor'))


def read_field(model, c, block):
    match = re.fullmatch(r'(\w+): (.+?)(?: (static|rw))?', block.rest)
    if not match:
        block.fail('a field reads "field NAME: TYPE", then "static" or "rw"')
    name = match[1].replace('__', '_')
    default = block.take('default')
    other_end = block.take('other-end')
    foreign_key = block.take('foreign-key')
    return Thing(
        name=name, db_name=match[1], type=model.type(block, match[2]), qualifier=QUALIFIERS[match[3] or ''],
        about=need(block, 'about'), lifecycle=take_lifecycle(block, c.inherited), default=default,
        other_end=tuple(other_end.split('.')) if other_end else None, relation=None,
        internal=block.take_flag('internal'), persist=block.take('persist') != 'no',
        ignore_foreign_key=foreign_key == 'ignore', effect=block.take_flag('effect'),
        pseudo=block.take_flag('pseudo'), readers=block.take('readers', c.readers),
        writers=block.take('writers', c.writers), key_roles=take_key_roles(block))


def read_message(model, c, block):
    match = re.fullmatch(r'(\w+)\((.*?),?\s*\)(?:: (.+))?', block.rest)
    if not match:
        block.fail('a message reads "message NAME(PARAM: TYPE, ...): RESULT"')
    params = [Thing(name=n, type=model.type(block, t), has_default=has, default=d)
              for n, t, has, d in split_params(block, match[2])]
    errors = block.take('errors')
    return Thing(
        name=match[1], tag='custom', field=None, params=params, result=model.type(block, match[3] or 'void'),
        about=need(block, 'about'), lifecycle=take_lifecycle(block, c.inherited),
        role=block.take('roles', 'read-only'), errors=errors.split() if errors else None,
        session=not block.take_flag('no-session'), is_async=block.take_flag('async'),
        hidden=block.take_flag('hidden'), pool_internal=block.take_flag('pool-internal'),
        secret=block.take_flag('secret'), custom_marshaller=block.take_flag('custom-marshaller'),
        emergency=block.take_flag('emergency'), member_local=block.take_flag('member-local'),
        forward_to=block.take('forward-to'), key_roles=take_key_roles(block), ctor_required=None, ctor_optional=None)


def read_error(block):
    match = re.fullmatch(r'(\w+)(?:\((.*)\))?', block.rest)
    if not match:
        block.fail('an error reads "error CODE(PARAM, ...)"')
    params = None if match[2] is None else [p for p in match[2].split(', ') if p]
    return Thing(name=match[1], params=params, about=need(block, 'about'))


def read_http(block):
    match = re.fullmatch(r'(\w+): ([A-Z]+) (/\S*)', block.rest)
    if not match:
        block.fail('an HTTP action reads "http NAME: METHOD /PATH"')
    args = block.take('args')
    return Thing(name=match[1], method=match[2], uri=match[3], role=block.take('roles'),
                 args=args.split(', ') if args else None, sdk=block.take_flag('sdk'), open=block.take_flag('open'))


# ---- The messages that no file lists ----


def derive_messages(model, c):
    if not c.in_database:
        return

    def add(name, tag, params, result, about, role=None, lifecycle=None, field=None, **more):
        if name in c.messages:
            return  # written by hand, which replaces the derived one
        m = Thing(name=name, tag=tag, field=field, result=model.types.get(result), about=about,
                  params=[Thing(name=n, type=model.types.get(t), has_default=False, default=None)
                          for n, t in params],
                  lifecycle=lifecycle or c.lifecycle, role=role or c.readers, errors=None, session=True,
                  is_async=False, hidden=False, pool_internal=False, secret=False, custom_marshaller=False,
                  emergency=False, member_local=False, forward_to=None, key_roles={},
                  ctor_required=None, ctor_optional=None)
        m.__dict__.update(more)
        c.messages[name] = m

    me, many, records = ('self', f'{c.name} ref'), f'{c.name} ref set', f'({c.name} ref -> {c.name} record) map'
    if c.lists:
        add('get_all', 'get_all', [], many, f'References to all {c.name} objects')
        add('get_all_records', 'get_all_records', [], records, f'All {c.name} objects with their records')
        query = [('expr', 'string')]
        add('get_all_where', 'get_all_where', query, many,
            f'References to the {c.name} objects that a query matches', hidden=True)
        add('get_all_records_where', 'get_all_records_where', query, records,
            f'The {c.name} objects that a query matches, with their records', hidden=True)
    add('get_by_uuid', 'get_by_uuid', [('uuid', 'string')], f'{c.name} ref', f'The {c.name} with this uuid')
    add('get_record', 'get_record', [me], f'{c.name} record', f'The whole record of a {c.name}')
    if any(f.db_name == 'name__label' for f in c.fields.values()):
        add('get_by_name_label', 'get_by_label', [('label', 'string')], many,
            f'All {c.name} objects with this name')
    if c.constructor:
        settable = [f for _, f in sorted(c.fields.items())
                    if f.qualifier != 'RO' and f.name != 'uuid' and not f.pseudo]
        add('create', 'ctor', [('args', f'{c.name} record')], f'{c.name} ref',
            f'Makes a new {c.name} and returns its reference', role=c.constructor, is_async=True,
            ctor_required=[f.name for f in settable if f.default is None],
            ctor_optional=[f.name for f in settable if f.default is not None])
        add('destroy', 'dtor', [me], 'void', f'Destroys a {c.name}', role=c.constructor, is_async=True)
    for f in c.fields.values():
        if not f.internal:
            derive_field_messages(c, f, me, add)


def derive_field_messages(c, f, me, add):
    add(f'get_{f.name}', 'field_get', [me], f.type.text, f'Reads {f.name} of a {c.name}', role=f.readers,
        lifecycle=f.lifecycle, field=f)
    if f.qualifier != 'RW':
        return
    more = {'role': f.writers, 'lifecycle': f.lifecycle, 'field': f}
    add(f'set_{f.name}', 'field_set', [me, ('value', f.type.text)], 'void', f'Sets {f.name} of a {c.name}', **more)
    if f.type.kind == 'map':
        key, value = ('key', f.type.key.text), ('value', f.type.element.text)
        add(f'add_to_{f.name}', 'field_add', [me, key, value], 'void', f'Adds a new key to {f.name} of a {c.name}',
            key_roles=f.key_roles, **more)
        add(f'remove_from_{f.name}', 'field_remove', [me, key], 'void',
            f'Takes a key out of {f.name} of a {c.name}, if it is there', key_roles=f.key_roles, **more)
    elif f.type.kind == 'set':
        value = ('value', f.type.element.text)
        add(f'add_{f.name}', 'field_add', [me, value], 'void', f'Adds a member to {f.name} of a {c.name}',
            key_roles=f.key_roles, **more)
        add(f'remove_{f.name}', 'field_remove', [me, value], 'void', f'Takes a member out of {f.name} of a {c.name}',
            key_roles=f.key_roles, **more)
