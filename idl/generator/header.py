# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenapi.h: the names by which C code uses the model; xenapi-handlers.h: what the classes' own code is called by."""

from .names import (BANNER, camel, check_unique, class_symbol, constant, handlers_of, member, quoted, value_type)


def write_header(model, out):
    out.write(BANNER)
    out.write('#pragma once\n\n#include "model.h"\n')
    write_errors(model, out)
    write_enums(model, out)
    write_types(model, out)
    classes = list(model.classes.values())
    check_unique('classes', [constant(c.name) for c in classes])
    out.write('\nenum {\n')
    for c in classes:
        out.write(f'        CLASS_INDEX_{constant(c.name)},\n')
    out.write('        N_CLASSES,\n};\n')
    for c in classes:
        write_class(c, out)


def write_errors(model, out):
    out.write('\n')
    for e in model.errors.values():
        params = '' if e.params is None else ': ' + (', '.join(e.params) or 'no parameters')
        out.write(f'#define ERR_{e.name} {quoted(e.name)} /* {e.about}{params} */\n')


def enum_constants(e):
    names = [constant(e.name, v) for v in e.values]
    check_unique(f'enum {e.name}', names)
    return names


def write_enums(model, out):
    everything = []
    for e in model.enums.values():
        names = enum_constants(e)
        everything += names
        out.write(f'\n/* {e.about} */\nenum {camel(e.name)} {{\n')
        for name in names:
            out.write(f'        {name},\n')
        out.write(f'        N_{constant(e.name)},\n}};\nextern const Enum ENUM_{constant(e.name)};\n')
    check_unique('enum values', everything)


def write_types(model, out):
    out.write('\n')
    types = model.types.by_text.values()
    check_unique('types', [t.symbol for t in types])
    for t in types:
        out.write(f'extern const Type {t.symbol};\n')


def write_class(c, out):
    fields = list(c.fields.values())
    name = camel(c.name)
    out.write(f'\n/* {c.about} */\nextern const Class {class_symbol(c)};\n')
    if not fields:
        return
    out.write(f'enum {name}Field {{\n')
    for f in fields:
        out.write(f'        {constant(c.name)}_FIELD_{f.name},\n')
    out.write(f'        N_{constant(c.name)}_FIELDS,\n}};\n')
    out.write(f'typedef struct {name}Row {{\n        Row row;\n')
    for f in fields:
        out.write(f'        {value_type(f.type)}{member(f.name)}; /* {f.type.text}: {f.about} */\n')
    out.write(f'}} {name}Row;\n')
    out.write(f'_Static_assert(sizeof({name}Row) == sizeof(Row) + {len(fields)} * sizeof(Value), "row_values");\n')


def write_handlers(model, out):
    out.write(BANNER)
    out.write('#pragma once\n\n#include "call.h"\n#include "xenapi.h"\n\n')
    out.write('/* What a message without parameters is given. */\n')
    out.write('typedef struct NoParams {\n        Value unused;\n} NoParams;\n')
    for c in model.classes.values():
        handlers = handlers_of(c)
        if handlers:
            write_class_handlers(c, handlers, out)


def write_class_handlers(c, handlers, out):
    name = camel(c.name)
    check_unique(f'messages of {c.name}', [camel(m.name) for m in handlers])
    for m in handlers:
        params = f'{name}{camel(m.name)}Params'
        out.write(f'\n/* {c.name}.{m.name}: {m.about}. Result: {m.result.text}. */\n')
        if not m.params:
            out.write(f'typedef NoParams {params};\n')
            continue
        out.write(f'typedef struct {params} {{\n')
        for p in m.params:
            out.write(f'        {value_type(p.type)}{member(p.name)}; /* {p.type.text} */\n')
        out.write(f'}} {params};\n')
    out.write(f'\ntypedef struct {name}Handlers {{\n')
    for m in handlers:
        out.write('        struct {\n                HandlerPlace place;\n'
                  f'                bool (*function)(Call *, const {name}{camel(m.name)}Params *, XapiError **);\n'
                  f'        }} {member(m.name)};\n')
    out.write(f'}} {name}Handlers;\n')
    out.write(f'_Static_assert(sizeof({name}Handlers) == {len(handlers)} * sizeof(Handler), "Message.handler");\n')
