# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the test functions of files named test_*.py and runs them, a few files at a time.

A test asks for what it needs by the names of its parameters: `stack` (up, shared by the file's tests), `fresh` (a stack
of its own), `folder` (an empty folder), `dom0` (a real Xen host of its own, with the packages installed), `bare` (one
without them). A file may set QUICK (part of `tests/run --quick`), SANITIZED (run on the
sanitizers' builds too), LONG (run with --long alone), STACK (arguments of the shared Stack), TEST_SEC (the most that one
of its tests may take)."""
import concurrent.futures
import contextlib
import importlib.util
import inspect
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from .stack import Stack

TEST_SEC = 240          # the most that one test may take, unless its file says otherwise


@dataclass
class Outcome:
    name: str
    seconds: float
    failure: str = ''   # empty: passed


def load(path):
    spec = importlib.util.spec_from_file_location(f'{path.parent.name}.{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tests_of(module):
    return [(name, function) for name, function in vars(module).items()
            if name.startswith('test_') and inspect.isfunction(function) and function.__module__ == module.__name__]


def label(path, test=''):
    return f'{path.parent.name}/{path.stem.removeprefix("test_")}' + (f'.{test.removeprefix("test_")}' if test else '')


class TooLong(Exception):
    pass


@contextlib.contextmanager
def time_limit(seconds):
    def ring(*_):
        raise TooLong(f'not done after {seconds} s')
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


class File:
    """One test file, run from its first test to its last in one process."""

    def __init__(self, path, pattern):
        self.path, self.pattern = path, pattern
        self.module = load(path)
        self.shared = None
        self.outcomes = []

    def run(self):
        for name, function in tests_of(self.module):
            if self.pattern in label(self.path, name):
                self.record(label(self.path, name), lambda: self.run_test(function))
        if self.shared:
            self.record(label(self.path) + ' (its stack)', self.check_shared)
        return self.outcomes

    def record(self, name, function):
        start, failure = time.monotonic(), ''
        try:
            with time_limit(getattr(self.module, 'TEST_SEC', TEST_SEC)):
                function()
        except Exception:
            failure = traceback.format_exc()
        self.outcomes.append(Outcome(name, time.monotonic() - start, failure))

    def run_test(self, function):
        values, own, host, folder = {}, None, None, None
        try:
            for parameter in inspect.signature(function).parameters:
                if parameter == 'stack':
                    self.shared = self.shared or Stack(**getattr(self.module, 'STACK', {}))
                    values[parameter] = self.shared
                elif parameter == 'fresh':
                    values[parameter] = own = Stack()
                elif parameter in ('dom0', 'bare'):
                    values[parameter] = host = self.xen_host(parameter)
                elif parameter == 'folder':
                    values[parameter] = folder = Path(tempfile.mkdtemp(prefix='xapi-test-'))
            function(**values)
        except Exception as error:
            stack = own or (values.get('stack'))
            if stack:
                error.add_note('daemon logs:\n' + stack.tails())
            if host:
                error.add_note(host.collect(label(self.path, function.__name__)))
            raise
        finally:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
            for started in filter(None, (own, host)):
                faults = started.down()
                if faults and not sys.exc_info()[0]:
                    raise AssertionError(faults)

    def xen_host(self, parameter):
        from xen.box.host import Host           # needs what not every machine has
        return Host('installed' if parameter == 'dom0' else 'ready')

    def check_shared(self):
        faults = self.shared.down()
        assert not faults, faults


def run_file(path, pattern):
    return File(path, pattern).run()


def show(outcome):
    print(f'{"FAIL" if outcome.failure else "ok  "} {outcome.name} ({outcome.seconds:.1f} s)', flush=True)
    if outcome.failure:
        print('     ' + outcome.failure.rstrip().replace('\n', '\n     '), flush=True)


def run(paths, pattern, jobs, prefix=''):
    """-> the outcomes of every test of these files whose name has the pattern in it."""
    outcomes = []
    with concurrent.futures.ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run_file, path, pattern) for path in paths]):
            for outcome in future.result():
                outcome.name = prefix + outcome.name
                show(outcome)
                outcomes.append(outcome)
    return outcomes
