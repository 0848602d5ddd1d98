# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stack of the tests': packaging/try in a folder of its own."""
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .client import JsonTransport, Xapi, XmlTransport, eventually

SOURCE = Path(__file__).resolve().parent.parent.parent
XAPI_TRY = SOURCE / 'packaging/xapi-try'
PASSWORD = 'tests'
UP_SEC = 180
REPORT = re.compile(r'(ERROR|WARNING): (Address|Thread|Leak|Memory)Sanitizer|runtime error:|Assertion .* failed|'
                    'Valgrind report')
DEATH = re.compile(r'^(\S+) \(pid (\d+)\) (was killed|ended)', re.M)


def build_folder():
    return Path(os.environ.get('XAPI_BUILD') or SOURCE / 'build')


def hash_password(password):
    crypt = ctypes.CDLL('libcrypt.so.1').crypt
    crypt.restype = ctypes.c_char_p
    return crypt(password.encode(), b'$6$tests').decode()


def xapi_try(*arguments, check=True, timeout=UP_SEC, **options):
    done = subprocess.run([str(XAPI_TRY), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, **options)
    assert not check or done.returncode == 0, f'xapi-try {arguments}: status {done.returncode}\n{done.stdout}'
    return done


class Stack:
    """Up from the moment that it is made. `users` maps further user names to (password, role); `folder` is one that is
    there, with what the test has mounted in it, and stays."""

    def __init__(self, vms=0, users=None, settings=None, folder=None):
        self.folder, self.is_own = Path(folder or tempfile.mkdtemp(prefix='xapi-test-')), not folder
        self.expected_deaths = set()
        self.opened = []
        self.set_users({'root': (PASSWORD, 'pool-admin'), **(users or {})})
        for daemon, lines in (settings or {}).items():
            lines = {'backend': 'simulator', **lines} if daemon in ('networkd', 'squeezed', 'xenopsd') else lines
            (self.folder / f'{daemon}.conf').write_text('[daemon]\n' + ''.join(f'{k}={v}\n' for k, v in lines.items()))
        self.up('--vms', vms)

    def set_users(self, users):
        (self.folder / 'password').write_text(PASSWORD + '\n')
        (self.folder / 'users').write_text(''.join(f'{name}:{hash_password(password)}:{role}\n'
                                                   for name, (password, role) in users.items()))

    def up(self, *more):
        done = xapi_try('up', '--detach', '--port', 0, '--state', self.folder, *more)
        last = done.stdout.splitlines()[-1]
        assert last.startswith('ready https://'), done.stdout
        self.url = last.removeprefix('ready ')
        self.socket = self.folder / 'xapi'
        self.certificate = self.folder / 'certificate.pem'

    def status(self):
        return json.loads(xapi_try('status', '--json', '--state', self.folder, check=False).stdout)

    def pid(self, daemon):
        """Read from the supervisor's file: cheaper than the command, for tests that look often."""
        return json.loads((self.folder / 'status.json').read_text())['daemons'][daemon]

    def kill(self, daemon, number=signal.SIGKILL):
        """-> once another process is in its place."""
        pid = eventually(lambda: self.pid(daemon))
        self.expected_deaths.add(str(pid))
        os.kill(pid, number)
        eventually(lambda: self.pid(daemon) not in (None, pid))

    def json(self, target=None, user='root', password=PASSWORD, **options):
        return self.login(JsonTransport(target or self.url, **options), user, password)

    def xml(self, target=None, user='root', password=PASSWORD, **options):
        return self.login(XmlTransport(target or self.url, **options), user, password)

    def login(self, transport, user, password):
        self.opened.append(transport)
        return Xapi(transport, user, password)

    def xenops_cli(self, *arguments):
        """-> what it prints."""
        return subprocess.run([build_folder() / 'xenopsd/xenops-cli', '--switch-path', self.folder / 'run/switch',
                               *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, timeout=60).stdout

    def log(self, daemon):
        path = self.folder / 'log' / f'{daemon}.log'
        return path.read_text(errors='replace') if path.exists() else ''

    def tails(self, lines=25):
        """The ends of all logs, for whoever reads about a failure."""
        return '\n'.join(f'--- {path.name}\n' + '\n'.join(path.read_text(errors='replace').splitlines()[-lines:])
                         for path in sorted((self.folder / 'log').glob('*.log')))

    def down(self):
        """Stops it -> what must not have happened meanwhile, as text; empty if all is well."""
        for transport in self.opened:
            transport.close()
        xapi_try('down', '--state', self.folder)
        faults = [f'{name} (pid {pid}) died' for name, pid, _ in DEATH.findall(self.log('supervisor'))
                  if pid not in self.expected_deaths]
        for path in sorted((self.folder / 'log').glob('*.log')):
            text = path.read_text(errors='replace')
            found = REPORT.search(text)
            if found:
                faults.append(f'{path.name}: {text[found.start():found.start() + 4000]}')
        if faults:
            faults.append(self.tails())
        if self.is_own:
            shutil.rmtree(self.folder)
        return '\n'.join(faults)
