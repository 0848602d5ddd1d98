#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a bus interface (bus/README.md has the format) and writes its C: types, codec tables, stubs, dispatch.

    generate-bus.py INTERFACE.idl OUTPUT_FOLDER    writes <name>.h, <name>.c and <name>-client.c
"""

import os
import sys

from generator.bus_client import Client
from generator.bus_header import Header
from generator.bus_model import Model
from generator.bus_source import Source
from generator.bus_text import Interface, Mistake


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        model = Model(Interface(sys.argv[1]))
    except Mistake as mistake:
        sys.exit(str(mistake))
    for suffix, writer in (('.h', Header), ('.c', Source), ('-client.c', Client)):
        with open(os.path.join(sys.argv[2], model.interface.name + suffix), 'w', encoding='utf-8') as f:
            f.write(writer(model).write())


if __name__ == '__main__':
    main()
