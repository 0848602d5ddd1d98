# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes of a benchmark: the programs of this folder and the peers, pinned, waited for, and ended."""
import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness.stack import build_folder

READY_SEC = 20
SERVERS, LOAD = 0, 1            # the two processors: servers on one, whoever loads them on the other


def tool(name):
    return str(build_folder() / 'tests/benchmarks' / name)


def pinned(cpu, argv):
    return ['taskset', '-c', str(cpu), *map(str, argv)]


def output(cpu, *argv, timeout=600):
    """Runs a program to its end -> what it printed."""
    done = subprocess.run(pinned(cpu, argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f'{" ".join(map(str, argv))}: {done.stderr.strip()[-500:]}')
    return done.stdout


def cpu_seconds(pid):
    """That a process and all threads it ever had have used: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


class Place(contextlib.ExitStack):
    """A folder, and processes that are ended with it."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix='xapi-bench-'))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return super().__enter__()

    def start(self, cpu, *argv, environment=None):
        """A server; returns once it has printed `ready`, where it is a program of ours."""
        ours = str(argv[0]).startswith(str(build_folder() / 'tests'))
        log = open(self.folder / f'{Path(argv[0]).name}.log', 'ab')
        process = subprocess.Popen(pinned(cpu, argv), stdin=subprocess.DEVNULL, stderr=log, cwd=self.folder,
                                   stdout=subprocess.PIPE if ours else log,
                                   env={**os.environ, **(environment or {})})
        self.callback(self.end, process)
        if ours:
            readable, _, _ = select.select([process.stdout], [], [], READY_SEC)
            if not readable or process.stdout.readline() != b'ready\n':
                raise RuntimeError(f'{" ".join(map(str, argv))} does not serve: {self.log(argv[0])}')
        return process

    def log(self, program):
        return (self.folder / f'{Path(program).name}.log').read_text(errors='replace')[-500:]

    def end(self, process):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition, what):
    deadline = time.monotonic() + READY_SEC
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f'{what} does not serve')
        time.sleep(0.02)
