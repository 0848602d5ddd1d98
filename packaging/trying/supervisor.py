# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts the daemons, and starts each again that dies, until told to stop."""
import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time

from .stack import ADDRESS, DAEMONS, MARK, USER, Problem, free_port

STOP_SEC = 10           # after SIGTERM, before SIGKILL
START_SEC = 120         # for all daemons to say that they serve
FAILURES_MAX = 3        # deaths of one daemon in a row, until starting the stack is given up
LIVED_SEC = 0.1         # a process that was up for less has failed
BACKOFF_MAX_SEC = 1
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def leftovers(folder):
    """The processes that belong to the stack in this folder, whoever started them."""
    mark = os.fsencode(f'{MARK}={folder.path}')
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/environ', 'rb') as file:
                if mark in file.read().split(b'\0'):
                    found.append(int(pid))
        except OSError:
            continue
    return found


def kill_leftovers(folder):
    while pids := leftovers(folder):
        for pid in pids:
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            wait_for_end(pidfd, STOP_SEC)
            os.close(pidfd)


def wait_for_end(pidfd, seconds):
    """-> whether the process ended in time."""
    with selectors.DefaultSelector() as selector:
        selector.register(pidfd, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def say(text):
    """For people; nothing depends on it, so a full disk or a closed terminal is no reason to stop."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def ending(code):
    return f'was killed by {signal.Signals(-code).name}' if code < 0 else f'ended with status {code}'


class Daemon:
    def __init__(self, name):
        self.name = name
        self.process = self.pidfd = self.ready_fd = None
        self.ready = False          # this process
        self.failures = 0           # processes in a row that failed
        self.start_at = 0           # when this process was started, or the next is to be, monotonic

    def start(self, argv, environment, log_path):
        reader, writer = os.pipe()
        with open(log_path, 'ab') as log:
            self.process = subprocess.Popen(
                [*argv, '--ready-fd', str(writer)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/',
                env=environment, pass_fds=(writer,), preexec_fn=die_with_parent, start_new_session=True)
        os.close(writer)
        self.pidfd, self.ready_fd, self.ready = os.pidfd_open(self.process.pid), reader, False
        self.start_at = time.monotonic()

    def end(self):
        """The next is started at once after a death in service; later and later when none comes to serve."""
        now = time.monotonic()
        served = self.ready and now - self.start_at > LIVED_SEC
        self.failures = 0 if served else self.failures + 1
        self.start_at = now + (0 if self.failures <= 1 else min(0.05 * 2 ** self.failures, BACKOFF_MAX_SEC))
        self.process, self.ready = None, False


class Supervisor:
    def __init__(self, folder, programs, port, vms, on_ready):
        self.folder, self.programs = folder, programs
        self.port = port                # 0 until xapi-core serves on a free one
        self.vms = vms                  # xapi-core puts them into a new store only
        self.on_ready = on_ready        # called once, with this, when every daemon serves
        self.daemons = [Daemon(name) for name in DAEMONS]
        self.selector = selectors.DefaultSelector()
        self.stopping = self.serving = False
        environment = {k: v for k, v in os.environ.items()
                       if k not in ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_PID',
                                    'JOURNAL_STREAM')}
        self.environment = {**environment, MARK: str(folder.path)}

    def run(self):
        """Until a signal says stop; raises Problem when the stack does not come up."""
        self.watch_signals()
        deadline = time.monotonic() + START_SEC
        try:
            while not self.stopping:
                self.start_due()
                self.dispatch(self.timeout(deadline))
                if not self.serving and time.monotonic() > deadline:
                    late = ', '.join(d.name for d in self.daemons if not d.ready)
                    raise Problem(f'not ready after {START_SEC} s: {late}')
        finally:
            self.stop()

    def watch_signals(self):
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:       # nohup
                signal.signal(number, lambda *_: setattr(self, 'stopping', True))
        self.watch(reader, lambda: os.read(reader, 64))

    def watch(self, fd, function):
        """Calls the function whenever there is something to read."""
        self.selector.register(fd, selectors.EVENT_READ, function)

    def forget(self, fd):
        self.selector.unregister(fd)
        os.close(fd)

    def waiting(self):
        """The daemons to be started. They reconnect when the switch comes back, but find it at once when it is first."""
        switch = self.daemons[0]
        startable = self.daemons if switch.ready or self.serving else [switch]
        return [d for d in startable if d.process is None]

    def start_due(self):
        now = time.monotonic()
        for daemon in self.waiting():
            if daemon.start_at <= now:
                self.start(daemon)

    def start(self, daemon):
        port = self.port or (free_port() if daemon.name == 'xapi-core' else 0)
        daemon.port = port
        daemon.start(self.programs.argv(daemon.name, self.folder, port, self.vms), self.environment,
                     self.folder.log / f'{daemon.name}.log')
        self.watch(daemon.pidfd, lambda: self.ended(daemon))
        self.watch(daemon.ready_fd, lambda: self.said(daemon))
        self.write_status()

    def timeout(self, deadline):
        due = [d.start_at for d in self.waiting()]
        if not self.serving:
            due.append(deadline)
        return max(0, min(due) - time.monotonic()) if due else None

    def dispatch(self, timeout):
        for key, _ in self.selector.select(timeout):
            if key.fd in self.selector.get_map():       # not closed by a handler before
                key.data()

    def said(self, daemon):
        daemon.ready = os.read(daemon.ready_fd, 1) != b''
        self.forget(daemon.ready_fd)
        daemon.ready_fd = None
        if not daemon.ready:
            return                      # its end is about to be seen
        if daemon.name == 'xapi-core':
            self.port = daemon.port
        if not self.serving and all(d.ready for d in self.daemons):
            self.serving = True
            self.write_status()
            self.on_ready(self)

    def ended(self, daemon):
        code = daemon.process.wait()
        self.forget(daemon.pidfd)
        if daemon.ready_fd is not None:
            self.forget(daemon.ready_fd)
            daemon.ready_fd = None
        say(f'{daemon.name} (pid {daemon.process.pid}) {ending(code)}; starting it again')
        daemon.end()
        self.write_status()
        if not self.serving and daemon.failures >= FAILURES_MAX:
            raise Problem(f'{daemon.name} does not start, it {ending(code)}:\n{self.folder.log_tail(daemon.name)}')

    def status(self):
        return {'url': f'https://{ADDRESS}:{self.port}' if self.port else None,
                'socket': str(self.folder.socket), 'user': USER,
                'certificate': str(self.folder.certificate), 'state': str(self.folder.path),
                'serving': self.serving, 'supervisor': os.getpid(),
                'daemons': {d.name: d.process.pid if d.process else None for d in self.daemons}}

    def write_status(self):
        try:
            self.folder.write(self.folder.status, json.dumps(self.status()) + '\n')
        except OSError as error:
            say(f'{self.folder.status}: {error.strerror}')      # the next change may find room

    def stop(self):
        """The switch last: the others may have something to say to each other."""
        self.stop_daemons(self.daemons[1:])
        self.stop_daemons(self.daemons[:1])
        kill_leftovers(self.folder)
        self.folder.status.unlink(missing_ok=True)

    def stop_daemons(self, daemons):
        running = [d for d in daemons if d.process]
        for daemon in running:
            daemon.process.terminate()
        deadline = time.monotonic() + STOP_SEC
        for daemon in running:
            if not wait_for_end(daemon.pidfd, max(0, deadline - time.monotonic())):
                say(f'{daemon.name} (pid {daemon.process.pid}) does not end; killing it')
                daemon.process.kill()
            daemon.process.wait()
