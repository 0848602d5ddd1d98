# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a call costs with few and with many VMs in the store, one client, over the unix socket."""
import statistics

from .results import Row
from .tools import LOAD
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


def costs(measured, scale):
    """-> {call: µs, median}"""
    ref = measured.vm_refs()[-1]
    record = {**measured.api.call('VM.get_record', ref), 'ref': ref}
    return {call: statistics.median(
        measured.load(LOAD, measured.stack.socket, measured.request(call, *(record.get(field, field) for field in fields)), 1,
                      scale.msec)['usec_p50'] for _ in range(3))
        for call, fields in {**SINGLE, **WHOLE}.items()}


def measure(scale):
    taken = {}
    for vms in scale.sizes:
        with Measured(vms=vms) as measured:
            taken[vms] = costs(measured, scale)
    few, many = min(taken), max(taken)
    rows = [Row(f'{call}: {many:,} VMs against {few:,}', taken[many][call] / taken[few][call], 'µs', ours=taken[many][call],
                peer=taken[few][call], peer_name=f'{few:,} VMs', less_is_better=True, rounds=[taken]) for call in SINGLE]
    lines = {call: [(vms, taken[vms][call]) for vms in taken] for call in {**SINGLE, **WHOLE}}
    return rows, {'cost of a call by VMs': {'x': 'VMs in the store', 'y': 'µs a call', 'lines': lines}}
