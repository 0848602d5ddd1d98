#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a bus interface (bus/README.md has the format) and writes its C: types, codec tables, stubs, dispatch.

    generate-bus.py INTERFACE.idl OUTPUT_FOLDER    writes <name>.h, <name>.c and <name>-client.c
"""

import json
import os
import re
import sys


class Mistake(Exception):
    pass


# --- names ---

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


# --- types ---

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


class Definition:
    """A record, tuple, enum, variant or error block."""

    def __init__(self, kind, name, text, line):
        self.kind, self.name, self.text, self.line = kind, name, text, line
        self.members = []  # record, tuple: Member; enum, variant: Tag
        self.attributes = []


class Member:
    def __init__(self, name, type_text, default, text):
        self.name, self.type_text, self.default, self.text = name, type_text, default, text
        self.type = None


class Tag:
    def __init__(self, name, type_text, attributes, text):
        self.name, self.type_text, self.attributes, self.text = name, type_text, attributes, text
        self.type = None


class Method:
    def __init__(self, name, params, result_text, text, line):
        self.name, self.params, self.result_text, self.text, self.line = name, params, result_text, text, line
        self.result = None


class Param:
    def __init__(self, name, type_text, positional):
        self.name, self.type_text, self.positional = name, type_text, positional
        self.type = None


# --- reading ---

WORD = r'[A-Za-z_][A-Za-z0-9_]*'
HEADER = re.compile(rf'(record|tuple|enum|variant|error)\s+({WORD})\s*(?:--\s*(.*))?$')
MEMBER = re.compile(rf'({WORD})\s+([^\s=]+)(?:\s*=\s*(.*?))?\s*(?:--\s*(.*))?$')
TAG = re.compile(rf'({WORD})(?:\s+([^\s!-]\S*))?((?:\s+![a-z]+)*)\s*(?:--\s*(.*))?$')
METHOD = re.compile(rf'method\s+((?:{WORD}\.)*{WORD})\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*(?:->\s*(\S+))?\s*(?:--\s*(.*))?$')
PARAM = re.compile(rf'(\()?({WORD})(?:\s+([^\s()]+))?\)?$')


class Interface:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.queue, self.text, self.namespace, self.transport = None, '', '', 'bus'
        self.defaults = {}     # parameter name -> type, for signatures that leave it out
        self.definitions = {}  # in order
        self.methods = []
        self.used = {}         # other interfaces
        self.error = None
        self.read()

    def fail(self, number, what):
        raise Mistake(f'{self.path}:{number}: {what}')

    def read(self):
        with open(self.path, encoding='utf-8') as f:
            lines = f.read().splitlines()
        current = None
        for number, line in self.joined(lines):
            if line[0].isspace():
                if isinstance(current, Definition):
                    self.read_member(current, line.strip(), number)
                elif isinstance(current, Method) and line.strip().startswith('-- '):
                    current.text = line.strip()[3:]
                else:
                    self.fail(number, 'an indented line belongs to nothing')
            else:
                current = self.read_top(line, number)
        if not self.error:
            self.fail(len(lines), 'no error block')

    @staticmethod
    def joined(lines):
        """Without comments and empty lines; a signature goes on until its parentheses are closed."""
        pending, start = '', 0
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith('#'):
                continue
            start = start if pending else number
            pending = pending + ' ' + line.strip() if pending else line.rstrip()
            head = pending.split(' -- ')[0]
            if head.startswith('method') and head.count('(') > head.count(')'):
                continue
            yield start, pending
            pending = ''

    def read_top(self, line, number):
        word, _, rest = line.partition(' ')
        rest = rest.strip()
        if word == 'interface':
            self.text = rest
        elif word == 'queue':
            self.queue = rest
        elif word == 'namespace':
            self.namespace = rest + '.'
        elif word == 'transport':
            self.transport = rest
        elif word == 'use':
            self.used[rest] = Interface(os.path.join(os.path.dirname(self.path), rest + '.idl'))
        elif word == 'parameter':
            name, _, type_text = rest.partition(' ')
            self.defaults[name] = type_text.strip()
        elif word == 'method':
            return self.read_method(line, number)
        else:
            return self.read_definition(line, number)
        return None

    def read_definition(self, line, number):
        m = HEADER.match(line)
        if not m:
            self.fail(number, f'not understood: {line}')
        d = Definition(m[1], m[2], m[3] or '', number)
        if d.name in self.definitions:
            self.fail(number, f'{d.name} is there twice')
        self.definitions[d.name] = d
        if d.kind == 'error':
            self.error = d
        return d

    def read_member(self, definition, line, number):
        if definition.kind in ('record', 'tuple') or definition.kind == 'error' and line.startswith('.'):
            m = MEMBER.match(line.lstrip('.'))
            if not m:
                self.fail(number, f'not a member: {line}')
            if m[3] is not None:
                json.loads(m[3])
            definition.members.append(Member(m[1], m[2], m[3], m[4] or ''))
        else:
            m = TAG.match(line)
            if not m:
                self.fail(number, f'not a tag: {line}')
            definition.members.append(Tag(m[1], m[2], m[3].replace('!', '').split(), m[4] or ''))

    def read_method(self, line, number):
        m = METHOD.match(line)
        if not m:
            self.fail(number, f'not a method: {line}')
        params = []
        for text in filter(None, (p.strip() for p in m[2].split(','))):
            p = PARAM.match(text)
            if not p:
                self.fail(number, f'not a parameter: {text}')
            type_text = p[3] or self.defaults.get(p[2])
            if not type_text:
                self.fail(number, f'parameter {p[2]} has no type')
            params.append(Param(p[2], type_text, bool(p[1])))
        method = Method(self.namespace + m[1], params, m[3] or 'unit', m[4] or '', number)
        method.symbol = snake(m[1])
        self.methods.append(method)
        return method


# --- resolving ---

BASE = {
    'unit': simple(Type, 'unit', 'void'),
    'bool': simple(Type, 'bool', 'bool'),
    'int': simple(Type, 'int', 'int64_t'),
    'float': simple(Type, 'float', 'double'),
    'string': simple(Text, 'string', 'char *'),
    'any': simple(Type, 'any', 'json_t *'),
}


class Model:
    """An interface with every type text turned into a Type, in an order in which C can have them."""

    def __init__(self, interface, foreign=False):
        self.interface = interface
        self.prefix = camel(interface.name)
        self.symbol = snake(interface.name)
        self.types = {}    # text -> Type
        self.order = []    # what C must define, in order: Definition or (Type of a list, dict)
        self.tables = []   # (table name, Type or Definition)
        self.foreign = foreign
        self.used = {name: Model(i, True) for name, i in interface.used.items()}
        for d in interface.definitions.values():
            self.define(d)
        for m in interface.methods:
            for p in m.params:
                p.type = self.resolve(p.type_text, m.line)
            m.result = self.resolve(m.result_text, m.line)
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
        self.types[d.name] = None
        for m in d.members:
            if m.type_text:
                m.type = self.resolve(m.type_text, d.line)
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


# --- writing ---

class Writer:
    def __init__(self, model):
        self.model, self.interface = model, model.interface
        self.symbol, self.prefix = model.symbol, model.prefix
        self.error = f'{self.prefix}{self.interface.error.name}'
        self.lines = []

    def put(self, text=''):
        self.lines.append(text)

    def take(self):
        text = '\n'.join(self.lines) + '\n'
        self.lines = []
        return text

    def head(self, purpose):
        self.put('/* SPDX-License-Identifier: LGPL-2.1-or-later */')
        self.put(f'/* {purpose} Generated from {os.path.basename(self.interface.path)}: edit that. */')

    # the header

    def header(self):
        self.head(self.interface.text)
        self.put('#pragma once\n')
        self.put('#include "idl/runtime/bus-error.h"')
        if self.interface.transport == 'script' or self.interface.queue:
            self.put('#include "idl/runtime/bus-client.h"')
        if self.interface.queue:
            self.put('#include "idl/runtime/bus-service.h"')
        for name in self.interface.used:
            self.put(f'#include "{name}.h"')
        self.put(f'\nextern const BusInterface {self.symbol}_interface;')
        if self.interface.queue:
            self.put(f'#define {self.symbol.upper()}_QUEUE {c_string(self.interface.queue)}')
        for t in self.model.order:
            self.type_header(t)
        self.error_header()
        for m in self.interface.methods:
            self.args_struct(m)
        if self.interface.queue:
            self.service_struct()
        self.stub_headers()
        return self.take()

    def type_header(self, t):
        if t.kind == 'option':
            return
        if t.kind in ('list', 'dict'):
            if not t.shared:
                self.sequence_struct(t)
            return
        d = t.definition
        self.put(f'\n/* {d.text or d.name}{"" if d.text.endswith(".") or not d.text else "."} */')
        if d.kind == 'enum':
            self.tags_enum(t, t.c_type)
        elif d.record:
            self.record_struct(t)
        else:
            self.tags_enum(t, t.c_type + 'Tag')
            self.variant_struct(t)
        self.type_functions(t)

    def sequence_struct(self, t):
        element = t.element
        if t.kind == 'dict':
            space = '' if element.c_type.endswith('*') else ' '
            self.put(f'\ntypedef struct {t.c_type}Item {{\n        char *key;\n'
                     f'        {element.c_type}{space}value;\n}} {t.c_type}Item;')
            item = t.c_type + 'Item '
        else:
            item = element.c_type + ('' if element.c_type.endswith('*') else ' ')
        self.put(f'\ntypedef struct {t.c_type} {{\n        size_t n;\n        {item}*items;\n}} {t.c_type};')
        self.put(f'void {self.type_symbol(t)}_clear({t.c_type} *list);')

    def type_symbol(self, t):
        return f'{self.symbol}_{self.model.table_name(t)}'

    def tags_enum(self, t, c_name):
        base = self.type_symbol(t).upper()
        self.put(f'typedef enum {c_name} {{')
        for m in t.definition.members:
            comment = f' /* {m.text} */' if m.text else ''
            self.put(f'        {base}_{snake(m.name).upper()},{comment}')
        if t.definition.kind == 'error':
            self.put(f'        {base}_FAILURE, /* of the call: see BusFailure */')
        self.put(f'}} {c_name};')

    def field_line(self, c_type, name, text, indent=8):
        space = '' if c_type.endswith('*') else ' '
        comment = f' /* {text} */' if text else ''
        self.put(f'{" " * indent}{c_type}{space}{flat(name)};{comment}')

    def record_struct(self, t):
        self.put(f'typedef struct {t.c_type} {{')
        for m in t.definition.members:
            if m.type.kind != 'unit':
                self.field_line(m.type.c_type, m.name, m.text)
        if t.definition.kind == 'error':
            self.put('        BusFailure failure; /* of the call; outcome BUS_OK: none */')
        self.put(f'}} {t.c_type};')

    def variant_struct(self, t):
        self.put(f'typedef struct {t.c_type} {{\n        {t.c_type}Tag tag;\n        union {{')
        for m in t.definition.members:
            if m.type:
                self.field_line(m.type.c_type, m.name, '', 16)
        if t.definition.kind == 'error':
            self.put('                BusFailure failure;')
        self.put(f'        }};\n}} {t.c_type};')

    def type_functions(self, t):
        s, c = self.type_symbol(t), t.c_type
        self.put(f'extern const BusType {t.table[1:]};')
        self.put(f'json_t *{s}_encode({"" if t.kind == "enum" else "const "}{c}{" " if t.kind == "enum" else " *"}value);')
        self.put(f'bool {s}_decode(const json_t *json, {c} *ret, BusReason *reason);')
        if t.kind == 'enum':
            self.put(f'const char *{s}_name({c} value);')
            return
        self.put(f'void {s}_clear({c} *value); /* frees what it holds, zeroes it */')
        self.put(f'{c} *{s}_dup(const {c} *value); /* deep; free with ..._free */')
        self.put(f'void {s}_assign({c} *ret, const {c} *value); /* deep; *ret is overwritten, not freed */')
        self.put(f'void {s}_free({c} *value);')

    def error_header(self):
        t = self.model.types[self.interface.error.name]
        s = self.type_symbol(t)
        self.put(f'\n/* One line for people; returns owned (free). */\nchar *{s}_text(const {self.error} *error);')
        self.put(f'/* NULL: an answer of the interface\'s. */\n'
                 f'const BusFailure *{s}_failure(const {self.error} *error);')
        self.put(f'/* Each sets *error, which must be NULL, to a new error and returns false. Borrows. */')
        for name, params, _ in self.fails():
            self.put(f'bool {name}({", ".join([f"{self.error} **error"] + params)});')
        if self.tag_with('internal'):
            self.put(f'bool {self.symbol}_fail_internal({self.error} **error, const char *format, ...)\n'
                     f'        __attribute__((format(printf, 2, 3)));')

    def tag_with(self, attribute):
        for m in self.interface.error.members:
            if isinstance(m, Tag) and attribute in m.attributes:
                return m
        return None

    def fails(self):
        """(function, parameters, code that fills `e`) of each tag of the error."""
        d = self.interface.error
        base = f'{self.symbol}_{snake(d.name)}'.upper()
        if isinstance(d.members[0], Member):
            return
        for m in d.members:
            name, field = f'{self.symbol}_fail_{snake(m.name)}', flat(m.name)
            params, code = [], [f'e.tag = {base}_{snake(m.name).upper()};']
            if m.type and m.type.kind == 'tuple':
                for part in m.type.definition.members:
                    params.append(part.type.argument(flat(part.name)))
                    code.append(f'e.{field}.{flat(part.name)} = {part.type.shallow(flat(part.name))};')
            elif m.type:
                params.append(m.type.argument(field))
                code.append(f'e.{field} = {m.type.shallow(field)};')
            yield name, params, code

    def args_name(self, m):
        return f'{self.prefix}{camel(m.symbol)}Args'

    def args_struct(self, m):
        self.put(f'\n/* {m.name}: {m.text or "parameters."} */\ntypedef struct {self.args_name(m)} {{')
        fields = [p for p in m.params if p.type.kind != 'unit']
        for p in fields:
            self.field_line(p.type.c_type, p.name, '')
        if not fields:
            self.put('        char nothing;')
        self.put(f'}} {self.args_name(m)};')

    def result_params(self, m):
        return [m.result.result()] if m.result.kind != 'unit' else []

    def service_struct(self):
        self.put('\n/* What a service does. A function may take over what its args hold (and zero it there); what is left is\n'
                 ' * freed. It sets *ret_result (zeroed before) and returns true, or sets *error and returns false. NULL: the\n'
                 ' * call is answered as not implemented. */')
        self.put(f'typedef struct {self.prefix}Service {{')
        for m in self.interface.methods:
            params = ['void *data', 'const ServiceCall *call', f'{self.args_name(m)} *args'] + self.result_params(m)
            self.put(f'        bool (*{flat(m.symbol)})({", ".join(params)}, {self.error} **error);')
        self.put(f'}} {self.prefix}Service;\n')
        self.put(f'/* Serves the interface (bus-service.h); both borrowed until bus_service_free. */\n'
                 f'static inline BusService *{self.symbol}_serve(const {self.prefix}Service *functions, void *data,\n'
                 f'        const BusServiceOptions *options)\n{{\n'
                 f'        return bus_service_new(&{self.symbol}_interface, functions, data, options);\n}}')

    # client stubs

    def stub_signature(self, m):
        carrier = 'BusCaller *caller' if self.interface.transport == 'script' else 'Bus *bus'
        params = [carrier, 'uint64_t timeout_usec']
        params += [p.type.argument(flat(p.name)) for p in m.params if p.type.kind != 'unit']
        params += self.result_params(m) + [f'{self.error} **error']
        return f'bool {self.symbol}_{m.symbol}({", ".join(params)})'

    def stub_headers(self):
        self.put('\n/* Calls that wait (bus-client.h). */')
        for m in self.interface.methods:
            self.put(self.stub_signature(m) + ';')

    def client(self):
        self.head('Client stubs.')
        self.put(f'#include "{self.interface.name}.h"\n')
        self.put(f'#define METHOD(i) (&{self.symbol}_interface.methods[i])')
        for m in self.interface.methods:
            self.stub(m)
        return self.take()

    def stub(self, m):
        self.put(f'\n{self.stub_signature(m)}\n{{\n        {self.args_name(m)} stub_args = {{0}};\n')
        for p in m.params:
            if p.type.kind != 'unit':
                name = flat(p.name)
                self.put(f'        stub_args.{name} = {p.type.shallow(name)};')
        ret = 'ret_result' if m.result.kind != 'unit' else 'NULL'
        index = sorted(x.name for x in self.interface.methods).index(m.name)
        where = 'bus_caller_call' if self.interface.transport == 'script' else 'bus_client_call'
        carrier = 'caller' if self.interface.transport == 'script' else 'bus, NULL'
        self.put(f'        return {where}(&{self.symbol}_interface, METHOD({index}), {carrier}, timeout_usec,\n'
                 f'                               &stub_args, {ret}, (void **)error);\n}}')

    # tables

    def source(self):
        self.head('Tables.')
        self.put(f'#include "{self.interface.name}.h"\n')
        self.put('#include <stdarg.h>\n#include <stdio.h>\n#include <stdlib.h>\n')
        for t in self.model.order:
            self.type_table(t)
        for t in self.model.order:
            self.type_bodies(t)
        self.error_bodies()
        for m in self.interface.methods:
            self.method_tables(m)
        self.interface_table()
        return self.take()

    def type_table(self, t):
        name = t.table[1:]
        if t.kind == 'option':
            size = f'sizeof({t.c_type})'
            self.put(f'static const BusType {name} = {{.kind = BUS_OPTION, .name = {c_string(t.text)}, '
                     f'.size = {size}, .element = {t.element.table}}};')
        elif t.kind in ('list', 'dict'):
            self.sequence_table(t, name)
        elif t.kind == 'enum':
            self.enum_table(t, name)
        elif t.definition.record:
            self.record_table(t, name)
        else:
            self.variant_table(t, name)

    def sequence_table(self, t, name):
        offset = '0'
        item = t.element.c_type
        if t.kind == 'dict':
            item = 'BusPair' if t.shared else t.c_type + 'Item'
            offset = f'offsetof({item}, value)'
        self.put(f'static const BusType {name} = {{.kind = BUS_{t.kind.upper()}, .name = {c_string(t.text)}, '
                 f'.size = sizeof({t.c_type}), .element = {t.element.table}, .stride = sizeof({item}), '
                 f'.value_offset = {offset}}};')

    def record_table(self, t, name):
        d = t.definition
        self.put(f'static const BusField fields_{name}[] = {{')
        for m in d.members:
            offset = f'offsetof({t.c_type}, {flat(m.name)})' if m.type.kind != 'unit' else '0'
            self.put(f'        {{.name = {c_string(m.name)}, .type = {m.type.table}, .offset = {offset}, '
                     f'.default_json = {c_string(m.default)}}},')
        if d.kind == 'error':
            self.put(f'        {{.name = "failure", .type = &bus_type_failure, .offset = offsetof({t.c_type}, failure), '
                     f'.local = true}},')
        kind = 'TUPLE' if d.kind == 'tuple' else 'RECORD'
        self.put(f'}};\nconst BusType {name} = {{.kind = BUS_{kind}, .name = {c_string(t.text)}, '
                 f'.size = sizeof({t.c_type}), .n_fields = sizeof(fields_{name}) / sizeof(BusField), '
                 f'.fields = fields_{name}}};')

    def tags_table(self, t, name):
        d = t.definition
        self.put(f'static const BusTag tags_{name}[] = {{')
        for m in d.members:
            self.put(f'        {{.name = {c_string(m.name)}, .type = {m.type.table if m.type else "NULL"}}},')
        if d.kind == 'error':
            self.put('        {.name = "failure", .type = &bus_type_failure, .local = true},')
        self.put('};')
        return next((i for i, m in enumerate(d.members) if 'default' in m.attributes), -1)

    def enum_table(self, t, name):
        default = self.tags_table(t, name)
        self.put(f'const BusType {name} = {{.kind = BUS_ENUM, .name = {c_string(t.text)}, .size = sizeof({t.c_type}), '
                 f'.n_tags = sizeof(tags_{name}) / sizeof(BusTag), .tags = tags_{name}, .default_tag = {default}}};')

    def variant_table(self, t, name):
        default = self.tags_table(t, name)
        first = next((flat(m.name) for m in t.definition.members if m.type), None)
        offset = f'offsetof({t.c_type}, {first})' if first else '0'
        self.put(f'const BusType {name} = {{.kind = BUS_VARIANT, .name = {c_string(t.text)}, '
                 f'.size = sizeof({t.c_type}), .n_tags = sizeof(tags_{name}) / sizeof(BusTag), .tags = tags_{name}, '
                 f'.payload_offset = {offset}, .default_tag = {default}}};')

    def type_bodies(self, t):
        s, c, table = self.type_symbol(t), t.c_type, t.table
        if t.kind == 'option' or t.kind in ('list', 'dict') and t.shared:
            return
        if t.kind in ('list', 'dict'):
            self.put(f'\nvoid {s}_clear({c} *list)\n{{\n        bus_value_clear({table}, list);\n}}')
            return
        by_value = t.kind == 'enum'
        self.put(f'\njson_t *{s}_encode({c + " value" if by_value else "const " + c + " *value"})\n{{\n'
                 f'        return bus_encode({table}, {"&value" if by_value else "value"});\n}}')
        self.put(f'\nbool {s}_decode(const json_t *json, {c} *ret, BusReason *reason)\n{{\n'
                 f'        return bus_decode({table}, json, ret, reason);\n}}')
        if by_value:
            self.put(f'\nconst char *{s}_name({c} value)\n{{\n        return {table[1:]}.tags[value].name;\n}}')
            return
        self.put(f'\nvoid {s}_clear({c} *value)\n{{\n        bus_value_clear({table}, value);\n}}')
        self.put(f'\n{c} *{s}_dup(const {c} *value)\n{{\n        return bus_value_dup({table}, value);\n}}')
        self.put(f'\nvoid {s}_assign({c} *ret, const {c} *value)\n{{\n        bus_value_copy({table}, ret, value);\n}}')
        self.put(f'\nvoid {s}_free({c} *value)\n{{\n        bus_value_free({table}, value);\n}}')

    def error_bodies(self):
        t = self.model.types[self.interface.error.name]
        s = self.type_symbol(t)
        self.put(f'\nchar *{s}_text(const {self.error} *error)\n{{\n'
                 f'        return bus_error_text(&{self.symbol}_interface, error);\n}}')
        self.put(f'\nconst BusFailure *{s}_failure(const {self.error} *error)\n{{\n'
                 f'        return bus_error_failure(&{self.symbol}_interface, error);\n}}')
        for name, params, code in self.fails():
            body = '\n        '.join(code)
            self.put(f'\nbool {name}({", ".join([f"{self.error} **error"] + params)})\n{{\n'
                     f'        {self.error} e = {{0}};\n\n        {body}\n        *error = {s}_dup(&e);\n'
                     f'        return false;\n}}')
        internal = self.tag_with('internal')
        if internal:
            self.put(f'\nbool {self.symbol}_fail_internal({self.error} **error, const char *format, ...)\n{{\n'
                     f'        char *text;\n        va_list ap;\n\n        va_start(ap, format);\n'
                     f'        if (vasprintf(&text, format, ap) < 0)\n                abort();\n        va_end(ap);\n'
                     f'        {self.symbol}_fail_{snake(internal.name)}(error, text);\n        free(text);\n'
                     f'        return false;\n}}')

    def method_tables(self, m):
        args = self.args_name(m)
        if m.params:
            self.put(f'\nstatic const BusParam params_{m.symbol}[] = {{')
            for p in m.params:
                offset = f'offsetof({args}, {flat(p.name)})' if p.type.kind != 'unit' else '0'
                self.put(f'        {{.name = {c_string(p.name)}, .type = {p.type.table}, .offset = {offset}, '
                         f'.positional = {"true" if p.positional else "false"}}},')
            self.put('};')
        if not self.interface.queue:
            return
        ret = ' ret_result,' if m.result.kind != 'unit' else ''
        self.put(f'\nstatic int invoke_{m.symbol}(const void *service, void *data, const ServiceCall *call, void *args,\n        '
                 f'void *ret_result, void **error)\n{{\n        const {self.prefix}Service *s = service;\n\n'
                 f'        return s->{flat(m.symbol)} ? s->{flat(m.symbol)}(data, call, args,{ret} ({self.error} **)error) : -1;\n}}')

    def interface_table(self):
        self.put('\nstatic const BusMethod methods[] = {')
        for m in sorted(self.interface.methods, key=lambda m: m.name):
            params = f'.n_params = {len(m.params)}, .params = params_{m.symbol}, ' if m.params else ''
            invoke = f', .invoke = invoke_{m.symbol}' if self.interface.queue else ''
            self.put(f'        {{.name = {c_string(m.name)}, .description = {c_string(m.text)}, {params}'
                     f'.args_size = sizeof({self.args_name(m)}), .result = {m.result.table}{invoke}}},')
        self.put('};')
        d = self.interface.error
        record = isinstance(d.members[0], Member)
        index = {a: next((i for i, m in enumerate(d.members) if not record and a in m.attributes), -1)
                 for a in ('internal', 'unimplemented')}
        self.put(f'\nconst BusInterface {self.symbol}_interface = {{\n        .name = {c_string(self.interface.name)},\n'
                 f'        .queue = {c_string(self.interface.queue)},\n'
                 f'        .description = {c_string(self.interface.text)},\n'
                 f'        .error = {self.model.types[d.name].table},\n'
                 f'        .failure_offset = offsetof({self.error}, failure),\n'
                 f'        .failure_tag = {-1 if record else len(d.members)},\n'
                 f'        .internal_tag = {index["internal"]},\n'
                 f'        .unimplemented_tag = {index["unimplemented"]},\n'
                 f'        .n_methods = {len(self.interface.methods)},\n        .methods = methods,\n}};')


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        model = Model(Interface(sys.argv[1]))
    except Mistake as e:
        sys.exit(str(e))
    for suffix, method in (('.h', 'header'), ('.c', 'source'), ('-client.c', 'client')):
        text = getattr(Writer(model), method)()
        with open(os.path.join(sys.argv[2], model.interface.name + suffix), 'w', encoding='utf-8') as f:
            f.write(text)


if __name__ == '__main__':
    main()
