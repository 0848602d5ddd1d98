#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generated surface says exactly what tests/surface.json says. Arguments: idl/xenapi, surface.json."""

import json
import sys

from generator.model import Model
from generator.surface import surface

LIMIT = 50


def differences(ours, theirs, path):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(set(ours) | set(theirs)):
            if key not in ours:
                yield f'{path}.{key}: missing'
            elif key not in theirs:
                yield f'{path}.{key}: not in the reference'
            else:
                yield from differences(ours[key], theirs[key], f'{path}.{key}')
    elif type(ours) is not type(theirs) or ours != theirs:
        yield f'{path}: {json.dumps(ours)} instead of {json.dumps(theirs)}'


def reference(path):
    with open(path, encoding='utf-8') as file:
        theirs = json.load(file)
    theirs['api_version'] = theirs.pop('_about')['api_version']
    theirs['no_task_id_for'].sort()
    for c in theirs['classes'].values():
        for thing in [c, *c['fields'].values(), *c['messages'].values()]:
            thing.pop('in_json', None)  # whether another project's documentation lists it
    return theirs


def main():
    found = list(differences(surface(Model(sys.argv[1])), reference(sys.argv[2]), ''))
    for line in found[:LIMIT]:
        print(line)
    print(f'{len(found)} differences')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
