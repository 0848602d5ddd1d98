#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes what follows from idl/xenapi: generate.py xenapi-folder output-folder [depfile]"""

import pathlib
import sys

from generator.dump import write_dump
from generator.header import write_handlers, write_header
from generator.model import Model
from generator.reference import write_reference
from generator.schema import write_schema
from generator.tables import write_tables
from generator.text import IdlError

OUTPUTS = {
    'xenapi.h': write_header,
    'xenapi-tables.c': write_tables,
    'xenapi-handlers.h': write_handlers,
    'wire-surface.txt': write_dump,
    'xenapi-reference.html': write_reference,
    'xenapi-schema.sql': write_schema,
}


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    try:
        model = Model(source)
    except IdlError as error:
        sys.exit(f'{error}')
    for name, function in OUTPUTS.items():
        with open(target / name, 'w', encoding='utf-8') as out:
            function(model, out)
    if len(sys.argv) > 3:
        # The folder too, so that a new file is seen.
        used = [source, *sorted(source.glob('*.idl')),
                *sorted(pathlib.Path(__file__).resolve().parent.glob('generator/*.py'))]
        outputs = ' '.join(f'{target}/{name}' for name in OUTPUTS)
        pathlib.Path(sys.argv[3]).write_text(f'{outputs}: {" ".join(map(str, used))}\n', encoding='utf-8')


if __name__ == '__main__':
    main()
