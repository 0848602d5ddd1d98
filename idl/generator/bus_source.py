# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of a bus interface, and what is called by type: codecs, errors, dispatch."""

from generator.bus_names import c_string, flat, snake
from generator.bus_text import Member
from generator.bus_writer import Writer


class Source(Writer):
    def write(self):
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
            with_fd = ', .with_fd = true' if m.with_fd else ''
            invoke = f', .invoke = invoke_{m.symbol}' if self.interface.queue else ''
            self.put(f'        {{.name = {c_string(m.name)}, .description = {c_string(m.text)}, {params}'
                     f'.args_size = sizeof({self.args_name(m)}), .result = {m.result.table}{with_fd}{invoke}}},')
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
