# SPDX-License-Identifier: LGPL-2.1-or-later
"""The header of a bus interface: types, arguments, service struct, stubs."""

from generator.bus_names import c_string, flat, snake
from generator.bus_writer import Writer


class Header(Writer):
    def write(self):
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

    def args_struct(self, m):
        self.put(f'\n/* {m.name}: {m.text or "parameters."} */\ntypedef struct {self.args_name(m)} {{')
        fields = [p for p in m.params if p.type.kind != 'unit']
        for p in fields:
            self.field_line(p.type.c_type, p.name, '')
        if not fields:
            self.put('        char nothing;')
        self.put(f'}} {self.args_name(m)};')

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

    def stub_headers(self):
        self.put('\n/* Calls that wait (bus-client.h). */')
        for m in self.interface.methods:
            self.put(self.stub_signature(m) + ';')
