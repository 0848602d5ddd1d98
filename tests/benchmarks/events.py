# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a change to a VM until clients that wait in event.from have it."""
import json
import statistics

from .results import Row
from .tools import LOAD, output, tool
from .xapi import Measured

WAITERS = 100
CURVE = (1, 10, 100, 400)
TIMEOUT_SEC = 60.0      # of event.from: longer than any pause here


def run(measured, vm, waiters, changes):
    return json.loads(output(LOAD, tool('events'), measured.https,
                             measured.body('event.from', ['*'], '@TOKEN@', TIMEOUT_SEC),
                             measured.body('VM.set_name_description', vm, 'change @VALUE@'), waiters, changes))


def measure(scale):
    with Measured(vms=100) as measured:
        vm = measured.vm_refs()[0]
        taken = [run(measured, vm, WAITERS, scale.changes) for _ in range(scale.rounds)]
        lines = {'median': [], '99th percentile': [], 'acknowledged': []}
        for waiters in CURVE[:scale.curve]:
            figures = run(measured, vm, waiters, scale.changes)
            for name, key in zip(lines, ('event_p50', 'event_p99', 'acknowledged_p50')):
                lines[name].append((waiters, figures[key] / 1000))
    rows = [Row(f'change to event, {WAITERS} clients wait: {name}',
                statistics.median(figures[key] for figures in taken) / 1000, 'ms', at_least, aim,
                less_is_better=True, rounds=taken)
            for name, key, at_least, aim in (('median', 'event_p50', 5, 1), ('99th percentile', 'event_p99', 20, 5),
                                             ('change acknowledged, median', 'acknowledged_p50', None, None))]
    return rows, {'change to event by waiting clients': {'x': 'clients that wait', 'y': 'ms', 'lines': lines}}
