# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the writers of C for a bus interface share."""

import os

from generator.bus_names import camel, flat, snake
from generator.bus_text import Member, Tag


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

    def type_symbol(self, t):
        return f'{self.symbol}_{self.model.table_name(t)}'

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

    def result_params(self, m):
        return [m.result.result()] if m.result.kind != 'unit' else []

    def stub_signature(self, m):
        carrier = 'BusCaller *caller' if self.interface.transport == 'script' else 'Bus *bus'
        params = [carrier] + (['Cancel *cancel'] if m.cancellable else []) + ['uint64_t timeout_usec']
        params += [p.type.argument(flat(p.name)) for p in m.params if p.type.kind != 'unit']
        params += self.result_params(m) + (['int *ret_fd'] if m.with_fd else []) + [f'{self.error} **error']
        return f'bool {self.symbol}_{m.symbol}({", ".join(params)})'
