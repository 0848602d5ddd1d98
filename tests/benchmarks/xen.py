# SPDX-License-Identifier: LGPL-2.1-or-later
"""VM.start, VM.suspend and VM.resume of xenopsd beside xl with the same configuration, on real Xen in the emulated machine of
tests/xen. Emulation makes everything slow, but both sides alike."""
import json
import statistics

from xen.box import states, suite
from xen.box.host import Host

from .results import Row

TARGETS = {'VM.start': 1.3, 'VM.suspend': 1.1, 'VM.resume': 1.1}
BENCH_SEC = 3600
FIGURES = '/root/figures'


def row(figure):
    what, peer = figure['what'], figure['peer']
    ours, theirs = (statistics.median(side) for side in zip(*figure['rounds']))
    return Row(f'{what}, {figure["kind"]}', statistics.median(a / b for a, b in figure['rounds']), 's', TARGETS.get(what),
               ours=ours, peer=theirs, peer_name=peer, less_is_better=True,
               rounds=[{what: a, peer: b} for a, b in figure['rounds']])


def measure(scale):
    states.prepare()
    dom0 = Host('installed')
    try:
        suite.prepare(dom0)
        suite.run(dom0, 'bench-backend.py', environment=[f'ROUNDS={scale.rounds}', f'FIGURES={FIGURES}'], seconds=BENCH_SEC)
        figures = json.loads(dom0.run('cat', FIGURES))
    finally:
        dom0.down()
    return [row(figure) for figure in figures], {}
