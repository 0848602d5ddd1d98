# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bus interfaces as text: reads an .idl of idl/bus into definitions and methods (bus/README.md)."""

import json
import os
import re

from generator.bus_names import snake


class Mistake(Exception):
    pass


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
    def __init__(self, name, params, result_text, with_fd, cancellable, text, line):
        self.name, self.params, self.result_text, self.text, self.line = name, params, result_text, text, line
        self.with_fd = with_fd  # a descriptor comes with the result
        self.cancellable = cancellable  # who waits for it may give up
        self.result = None


class Param:
    def __init__(self, name, type_text, positional):
        self.name, self.type_text, self.positional = name, type_text, positional
        self.type = None


WORD = r'[A-Za-z_][A-Za-z0-9_]*'
HEADER = re.compile(rf'(record|tuple|enum|variant|error)\s+({WORD})\s*(?:--\s*(.*))?$')
MEMBER = re.compile(rf'({WORD})\s+([^\s=]+)(?:\s*=\s*(.*?))?\s*(?:--\s*(.*))?$')
TAG = re.compile(rf'({WORD})(?:\s+([^\s!-]\S*))?((?:\s+![a-z]+)*)\s*(?:--\s*(.*))?$')
METHOD = re.compile(rf'method\s+((?:{WORD}\.)*{WORD})\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*(?:->\s*(\S+))?\s*(with fd)?\s*(cancellable)?\s*(?:--\s*(.*))?$')
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
        if pending:
            yield start, pending

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
        if d.kind == 'error' and self.error:
            self.fail(number, 'a second error block')
        if d.kind == 'error':
            self.error = d
        return d

    def read_member(self, definition, line, number):
        if definition.kind in ('record', 'tuple') or definition.kind == 'error' and line.startswith('.'):
            m = MEMBER.match(line.lstrip('.'))
            if not m:
                self.fail(number, f'not a member: {line}')
            try:
                json.loads(m[3] or 'null')
            except ValueError:
                self.fail(number, f'no JSON: {m[3]}')
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
        method = Method(self.namespace + m[1], params, m[3] or 'unit', bool(m[4]), bool(m[5]), m[6] or '', number)
        method.symbol = snake(m[1])
        self.methods.append(method)
        return method
