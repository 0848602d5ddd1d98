# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenapi-tables.c: the model as the tables of model.h."""

import json

from .model import role_names, state
from .names import BANNER, class_symbol, constant, handlers_of, quoted

KINDS = {'secretstring': 'TYPE_STRING'}
QUALIFIERS = {'RO': 'FIELD_RO', 'StaticRO': 'FIELD_STATIC_RO', 'RW': 'FIELD_RW'}
TAGS = {'get_by_label': 'MESSAGE_GET_BY_LABEL'}


class Tables:
    def __init__(self, model, out):
        self.model, self.out = model, out
        self.shared = {}  # text of an array -> its name

    def write(self):
        self.out.write(BANNER)
        self.out.write('#include "xenapi.h"\n\n/* Not const where model_init fills in the default values. */\n\n')
        self.write_types()
        self.write_enums()
        classes = list(self.model.classes.values())
        for c in classes:
            self.write_fields(c)
        for index, c in enumerate(classes):
            self.write_class(index, c)
        self.out.write('\nconst Class *const model_classes[] = {\n')
        self.out.write(''.join(f'        &{class_symbol(c)},\n' for c in classes))
        self.out.write(f'}};\nconst size_t model_n_classes = {len(classes)};\n')
        self.write_messages(classes)
        self.write_errors()
        self.write_rest()

    def share(self, c_type, body):
        """The name of a static array with this body; the same body is written once."""
        if (c_type, body) not in self.shared:
            name = f'shared_{len(self.shared)}'
            self.shared[c_type, body] = name
            self.out.write(f'static {c_type} {name}[] = {{{body}}};\n')
        return self.shared[c_type, body]

    def roles(self, role):
        if role == 'local-root-only':
            return 'ROLE_LOCAL_ROOT'
        return ' | '.join('ROLE_' + constant(r) for r in role_names(self.model, role))

    def key_roles(self, key_roles):
        if not key_roles:
            return '0, NULL'
        body = ', '.join(f'{{ {quoted(k)}, {self.roles(r)} }}' for k, r in sorted(key_roles.items()))
        return f'{len(key_roles)}, {self.share("const KeyRole", body)}'

    def write_types(self):
        elements = {t.element.text for t in self.model.types.by_text.values() if t.kind in ('set', 'option')}
        for t in self.model.types.by_text.values():
            parts = [f'.kind = {KINDS.get(t.kind, "TYPE_" + t.kind.upper())}', f'.text = {quoted(t.text)}']
            if t.kind == 'enum':
                parts.append(f'.enumeration = &ENUM_{constant(t.name)}')
            elif t.name:
                parts.append(f'.class = &{class_symbol(t.name)}')
            if t.key:
                parts.append(f'.key = &{t.key.symbol}')
            if t.element:
                parts.append(f'.element = &{t.element.symbol}')
            if t.text in elements:
                self.out.write(f'static Set empty_{t.symbol}_set = {{ MEMORY_SHARED, 0, &{t.symbol} }};\n')
                parts.append(f'.empty_set = &empty_{t.symbol}_set')
            if t.kind == 'map':
                self.out.write(f'static Map empty_{t.symbol} = {{ MEMORY_SHARED, 0, &{t.symbol} }};\n')
                parts.append(f'.empty_map = &empty_{t.symbol}')
            self.out.write(f'const Type {t.symbol} = {{ {", ".join(parts)} }};\n')

    def write_enums(self):
        for e in self.model.enums.values():
            values = ', '.join(quoted(v) for v in e.values)
            self.out.write(f'\nstatic const char *const values_{e.name}[] = {{ {values} }};\n'
                           f'const Enum ENUM_{constant(e.name)} = {{ {quoted(e.name)}, {len(e.values)}, '
                           f'values_{e.name} }};\n')

        names = ', '.join(f'&ENUM_{constant(e.name)}' for e in self.model.enums.values())
        self.out.write(f'\nconst Enum *const model_enums[] = {{ {names} }};\n'
                       f'const size_t model_n_enums = {len(self.model.enums)};\n')

    def write_fields(self, c):
        if not c.fields:
            return
        lines = []
        for f in c.fields.values():
            json_key, xml_open = f'"{f.name}":', f'<member><name>{f.name}</name>'
            parts = [
                quoted(f.name), quoted(f.db_name), quoted(f.about), '&' + f.type.symbol, QUALIFIERS[f.qualifier],
                f'.persist = {flag(f.persist)}', f'.internal = {flag(f.internal)}',
                f'.ignore_foreign_key = {flag(f.ignore_foreign_key)}', f'.has_default = {flag(f.default)}',
                f'.default_json = {quoted(f.default) if f.default is not None else "NULL"}',
                f'.json_key = {quoted(json_key)}', f'.xml_open = {quoted(xml_open)}',
                f'.json_key_len = {len(json_key)}', f'.xml_open_len = {len(xml_open)}']
            if f.relation:
                other = f.relation
                parts += [f'.other_class = &{class_symbol(other[0])}',
                          f'.other_field = {constant(other[0])}_FIELD_{other[1]}']
            if f.key_roles:
                n, name = self.key_roles(f.key_roles).split(', ')
                parts += [f'.n_key_roles = {n}', f'.key_roles = {name}']
            lines.append(f'        {{ {", ".join(parts)} }},\n')
        self.out.write(f'\nstatic Field fields_{c.name}[] = {{\n{"".join(lines)}}};\n')

    def write_class(self, index, c):
        def place(name):
            return f'{constant(c.name)}_FIELD_{name}' if name in c.fields else '-1'
        fields = f'{len(c.fields)}, fields_{c.name}' if c.fields else '0, NULL'
        self.out.write(
            f'\nconst Class {class_symbol(c)} = {{ {quoted(c.name)}, {quoted(c.name.lower())}, {quoted(c.about)}, '
            f'{index}, {fields}, {flag(c.in_database)}, {flag(c.persist)}, {flag(c.events)}, {place("uuid")}, '
            f'{place("name_label")} }};\n')

    def write_messages(self, classes):
        messages = sorted(((f'{c.name}.{m.name}', c, m) for c in classes for m in c.messages.values()),
                          key=lambda x: x[0].encode())
        lines = [self.message(index, *item) for index, item in enumerate(messages)]
        self.out.write(f'\nconst Message model_messages[] = {{\n{"".join(lines)}}};\n'
                       f'const size_t model_n_messages = {len(lines)};\n')

    def params(self, m):
        body = ', '.join(f'{{ {quoted(p.name)}, &{p.type.symbol}, '
                         f'{quoted(json.dumps(p.default, sort_keys=True)) if p.has_default else "NULL"} }}'
                         for p in m.params)
        return self.share('Param', body) if m.params else 'NULL'

    def names(self, names):
        return self.share('const char *const', ', '.join([quoted(n) for n in names] + ['NULL']))

    def message(self, index, name, c, m):
        handlers = handlers_of(c)
        parts = [
            quoted(name), quoted(m.about), f'&{class_symbol(c)}', TAGS.get(m.tag, 'MESSAGE_' + m.tag.upper()),
            f'.n_params = {len(m.params)}, .n_required = {sum(not p.has_default for p in m.params)}',
            f'.params = {self.params(m)}', f'.result = &{m.result.symbol}', f'.roles = {self.roles(m.role)}',
            f'.handler = {handlers.index(m) if m in handlers else -1}', f'.index = {index}']
        if m.field:
            parts.append(f'.field = &fields_{c.name}[{constant(c.name)}_FIELD_{m.field.name}]')
        flags = (('session', m.session), ('async', m.is_async), ('pool_internal', m.pool_internal),
                 ('hidden', m.hidden), ('removed', state(m.lifecycle) == 'removed'),
                 ('secret', m.secret or any(p.type.kind == 'secretstring' for p in m.params)),
                 ('emergency', m.emergency))
        parts += [f'.{key} = true' for key, value in flags if value]
        if m.key_roles:
            n, keys = self.key_roles(m.key_roles).split(', ')
            parts += [f'.n_key_roles = {n}', f'.key_roles = {keys}']
        if m.ctor_required is not None:
            parts += [f'.ctor_required = {self.names(m.ctor_required)}',
                      f'.ctor_optional = {self.names(m.ctor_optional)}']
        return f'        {{ {", ".join(parts)} }},\n'

    def write_errors(self):
        lines = []
        for e in sorted(self.model.errors.values(), key=lambda e: e.name):
            params = self.names(e.params) if e.params is not None else 'NULL'
            lines.append(f'        {{ {quoted(e.name)}, {params}, {quoted(e.about)} }},\n')
        self.out.write(f'\nconst ErrorCode model_errors[] = {{\n{"".join(lines)}}};\n'
                       f'const size_t model_n_errors = {len(lines)};\n')

    def write_rest(self):
        model = self.model
        lines = [f'        {{ {quoted(a.name)}, {quoted(a.method)}, {quoted(a.uri)}, '
                 f'{self.roles(a.role) if a.role else 0}, {flag(a.open)} }},\n' for a in model.http.values()]
        self.out.write(f'\nconst HttpAction model_http_actions[] = {{\n{"".join(lines)}}};\n'
                       f'const size_t model_n_http_actions = {len(lines)};\n')
        lines = [f'        {{ {quoted(name)}, {priority} }},\n'
                 for name, priority in sorted(model.message_types.items())]
        self.out.write(f'\nconst MessageType model_message_types[] = {{\n{"".join(lines)}}};\n'
                       f'const size_t model_n_message_types = {len(lines)};\n')
        self.out.write(f'\nconst char *const model_roles[] = {{ {", ".join(map(quoted, model.roles))} }};\n'
                       f'const size_t model_n_roles = {len(model.roles)};\n'
                       f'const int model_api_version[2] = {{ {model.api_version[0]}, {model.api_version[1]} }};\n')


def flag(value):
    return 'true' if value not in (None, False) else 'false'


def write_tables(model, out):
    Tables(model, out).write()
