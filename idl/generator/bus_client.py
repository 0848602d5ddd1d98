# SPDX-License-Identifier: LGPL-2.1-or-later
"""The client stubs of a bus interface."""

from generator.bus_names import flat
from generator.bus_writer import Writer


class Client(Writer):
    def write(self):
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
        carrier = 'caller' if self.interface.transport == 'script' else 'bus, NULL, ' + ('cancel' if m.cancellable else 'NULL')
        if self.interface.transport != 'script':
            ret += ', ret_fd' if m.with_fd else ', NULL'
        self.put(f'        return {where}(&{self.symbol}_interface, METHOD({index}), {carrier}, timeout_usec,\n'
                 f'                               &stub_args, {ret}, (void **)error);\n}}')
