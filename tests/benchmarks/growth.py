# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a call costs with few and with many VMs in the store, one client, over the unix socket."""
import statistics

from .results import Row
from .tools import LOAD, cpu_seconds
from .xapi import Measured

# Each with its parameters: where one is the name of a field, the VM's; `ref` is the VM itself. Those of one object are
# wanted to cost the same however many there are. A write is acknowledged once it is on the disk.
SINGLE = {
    'VM.get_record': ('ref',),
    'VM.get_power_state': ('ref',),
    'VM.get_by_uuid': ('uuid',),
    'VM.get_by_name_label': ('name_label',),
    'VM.get_VBDs': ('ref',),
    'VM.set_name_description': ('ref', '@VALUE@'),
}
WHOLE = {'VM.get_all': (), 'VM.get_all_records': ()}
ROUNDS = 3


def cost(measured, scale, request):
    """-> µs of a call: of the server's processor, and until the reply"""
    pid = measured.stack.status()['daemons']['xapi-core']
    before = cpu_seconds(pid)
    figures = measured.load(LOAD, measured.stack.socket, request, 1, scale.msec)
    return (cpu_seconds(pid) - before) * 1e6 / figures['replies'], figures['usec_p50']


def costs(measured, scale):
    """-> {call: (µs of processor, µs until the reply)}, medians"""
    ref = measured.vm_refs()[-1]
    record = {**measured.api.call('VM.get_record', ref), 'ref': ref}
    taken = {}
    for call, fields in {**SINGLE, **WHOLE}.items():
        request = measured.request(call, *(record.get(field, field) for field in fields))
        figures = [cost(measured, scale, request) for _ in range(ROUNDS)]
        taken[call] = [statistics.median(column) for column in zip(*figures)]
    return taken


def measure(scale):
    taken = {}
    for vms in scale.sizes:
        with Measured(vms=vms) as measured:
            taken[vms] = costs(measured, scale)
    few, many = min(taken), max(taken)
    rows = [Row(f'{call}, processor time: {many:,} VMs against {few:,}', taken[many][call][0] / taken[few][call][0],
                'µs', ours=taken[many][call][0], peer=taken[few][call][0], peer_name=f'{few:,} VMs',
                less_is_better=True, rounds=[taken]) for call in SINGLE]
    lines = [{call: [(vms, taken[vms][call][column]) for vms in taken] for call in {**SINGLE, **WHOLE}}
             for column in range(2)]
    return rows, {'processor time of a call by VMs': {'x': 'VMs in the store', 'y': 'µs of processor a call',
                                                      'lines': lines[0]},
                  'time of a call by VMs': {'x': 'VMs in the store', 'y': 'µs until the reply', 'lines': lines[1]}}
