# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many VMs started at once on the simulator, whose own delays are off."""
import collections
import json
import statistics
import struct

from .results import Row
from .tools import LOAD, SERVERS, cpu_seconds, output, tool
from .xapi import Measured

CONNECTIONS = 64                # of the clients that start them
TIMEOUT_SEC = 60.0
CURVE = (1, 10, 100, 1000)


def syncs(measured):
    """fsync and fdatasync calls so far -> {daemon: count}; those of the programs that daemons run stand together."""
    daemons = {pid: daemon for daemon, pid in measured.stack.status()['daemons'].items()}
    counts = collections.Counter()
    for path in measured.folder.glob('syncs.*'):
        counts[daemons.get(int(path.suffix[1:]), 'other programs')] += struct.unpack('Q', path.read_bytes())[0]
    return counts


def cpu(measured):
    return {daemon: cpu_seconds(pid) for daemon, pid in measured.stack.status()['daemons'].items()}


def storm(measured, refs, method, state, *params):
    path = measured.folder / 'refs'
    path.write_text('\n'.join(refs) + '\n')
    return json.loads(output(LOAD, tool('storm'), measured.https, measured.body(method, '@REF@', *params),
                             measured.body('event.from', ['vm'], '@TOKEN@', TIMEOUT_SEC), state, path, CONNECTIONS))


def start_all(measured, refs):
    """-> the storm's figures, with the syncs that it took by daemon; everything is halted again."""
    before, cpu_before = syncs(measured), cpu(measured)
    figures = storm(measured, refs, 'Async.VM.start', 'Running', False, False)
    after, cpu_after = syncs(measured), cpu(measured)
    failed = [ref for ref in refs if measured.api.call('VM.get_power_state', ref) != 'Running']
    if failed:
        raise RuntimeError(f'{len(failed)} VMs do not run')
    figures['syncs'] = dict(after - before)
    figures['cpu_msec'] = {daemon: 1000 * (cpu_after[daemon] - cpu_before[daemon]) / len(refs) for daemon in cpu_after}
    storm(measured, refs, 'Async.VM.hard_shutdown', 'Halted')
    return figures


def measure(scale):
    count = scale.storm
    counted = {'LD_PRELOAD': tool('count-syncs.so'), 'COUNT_SYNCS': '{folder}/syncs'}
    with Measured(count, cpus=(SERVERS, LOAD), environment=counted) as measured:
        refs = measured.vm_refs()
        taken = [start_all(measured, refs) for _ in range(scale.storms)]
        line = [(n, statistics.median(n * 1000 / start_all(measured, refs[:n])['done_msec'] for _ in range(scale.storms)))
                for n in CURVE if n <= count]
    rates = [count * 1000 / figures['done_msec'] for figures in taken]
    total = statistics.median(sum(figures['syncs'].values()) / count for figures in taken)
    by_daemon = ', '.join(f'{daemon} {n / count:.2f}' for daemon, n in taken[-1]['syncs'].items())
    rows = [Row(f'Async.VM.start of {count:,} at once', statistics.median(rates), 'starts/s', 300, 1000, rounds=taken),
            Row('of which acknowledged as a task after', statistics.median(f['acknowledged_msec'] for f in taken), 'ms'),
            Row('processor time of all daemons a start',
                statistics.median(sum(figures['cpu_msec'].values()) for figures in taken), 'ms',
                note=', '.join(f'{daemon} {value:.2f}' for daemon, value in taken[-1]['cpu_msec'].items())),
            Row('fsync and fdatasync calls a start', total, 'calls', note=by_daemon)]
    return rows, {'starts by VMs at once': {'x': 'VMs started at once', 'y': 'starts a second', 'lines': {'starts': line}}}
