# SPDX-License-Identifier: LGPL-2.1-or-later
"""What belongs to one stack: its folder, its settings, its daemons and how each is started."""
import base64
import ctypes
import fcntl
import hashlib
import json
import os
import random
import socket
from pathlib import Path

# Where each daemon is in a build folder; installed, all are in libexec/xapi. The switch comes first.
DAEMONS = {
    'message-switch': 'message-switch/message-switch',
    'xapi-helper': 'xapi-core/helper/xapi-helper',
    'xenopsd': 'xenopsd/xenopsd',
    'squeezed': 'squeezed/squeezed',
    'networkd': 'networkd/networkd',
    'sm-daemon': 'sm-daemon/sm-daemon',
    'rrdd': 'rrdd/rrdd',
    'xapi-core': 'xapi-core/xapi-core',
}
USER = 'root'
ADDRESS = '127.0.0.1'
DEFAULT_PORT = 8443
# Below the range from which the kernel takes ports for outgoing connections: there, a client that connects while
# xapi-core is being restarted could be given the very port that it connects to.
FREE_PORTS = range(10000, 32768)
# A socket's address has 107 bytes, and ours add up to 20 to the folder's path.
FOLDER_BYTES_MAX = 87
# Set in the environment of every daemon, so that what one left behind can be found.
MARK = 'XAPI_TRY_STATE'
# Trying changes nothing of the host, whatever it is.
SIMULATED = {name: 'backend=simulator\n' for name in ('networkd', 'squeezed', 'xenopsd')}


class Problem(Exception):
    """Something that the user can mend; the text says what."""


def default_folder():
    return Path(os.environ.get('XDG_STATE_HOME') or Path.home() / '.local/state') / 'xapi-try'


def free_port():
    for port in random.sample(FREE_PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
                return port
            except OSError:
                continue
    raise Problem('no free port found')


def hash_password(password):
    """As crypt(3) has it, SHA-512; Python's own module for it is on its way out."""
    crypt = ctypes.CDLL('libcrypt.so.1').crypt
    crypt.restype = ctypes.c_char_p
    salt = '$6$' + os.urandom(8).hex()
    return crypt(password.encode(), salt.encode()).decode()


class Folder:
    """A stack's folder, and everything in it that has a name."""

    def __init__(self, path):
        self.path = Path(os.path.abspath(path))
        if len(os.fsencode(self.path)) > FOLDER_BYTES_MAX:
            raise Problem(f'{self.path}: the path of the state folder may have {FOLDER_BYTES_MAX} bytes at most, '
                          'for the sockets in it')
        self.socket = self.path / 'xapi'
        self.certificate = self.path / 'certificate.pem'
        self.users = self.path / 'users'            # what xapi-core checks: user:hash:role
        self.password = self.path / 'password'      # what a person types
        self.runtime = self.path / 'run'
        self.switch = self.runtime / 'switch'
        self.log = self.path / 'log'
        self.lock = self.path / 'lock'              # held by the supervisor as long as it lives; names its pid
        self.status = self.path / 'status.json'     # written by the supervisor

    def make(self):
        for path in (self.path, self.log, self.runtime):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in DAEMONS:
            if not self.config(name).exists():      # else it is the user's
                self.write(self.config(name), '[daemon]\n' + SIMULATED.get(name, ''))

    def config(self, daemon):
        return self.path / f'{daemon}.conf'

    def write(self, path, text):
        """Whole or not at all, and for its owner only."""
        fresh = path.with_suffix('.new')
        fresh.touch(mode=0o600)
        fresh.write_text(text)
        fresh.rename(path)

    def take_lock(self):
        """-> the locked file, or None when a supervisor has it."""
        file = open(self.lock, 'a+')
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            file.close()
            return None

    def supervisor(self):
        """-> the supervisor's process id, or None when there is none."""
        if not self.lock.exists():
            return None
        held = self.take_lock()
        if held:
            held.close()
            return None
        return int(self.lock.read_text() or 0) or None

    def read_status(self):
        if not self.supervisor():
            return None
        try:
            return json.loads(self.status.read_text())
        except FileNotFoundError:
            return None

    def fingerprint(self):
        """SHA-256 of the certificate, as browsers and openssl print it; it may have been replaced meanwhile."""
        body = self.certificate.read_text().partition('-----BEGIN CERTIFICATE-----')[2].partition('-----END')[0]
        digest = hashlib.sha256(base64.b64decode(body)).hexdigest().upper()
        return ':'.join(digest[i:i + 2] for i in range(0, len(digest), 2))

    def set_password(self, wanted):
        """The wanted one; else the one of last time; else a new one."""
        kept = self.password.read_text().strip() if self.password.exists() else None
        if kept and wanted in (None, kept) and self.users.exists():
            return
        password = wanted or kept or os.urandom(8).hex()
        self.write(self.password, password + '\n')
        self.write(self.users, f'{USER}:{hash_password(password)}:pool-admin\n')

    def log_tail(self, daemon, lines=15):
        try:
            return '\n'.join((self.log / f'{daemon}.log').read_text(errors='replace').splitlines()[-lines:])
        except FileNotFoundError:
            return ''


class Programs:
    """Where the daemons' executables are: in the build folder beside this source, or installed beside us."""

    def __init__(self):
        here = Path(__file__).resolve().parent.parent
        self.source = here.parent if (here.parent / 'meson.build').exists() else None
        if self.source:
            build = Path(os.environ.get('XAPI_BUILD') or self.source / 'build')
            self.paths = {name: build / path for name, path in DAEMONS.items()}
        else:
            self.paths = {name: here / name for name in DAEMONS}
        lost = [str(path) for path in self.paths.values() if not os.access(path, os.X_OK)]
        if lost:
            raise Problem('not built or not installed: ' + ', '.join(lost))

    def argv(self, name, folder, port, vms):
        argv = [str(self.paths[name]), '--config', str(folder.config(name)),
                '--state', str(folder.path / name), '--runtime', str(folder.runtime),
                '--switch-path', str(folder.switch)]
        if name == 'xapi-core':
            argv += ['--listen', ADDRESS, '--port', str(port), '--socket', str(folder.socket),
                     '--certificate', str(folder.certificate), '--password-file', str(folder.users)]
            argv += ['--seed-vms', str(vms)] if vms else []
        return argv
