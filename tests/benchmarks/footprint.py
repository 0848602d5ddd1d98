# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory of the whole stack, and the time from the start of its daemons until it serves."""
import os
import re
import signal
import statistics
import subprocess
import sys
import time

from harness.client import JsonTransport, Xapi
from harness.stack import PASSWORD, SOURCE, xapi_try

from .results import Row
from .tools import cpu_seconds
from .xapi import Measured

sys.path.insert(0, str(SOURCE / 'packaging'))
from trying.stack import DAEMONS, Folder, Programs, free_port       # noqa: E402

END_SEC = 20


def pss_kib(pid):
    with open(f'/proc/{pid}/smaps_rollup') as file:
        return int(re.search(r'^Pss:\s+(\d+)', file.read(), re.M).group(1))


def memory(measured):
    """-> {daemon: MB}"""
    return {daemon: pss_kib(pid) / 1000 for daemon, pid in measured.stack.status()['daemons'].items()}


class Daemons:
    """All daemons of a folder started at once, as systemd would."""

    def __init__(self, path):
        folder, programs, self.port = Folder(path), Programs(), free_port()
        self.start = time.monotonic()
        self.processes, readers = [], {}
        for name in DAEMONS:
            reader, writer = os.pipe()
            with open(folder.log / f'{name}.log', 'ab') as log:
                self.processes.append(subprocess.Popen(
                    [*programs.argv(name, folder, self.port, 0), '--ready-fd', str(writer)], stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, cwd='/', pass_fds=(writer,)))
            os.close(writer)
            readers[name] = reader
        for name, reader in readers.items():
            if os.read(reader, 1) == b'':
                self.end()
                raise RuntimeError(f'{name} has ended: {folder.log_tail(name)}')
            os.close(reader)

    def serving(self):
        """-> seconds from the start until a client, whose login is part of it, has an answer."""
        Xapi(JsonTransport(f'https://127.0.0.1:{self.port}'), 'root', PASSWORD).call('VM.get_all')
        return time.monotonic() - self.start

    def cpu(self):
        """-> {daemon: seconds of processor time so far}"""
        return {name: cpu_seconds(process.pid) for name, process in zip(DAEMONS, self.processes)}

    def end(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(END_SEC)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def starts(measured, count):
    """Starts the stack again and again -> seconds each time, and the processor's of the last. It stays stopped."""
    xapi_try('down', '--state', measured.stack.folder)
    taken, cpu = [], {}
    for _ in range(count):
        daemons = Daemons(measured.stack.folder)
        try:
            taken.append(daemons.serving())
            cpu = daemons.cpu()
        finally:
            daemons.end()
    return taken, cpu


def each(values, form):
    return ', '.join(f'{daemon} {value:{form}}' for daemon, value in values.items())


def measure(scale):
    rows = []
    for vms, memory_targets, start_targets in ((0, (60, 30), (0.5, None)), (scale.many, (300, 150), (2, None))):
        what = f'{vms:,} VMs' if vms else 'empty'
        with Measured(vms=vms, cpus=os.sched_getaffinity(0)) as measured:
            parts = memory(measured)
            taken, cpu = starts(measured, scale.rounds)
        rows += [Row(f'memory of the stack (PSS), {what}', sum(parts.values()), 'MB', *memory_targets,
                     less_is_better=True, rounds=[parts], note=each(parts, '.1f')),
                 Row(f'start to serving, {what}', statistics.median(taken), 's', *start_targets, less_is_better=True,
                     rounds=taken, note='of the processor: ' + each(cpu, '.2f'))]
    return rows, {}
