# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test of tests/xen gets: a Xen host of its own, restored from a saved state."""
import re
import time

from harness.client import JsonTransport, Xapi
from harness.stack import PASSWORD

from . import states
from .machine import MachineError

UNITS = 'message-switch', 'networkd', 'rrdd', 'sm-daemon', 'squeezed', 'xapi-core', 'xapi-helper', 'xenopsd'
DISK_UNIT = 'xapi-disk-*'
HTTPS_PORT = 443
CALL_SEC = 300          # of a client: what takes a second elsewhere takes ten under emulation
JOURNAL_LINES = 60
PART_BYTES = 1 << 20
CRASH = re.compile(r'code=dumped|Assertion .* failed|status=\d+/(?:ABRT|SEGV|BUS|FPE|ILL)|watchdog timeout', re.I)
LOGS = {
    'journal': 'journalctl -b --no-pager -o short-precise',
    'xl-dmesg': 'xl dmesg',
    'xl-list': 'xl list -l',
    'xenstore': 'xenstore-ls -fp',
    'units': 'systemctl --no-pager --full status',
    'xen': 'tail -n +1 /var/log/xen/*.log /var/log/xen/console/*',
    'processes': 'ps axfww',
}


class Host:
    """The machine's `run` and `forward` are here, too."""

    def __init__(self, state):
        self.machine = states.named(state).restore()
        self.run, self.forward = self.machine.run, self.machine.forward
        self.transports, self.port = [], None

    def shell(self, script, **options):
        return self.run('sh', '-ec', script, **options)

    def put(self, path, data, mode='0644'):
        """Writes a file in dom0, in parts, for the agent's time grows with the square of a request's length."""
        self.machine.put(path, data[:PART_BYTES], mode)
        for at in range(PART_BYTES, len(data), PART_BYTES):
            self.run('sh', '-c', 'cat >> "$0"', path, data=data[at:at + PART_BYTES])

    @property
    def url(self):
        self.port = self.port or self.forward(HTTPS_PORT)
        return f'https://127.0.0.1:{self.port}'

    def login(self, user='root', password=PASSWORD):
        """-> a Xapi, over HTTPS."""
        self.transports.append(JsonTransport(self.url, timeout=2 * CALL_SEC))
        xapi = Xapi(self.transports[-1], user, password)
        xapi.event_sec = float(CALL_SEC)
        return xapi

    def is_active(self, unit):
        return self.run('systemctl', 'is-active', unit, check=False)[1].strip() == 'active'

    def pid(self, unit):
        return int(self.run('systemctl', 'show', '-P', 'MainPID', unit))

    def disk_server(self):
        """-> the process that serves the one disk in use; 0 while there is none."""
        return int(self.run('systemctl', 'show', '-P', 'MainPID', DISK_UNIT).strip() or 0)

    def kill_disk_server(self, *others):
        """It, and other processes at the same moment; until systemd has started another and given it the disk's device."""
        server = self.disk_server()
        self.run('kill', '-9', str(server), *map(str, others))
        self.eventually(lambda: self.disk_server() not in (0, server) and self.is_active(DISK_UNIT))

    def eventually(self, function, seconds=CALL_SEC):
        deadline = time.monotonic() + seconds
        while not (value := function()):
            assert time.monotonic() < deadline, f'still not so after {seconds} s'
        return value

    def collect(self, name):
        """Writes all logs to build-xen/logs/NAME -> the end of the journal, for whoever reads about a failure."""
        folder = states.BUILD / 'logs' / name.replace('/', '-')
        folder.mkdir(parents=True, exist_ok=True)
        for log, command in LOGS.items():
            try:
                (folder / log).write_text(self.run('sh', '-c', command, check=False)[1])
            except MachineError as error:
                (folder / log).write_text(str(error))
                break
        (folder / 'console').write_bytes(self.machine.console.read_bytes())
        journal = (folder / 'journal').read_text().splitlines()
        return f'logs are in {folder}; the end of the journal:\n' + '\n'.join(journal[-JOURNAL_LINES:])

    def crashes(self):
        """-> what the journal tells of programs that died of themselves."""
        journal = self.run('journalctl', '-b', '--no-pager', '-o', 'short-precise')
        return '\n'.join(line for line in journal.splitlines() if CRASH.search(line))

    def down(self):
        """Ends it -> what must not have happened meanwhile; empty if all is well."""
        for transport in self.transports:
            transport.close()
        try:
            return self.crashes()
        except MachineError as error:
            return str(error)
        finally:
            self.machine.stop()
