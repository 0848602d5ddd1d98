# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of xapi-try: up, demo, status, down; or, without a command, all of it."""
import argparse
import json
import os
import signal
import sys
from pathlib import Path

from .stack import DEFAULT_PORT, Folder, Problem, Programs, default_folder
from .supervisor import STOP_SEC, Supervisor, kill_leftovers, wait_for_end

EXIT_NOT_RUNNING = 3

EPILOG = """commands:
  up       start every daemon and stay, restarting what dies, until interrupted; with --detach return once
           everything serves, with `ready URL` as the last line
  demo     log in to the stack that is up, and make, start, follow, shut down and remove a VM
  status   say what is up; with --json as {"url", "socket", "user", "fingerprint", "certificate", "state",
           "serving", "supervisor", "daemons": {name: process id}}; exit status 3 when nothing is
  down     stop everything; the state stays, and `up` goes on from it
  (none)   up and demo; stay until interrupted, then down

Several run side by side, each with its own --state and --port."""


def arguments():
    parser = argparse.ArgumentParser(prog='xapi-try', description='Runs the XAPI toolstack on this machine with '
                                     'simulated VMs, on the loopback address: without Xen, systemd or root.',
                                     epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', nargs='?', choices=['up', 'demo', 'status', 'down'])
    parser.add_argument('--state', metavar='DIR', type=Path, default=default_folder(),
                        help='where everything is kept (default: %(default)s)')
    parser.add_argument('--port', metavar='N', type=int, default=DEFAULT_PORT,
                        help='for HTTPS, 0 for any free one (default: %(default)s)')
    parser.add_argument('--password', metavar='P', help="root's (default: that of last time, else a new one)")
    parser.add_argument('--vms', metavar='N', type=int, default=0,
                        help='halted VMs, each with two disks and an interface, that a new state begins with')
    parser.add_argument('--detach', action='store_true', help='with up: go to the background once everything serves')
    parser.add_argument('--json', action='store_true', help='with status: for programs')
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        parser.error('--port is from 0 to 65535')
    if options.vms < 0:
        parser.error('--vms is not negative')
    if options.password is not None and (not options.password or '\n' in options.password):
        parser.error('--password is one line, and not empty')
    return options


def describe(folder, status):
    return '\n'.join([
        f'URL          {status["url"]}',
        f'user         {status["user"]}',
        f'password     {folder.password.read_text().strip()}',
        f'certificate  SHA-256 {folder.fingerprint()}',
        f'socket       {status["socket"]}',
        f'logs         {folder.log}'])


def prepare(options):
    folder, programs = Folder(options.state), Programs()
    folder.make()
    lock = folder.take_lock()
    if not lock:
        raise Problem(f'{folder.path}: a stack is up in this state folder already')
    kill_leftovers(folder)
    folder.set_password(options.password)
    return folder, programs, lock


def supervise(options, folder, programs, lock, on_ready):
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    Supervisor(folder, programs, options.port, options.vms, on_ready).run()


def up(options, folder, programs, lock):
    supervise(options, folder, programs, lock,
              lambda supervisor: print(describe(folder, supervisor.status()), flush=True))
    return 0


def up_detached(options, folder, programs, lock):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        become_background(folder)
        answer = os.fdopen(writer, 'w')

        def on_ready(supervisor):
            answer.write(json.dumps(supervisor.status()))
            answer.close()
        try:
            supervise(options, folder, programs, lock, on_ready)
        except Problem as problem:
            answer.write(json.dumps({'problem': str(problem)}))
            answer.close()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        status = json.loads(answer.read() or '{"problem": "the supervisor ended before the stack was up"}')
    if 'problem' in status:
        raise Problem(status['problem'])
    print(describe(folder, status))
    print(f'ready {status["url"]}', flush=True)
    return 0


def become_background(folder):
    """Of no terminal, with nothing open of whoever called but the log."""
    os.setsid()
    log = os.open(folder.log / 'supervisor.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir('/')


def everything(options):
    folder, programs, lock = prepare(options)
    codes = []

    def on_ready(supervisor):
        print(describe(folder, supervisor.status()), flush=True)
        # In a process of its own: this one goes on watching the daemons.
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os._exit(demo(folder))
        pidfd = os.pidfd_open(pid)

        def demo_ended():
            supervisor.forget(pidfd)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            if codes[0] == 0:
                print('\nEverything stays up until interrupted (Ctrl-C).', flush=True)
            else:
                supervisor.stopping = True
        supervisor.watch(pidfd, demo_ended)
    supervise(options, folder, programs, lock, on_ready)
    return 0 if codes == [0] else 1


def demo(folder):
    from .demo import run       # only here: TLS and XML take longer to load than all the rest
    status = folder.read_status()
    if not status or not status['serving']:
        raise Problem(f'{folder.path}: nothing is up here')
    return run(status, folder.password.read_text().strip())


def show_status(folder, as_json):
    status = folder.read_status()
    if as_json:
        if status and status['serving']:
            status['fingerprint'] = folder.fingerprint()
        print(json.dumps(status or {'serving': False, 'daemons': {}}, indent=2))
    elif status and not status['serving']:
        print(f'{folder.path}: starting')
    elif status:
        print(describe(folder, status))
        print('daemons      ' + ', '.join(f'{n} {p or "(restarting)"}' for n, p in status['daemons'].items()))
    else:
        print(f'{folder.path}: nothing is up here')
    return 0 if status else EXIT_NOT_RUNNING


def down(folder):
    """Also after the supervisor itself was killed."""
    pid = folder.supervisor()
    if pid:
        try:
            pidfd = os.pidfd_open(pid)
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            if not wait_for_end(pidfd, 2 * STOP_SEC):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass                        # it ended meanwhile
    if folder.path.exists():
        kill_leftovers(folder)
    folder.status.unlink(missing_ok=True)
    return 0


def main():
    options = arguments()
    try:
        if options.command == 'up':
            prepared = prepare(options)
            return up_detached(options, *prepared) if options.detach else up(options, *prepared)
        if options.command is None:
            return everything(options)
        folder = Folder(options.state)
        if options.command == 'demo':
            return demo(folder)
        if options.command == 'status':
            return show_status(folder, options.json)
        return down(folder)
    except Problem as problem:
        print(f'xapi-try: {problem}', file=sys.stderr)
        return 1
