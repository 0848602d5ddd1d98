# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus interface with its type texts resolved, in an order in which C can define them."""

import json

from generator.bus_names import camel, snake
from generator.bus_text import Member


class Type:
    """A type with its C spelling, and the C expression of its table's address."""
    kind = None

    def __init__(self, text, c_type, table):
        self.text, self.c_type, self.table = text, c_type, table

    def argument(self, name):
        """As a parameter of a C function that only borrows it."""
        return f'{self.c_type} {name}'

    def shallow(self, name):
        """The value to put into a struct that is only read, from such a parameter."""
        return name

    def result(self):
        return f'{self.c_type} *ret_result'


class Text(Type):
    def argument(self, name):
        return f'const char *{name}'

    def shallow(self, name):
        return f'(char *){name}'

    def result(self):
        return 'char **ret_result'


class Compound(Type):
    def argument(self, name):
        return f'const {self.c_type} *{name}'

    def shallow(self, name):
        return f'*{name}'


class Sequence(Compound):
    def shallow(self, name):
        return f'{name} ? *{name} : ({self.c_type}){{0}}'


class Option(Type):
    def __init__(self, element):
        inline = element.kind in ('string', 'any')
        c_type = element.c_type if inline else element.c_type + ' *'
        super().__init__(element.text + '?', c_type, None)
        self.kind, self.element, self.inline = 'option', element, inline

    def argument(self, name):
        return self.element.argument(name) if self.inline else f'const {self.element.c_type} *{name}'

    def shallow(self, name):
        return self.element.shallow(name) if self.inline else f'({self.element.c_type} *){name}'

    def result(self):
        return f'{self.c_type}*ret_result' if self.c_type.endswith('*') else f'{self.c_type} *ret_result'


def simple(cls, name, c_type):
    t = cls(name, c_type, f'&bus_type_{name}')
    t.kind = name
    return t


BASE = {
    'unit': simple(Type, 'unit', 'void'),
    'bool': simple(Type, 'bool', 'bool'),
    'int': simple(Type, 'int', 'int64_t'),
    'float': simple(Type, 'float', 'double'),
    'string': simple(Text, 'string', 'char *'),
    'any': simple(Type, 'any', 'json_t *'),
}


SCALARS = {'bool': bool, 'int': int, 'float': (int, float), 'string': str, 'any': object, 'unit': type(None)}


def fits(t, value):
    """Whether a default is a value of the type, as the codec would write it."""
    if t.kind in SCALARS:
        return isinstance(value, SCALARS[t.kind]) and (t.kind == 'bool' or not isinstance(value, bool))
    if t.kind == 'option':
        return value is None or fits(t.element, value)
    if t.kind == 'list':
        return isinstance(value, list) and all(fits(t.element, v) for v in value)
    if t.kind == 'dict':
        return isinstance(value, dict) and all(fits(t.element, v) for v in value.values())
    members = t.definition.members
    if t.kind == 'tuple':
        return isinstance(value, list) and len(value) == len(members) and all(
            fits(m.type, v) for m, v in zip(members, value))
    if t.kind == 'record':
        return isinstance(value, dict) and all(
            fits(m.type, value[m.name]) if m.name in value else m.default or m.type.kind == 'option' for m in members)
    tag = next((m for m in members if m.name == (value if isinstance(value, str) else value[0])), None)
    return bool(tag) and (not tag.type if isinstance(value, str) else fits(tag.type, value[1]))


class Model:
    """An interface with every type text turned into a Type, in an order in which C can have them."""

    def __init__(self, interface):
        self.interface = interface
        self.prefix = camel(interface.name)
        self.symbol = snake(interface.name)
        self.types = {}    # text -> Type
        self.order = []    # what C must define, in order: Definition or (Type of a list, dict)
        self.used = {name: Model(i) for name, i in interface.used.items()}
        for d in interface.definitions.values():
            self.define(d)
        for m in interface.methods:
            for p in m.params:
                p.type = self.resolve(p.type_text, m.line)
            m.result = self.resolve(m.result_text, m.line)
            if m.with_fd and interface.transport == 'script':
                interface.fail(m.line, f'{m.name}: a script gives no descriptor')
            if m.cancellable and interface.transport == 'script':
                interface.fail(m.line, f'{m.name}: who runs a script ends it')
        self.refuse_collisions()

    HELPERS = ('encode', 'decode', 'name', 'clear', 'dup', 'assign', 'free', 'text', 'failure')

    def refuse_collisions(self):
        taken = {f'{snake(name)}_{helper}' for name in self.interface.definitions for helper in self.HELPERS}
        taken |= {'serve', 'interface', 'fail_internal'}
        for m in self.interface.methods:
            if m.symbol in taken:
                self.interface.fail(m.line, f'{self.symbol}_{m.symbol} would be in C twice')
            taken.add(m.symbol)

    def define(self, d):
        if d.name in self.types:
            if self.types[d.name] is None:
                self.interface.fail(d.line, f'{d.name} contains itself')
            return
        if not d.members:
            self.interface.fail(d.line, f'{d.name} is empty')
        self.types[d.name] = None
        for m in d.members:
            if m.type_text:
                m.type = self.resolve(m.type_text, d.line)
            if isinstance(m, Member) and m.default and not fits(m.type, json.loads(m.default)):
                self.interface.fail(d.line, f'{m.name}: {m.default} is no {m.type_text}')
        plain = d.kind == 'enum'
        if plain and any(m.type for m in d.members):
            self.interface.fail(d.line, f'{d.name}: a tag of an enum carries nothing')
        cls = Type if plain else Compound
        t = cls(d.name, self.prefix + d.name, f'&{self.symbol}_type_{snake(d.name)}')
        d.record = d.kind in ('record', 'tuple') or d.kind == 'error' and isinstance(d.members[0], Member)
        t.kind, t.definition, t.definer = d.kind, d, self
        self.types[d.name] = t
        self.order.append(t)

    def resolve(self, text, line):
        if text in BASE:
            return BASE[text]
        if self.types.get(text):
            return self.types[text]
        if text.endswith('?'):
            t = Option(self.resolve(text[:-1], line))
            t.table = f'&{self.symbol}_type_{self.table_name(t)}'
            self.order.append(t)
        elif text[0] + text[-1] in ('[]', '{}'):
            t = self.sequence(text[0], self.resolve(text[1:-1], line), text)
        elif '.' in text:
            other, _, name = text.partition('.')
            if other not in self.used or name not in self.used[other].types:
                self.interface.fail(line, f'unknown type {text}')
            t = self.used[other].types[name]
        elif text in self.interface.definitions:
            self.define(self.interface.definitions[text])
            return self.types[text]
        else:
            self.interface.fail(line, f'unknown type {text}')
        self.types[text] = t
        return t

    def table_name(self, t):
        if t.kind == 'option':
            return self.table_name(t.element) + '_option'
        if t.kind in ('list', 'dict'):
            return self.table_name(t.element) + '_' + t.kind
        return snake(t.text.replace('.', '_'))

    SHARED = {('[', 'string'): 'BusStrings', ('[', 'int'): 'BusInts', ('{', 'string'): 'BusDict'}

    def sequence(self, bracket, element, text):
        kind = 'list' if bracket == '[' else 'dict'
        shared = self.SHARED.get((bracket, element.kind))
        t = Sequence(text, shared, None)
        t.kind, t.element, t.shared = kind, element, bool(shared)
        name = self.table_name(t)
        t.c_type = shared or self.prefix + camel(name)
        t.table = f'&{self.symbol}_type_{name}'
        self.order.append(t)
        return t
