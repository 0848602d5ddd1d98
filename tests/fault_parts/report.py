# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured beside the faults: told, never asserted."""
import json
import os

FILE = 'XAPI_FAULTS_REPORT'     # names a file to which each line is added as JSON too


def tell(what, **figures):
    print(f'     {what}: ' + ', '.join(f'{name} {value}' for name, value in figures.items()), flush=True)
    if os.environ.get(FILE):
        with open(os.environ[FILE], 'a') as file:
            file.write(json.dumps({'what': what, **figures}) + '\n')


def milliseconds(seconds):
    """-> figures of a list of durations."""
    ordered = sorted(seconds)
    if not ordered:
        return {'n': 0}
    return {'n': len(ordered), **{name: f'{ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000:.1f} ms'
                                  for name, part in (('median', 0.5), ('p99', 0.99), ('most', 1.0))}}
