# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks as streams: export and import over HTTPS beside nginx with the same file and certificate, a copy from one
repository to another beside qemu-img. Servers on one processor, clients on the other."""
import os
import statistics
import subprocess
import time
import urllib.parse

from .nginx import Nginx
from .results import compare, rounds
from .tools import LOAD, SERVERS, cpu_seconds, pinned
from .xapi import Measured

MIB = 1 << 20
FULL_MIB, QUICK_MIB = 1024, 128
ROUNDS = 5
GOAL = 0.8
SPARSE_PART = 16        # one MiB of so many has data, where little does


def write_image(path, mib, every=1):
    with open(path, 'wb') as file:
        for at in range(0, mib, every):
            file.seek(at * MIB)
            file.write(os.urandom(MIB))
        file.truncate(mib * MIB)
    path.chmod(0o644)


def curl(*arguments):
    return pinned(LOAD, ['curl', '--silent', '--show-error', '--fail', '--insecure', '--output', '/dev/null', *arguments])


def ran(argv):
    """-> seconds, and those of its processor time."""
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f'{argv}: status {process.returncode}')
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime


class Sides:
    """Takes figures in MiB/s, and notes the servers' processor time a GiB."""

    def __init__(self, mib):
        self.mib, self.used = mib, {}

    def side(self, name, pids, work):
        def take():
            before = sum(map(cpu_seconds, pids))
            seconds, own = work()
            used = own if not pids else sum(map(cpu_seconds, pids)) - before
            self.used.setdefault(name, []).append(used / self.mib * 1024)
            return self.mib / seconds
        return take

    def note(self):
        return 'processor time a GiB: ' + ', '.join(
            f'{name} {statistics.median(values):.2f} s' for name, values in self.used.items())


class Disks:
    def __init__(self, measured):
        self.measured, self.api = measured, measured.api

    def repository(self, name, form='raw'):
        """Of plain images, or of such as have a server each while they are used."""
        host, = self.api.call('host.get_all')
        config = {'location': str(self.measured.folder / name)}
        if form != 'raw':
            config['preferred-image-formats'] = form
        return self.api.call('SR.create', host, config, 0, name, '', 'dir' if form == 'raw' else 'file', 'user', False, {})

    def make(self, sr, mib):
        return self.api.call('VDI.create', {'name_label': 'disk', 'SR': sr, 'virtual_size': mib * MIB, 'type': 'user',
                                            'sharable': False, 'read_only': False, 'other_config': {}})

    def image(self, vdi, form='raw'):
        found, = self.measured.folder.glob(f'**/{self.api.call("VDI.get_location", vdi)}.{form}')
        return found

    def url(self, path, vdi):
        return f'https://{self.measured.https}{path}?' + urllib.parse.urlencode(
            {'session_id': self.api.session, 'vdi': vdi})


def over_https(measured, nginx, mib, count):
    disks, file = Disks(measured), measured.folder / 'www/image'
    vdi = disks.make(disks.repository('bulk'), mib)
    write_image(file, mib)
    pid, worker = measured.stack.pid('xapi-core'), nginx.worker()
    down, up = Sides(mib), Sides(mib)
    ran(curl('--upload-file', file, disks.url('/import_raw_vdi', vdi)))     # so that there is something to export
    taken = rounds(count, {
        'xapi-core': down.side('xapi-core', [pid], lambda: ran(curl(disks.url('/export_raw_vdi', vdi)))),
        'nginx': down.side('nginx', [worker], lambda: ran(curl(f'https://{nginx.target}/image')))})
    rows = [compare(f'export, {mib} MiB, HTTPS', 'MiB/s', taken, 'xapi-core', 'nginx', GOAL, 1, note=down.note())]
    taken = rounds(count, {
        'xapi-core': up.side('xapi-core', [pid], lambda: ran(
            curl('--upload-file', file, disks.url('/import_raw_vdi', vdi)))),
        'nginx': up.side('nginx', [worker], lambda: ran(
            curl('--upload-file', file, f'https://{nginx.target}/put/image')))})
    rows.append(compare(f'import, {mib} MiB, HTTPS', 'MiB/s', taken, 'xapi-core', 'nginx', GOAL, 1,
                        note=up.note() + '; ours is on the disk when it ends, nginx\'s in the page cache'))
    return rows


def fill(measured, image, form, mib, every):
    if form == 'raw':
        write_image(image, mib, every)
        return
    plain = measured.folder / 'plain'
    write_image(plain, mib, every)
    ran(['qemu-img', 'convert', '-f', 'raw', '-O', form, plain, image])
    plain.unlink()


def copied(measured, mib, every, count, form, into):
    disks, sides = Disks(measured), Sides(mib)
    here = disks.repository(f'from-{form}-{into}-{every}', form)
    there = disks.repository(f'to-{form}-{into}-{every}', into)
    vdi = disks.make(here, mib)
    source, target = disks.image(vdi, form), measured.folder / 'copy'
    fill(measured, source, form, mib, every)
    pids = [measured.stack.pid(daemon) for daemon in ('xapi-core', 'sm-daemon')]

    def ours():
        start = time.monotonic()
        copy = disks.api.call('VDI.copy', vdi, there)
        seconds = time.monotonic() - start
        disks.api.call('VDI.destroy', copy)
        return seconds, 0

    def peer():
        # -t writeback: in the end it is on the disk, as ours is
        figures = ran(pinned(SERVERS, ['qemu-img', 'convert', '-f', form, '-O', into, '-t', 'writeback', source, target]))
        target.unlink()
        return figures
    taken = rounds(count, {'VDI.copy': sides.side('VDI.copy', pids, ours), 'qemu-img': sides.side('qemu-img', [], peer)})
    what = 'of data' if every == 1 else 'with little data'
    forms = form if form == into else f'{form} to {into}'
    return compare(f'VDI.copy, {mib} MiB {what}, {forms}, qemu-img convert', 'MiB/s', taken, 'VDI.copy', 'qemu-img', GOAL, 1, note=sides.note())


def measure(scale):
    quick = scale.rounds < ROUNDS
    mib, count = (QUICK_MIB, 2) if quick else (FULL_MIB, ROUNDS)
    with Measured() as measured:
        rows = over_https(measured, Nginx(measured, measured.stack.certificate), mib, count)
        for form, into in ('raw', 'raw'), ('qcow2', 'qcow2'), ('raw', 'qcow2'), ('qcow2', 'raw'):
            for every in (1, SPARSE_PART) if form == into else (1,):
                rows.append(copied(measured, mib, every, count, form, into))
    return rows, {}
