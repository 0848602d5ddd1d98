# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading objects over HTTPS, beside nginx serving the same bytes as a file with the same certificate."""
import statistics

from .nginx import Nginx
from .results import Row, compare, rounds
from .tools import LOAD, cpu_seconds
from .xapi import Measured

CONNECTIONS = 16
BUSY_MAX = 0.97         # of the load's processor; beyond, it may be the load that is measured
CURVE = (1, 4, 16, 64, 256, 1024)


def beside_nginx(measured, nginx, scale, what, name, targets, method, *params, connections=CONNECTIONS):
    taken, busy, used = [], [], {}
    request, file = measured.request(method, *params), nginx.request(name, measured.answer(method, *params))

    def side(name, pid, target, bytes_):
        def take():
            before = cpu_seconds(pid)
            figures = measured.load(LOAD, target, bytes_, connections, scale.msec)
            used.setdefault(name, []).append((cpu_seconds(pid) - before) / figures['replies'] * 1e6)
            taken.append(figures)
            busy.append(figures['busy'])
            return figures['rate']
        return take
    figures = rounds(scale.rounds, {
        'xapi-core': side('xapi-core', measured.stack.status()['daemons']['xapi-core'], measured.https, request),
        'nginx': side('nginx', nginx.worker(), nginx.target, file)})
    ciphers = {figure['cipher'] for figure in taken}
    if len(ciphers) > 1:
        raise RuntimeError(f'the two sides do not use the same cipher: {ciphers}')
    note = f'{ciphers.pop()}; processor time a call: ' + ', '.join(
        f'{name} {statistics.median(values):.0f} µs' for name, values in used.items())
    note += f'; the load was busy {max(busy):.2f} of the time at most'
    if max(busy) > BUSY_MAX:
        note += ', so both sides may be faster than this'
    return compare(what, 'calls/s', figures, 'xapi-core', 'nginx', *targets, note=note)


def measure(scale):
    rows, curves = [], {}
    with Measured(vms=100) as measured:
        nginx = Nginx(measured, measured.stack.certificate)
        vm = measured.vm_refs()[0]
        rows.append(beside_nginx(measured, nginx, scale, 'VM.get_record, HTTPS, 16 connections', 'record',
                                 (0.7, 0.9), 'VM.get_record', vm))
        rows.append(unix_socket(measured, scale, vm))
        curves['calls a second by clients'] = clients(measured, nginx, scale, vm)
    with Measured(vms=scale.many) as measured:
        nginx = Nginx(measured, measured.stack.certificate)
        rows.append(beside_nginx(measured, nginx, scale, f'VM.get_all_records, {scale.many:,} VMs, HTTPS', 'records',
                                 (0.5, 0.9), 'VM.get_all_records', connections=1))
    return rows, curves


def unix_socket(measured, scale, vm):
    taken = rounds(scale.rounds, {'xapi-core': lambda: measured.load(
        LOAD, measured.stack.socket, measured.request('VM.get_record', vm), CONNECTIONS, scale.msec)['rate']})
    values = sorted(figures['xapi-core'] for figures in taken)
    return Row('VM.get_record, unix socket, 16 connections', values[len(values) // 2], 'calls/s', rounds=taken)


def clients(measured, nginx, scale, vm):
    request = measured.request('VM.get_record', vm)
    file = nginx.request('record', measured.answer('VM.get_record', vm))
    lines = {'xapi-core': [], 'nginx': []}
    for connections in CURVE[:scale.curve]:
        for name, target, bytes_ in (('xapi-core', measured.https, request), ('nginx', nginx.target, file)):
            lines[name].append((connections, measured.load(LOAD, target, bytes_, connections, scale.msec)['rate']))
    return {'x': 'connections', 'y': 'VM.get_record a second', 'lines': lines}
