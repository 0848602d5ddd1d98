# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenapi-schema.sql: the store's file as one table a class, for administrators and scripts that read it with sqlite3.

The store keeps every object in one table, `object`, as JSON of the fields that differ from their defaults
(runtime/persist.h). These are temporary views, so that reading changes nothing."""

import json

HEAD = """-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Generated from idl/xenapi. sqlite3 -readonly -init xenapi-schema.sql STATE-DATABASE
"""
ZERO = {'int': '0', 'float': '0.0', 'bool': 'false', 'datetime': "'19700101T00:00:00Z'", 'ref': "'OpaqueRef:NULL'",
        'set': "'[]'", 'option': "'[]'", 'map': "'{}'"}


def literal(model, t, default):
    """What a field has that is not in the record, as json_extract would give it."""
    if default is None:
        return f"'{model.enums[t.name].values[0]}'" if t.kind == 'enum' else ZERO.get(t.kind, "''")
    value = json.loads(default)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, (dict, list)):
        return "'" + json.dumps(value, separators=(',', ':')).replace("'", "''") + "'"
    return json.dumps(float(value) if t.kind == 'float' else value)


def write_schema(model, out):
    out.write(HEAD)
    for c in model.classes.values():
        if not c.in_database or not c.persist:
            continue
        columns = ['ref', 'generation', 'created']
        columns += [f"coalesce(json_extract(record, '$.{f.name}'), {literal(model, f.type, f.default)}) AS \"{f.name}\""
                    for f in c.fields.values() if f.persist]
        out.write(f'CREATE TEMP VIEW "{c.name}" AS SELECT\n    ' + ',\n    '.join(columns)
                  + f"\n  FROM object WHERE class = '{c.name}';\n")
