# SPDX-License-Identifier: LGPL-2.1-or-later
"""A storage plugin that hangs, crashes, prints nonsense or lies harms the call in which it does, and nothing else."""
import json
import os
import signal
import threading

from harness.client import XapiError, eventually
from harness.stack import Stack, build_folder

MIB = 1 << 20
QUERY = {'plugin': 'bad', 'name': 'Bad', 'version': '1', 'features': ['SR_ATTACH', 'SR_DETACH', 'SR_CREATE', 'VDI_CREATE',
                                                                      'VDI_DESTROY', 'VDI_RESIZE', 'VDI_SNAPSHOT']}
SR = {'sr': 'handle', 'free_space': 1 << 30, 'total_space': 1 << 31}
METHODS = ('Plugin.Query', 'SR.create', 'SR.attach', 'SR.detach', 'SR.stat', 'SR.ls', 'SR.probe', 'Volume.create',
           'Volume.destroy', 'Volume.stat', 'Volume.snapshot', 'Volume.set_name', 'Volume.set_description', 'Volume.set')


def volume(key='v', size=MIB, **more):
    return {'key': key, 'read_write': True, 'virtual_size': size, 'physical_utilisation': 0, 'uri': ['file:///none'], **more}


class Plugin:
    """The type `bad`, which says what it is told to say."""

    def __init__(self, folder):
        self.answers = folder / 'answers'
        self.answers.mkdir(parents=True)
        plugins = folder / 'plugins'
        real = build_folder() / 'sm-daemon/storage'
        for part in ('volume/org.xen.xapi.storage.dir', 'datapath/file'):
            (plugins / part).parent.mkdir(parents=True, exist_ok=True)
            (plugins / part).symlink_to(real / part)
        own = plugins / 'volume/org.xen.xapi.storage.bad'
        own.mkdir()
        for method in METHODS:
            (own / method).write_text(f'#!/bin/sh\n. {self.answers}/{method}\n')
            (own / method).chmod(0o755)
        self.folder = plugins
        self.behave()

    def behave(self):
        for method in METHODS:
            self.say(method, None)
        self.say('Plugin.Query', QUERY)
        self.say('SR.create', {})
        self.say('SR.attach', 'handle')
        self.say('SR.stat', SR)
        self.say('SR.ls', [volume()])
        self.say('SR.probe', [])
        self.say('Volume.create', volume('w'))
        self.say('Volume.stat', volume())
        self.say('Volume.snapshot', volume('s'))

    def say(self, method, answer):
        self.do(method, f"cat <<'.'\n{answer if isinstance(answer, Raw) else json.dumps(answer)}\n.")

    def do(self, method, script):
        fresh = self.answers / f'{method}.new'
        fresh.write_text(script + '\n')
        fresh.rename(self.answers / method)


class Raw(str):
    """Printed as it is."""


def fails(call, *args):
    try:
        result = call(*args)
    except XapiError as error:
        assert error.code.startswith('SR_BACKEND_FAILURE') or error.code == 'VDI_TOO_SMALL', error
        return error
    raise AssertionError(f'{args} gave {result}')


def make_stack(folder):
    plugin = Plugin(folder)
    return plugin, Stack(settings={'sm-daemon': {'plugins': str(plugin.folder)}})


def make_repository(xapi, kind, location):
    host, = xapi.call('host.get_all')
    return xapi.call('SR.create', host, {'location': location}, 0, kind, '', kind, 'user', False, {})


def make_disk(xapi, sr, size=MIB):
    return xapi.call('VDI.create', {'name_label': 'disk', 'SR': sr, 'virtual_size': size, 'type': 'user', 'sharable': False,
                                    'read_only': False, 'other_config': {}})


LISTS = (
    Raw('['), Raw(''), 5, [5], [volume(size=-1)], [volume(size=1 << 62)], [volume(physical_utilisation=-1)],
    Raw(json.dumps([volume(size=0)]).replace(' 0', ' 9223372036854775808', 1)),
    Raw(json.dumps([volume(size=0)]).replace(' 0', ' 1e30', 1)), Raw('[{"key": "v", "key": "w"}]'),
    [volume(), volume()], [volume(uuid='1' * 8 + '-1111-4111-8111-' + '1' * 12), volume('x', uuid='1' * 8 + '-1111-4111-8111-' + '1' * 12)],
    [volume(uuid='no uuid')], [volume('')], [volume('k' * 5000)], Raw('[' * 100000), {'code': 'x'},
)
SIZES = (dict(SR, free_space=-1), dict(SR, total_space=-1), dict(SR, free_space=1 << 40), dict(SR, total_space='much'), Raw('nonsense'))


def test_lies(folder):
    plugin, stack = make_stack(folder)
    try:
        xapi = stack.json()
        good, bad = make_repository(xapi, 'dir', str(stack.folder / 'good')), make_repository(xapi, 'bad', '/')
        xapi.call('SR.scan', bad)
        vdi, = xapi.call('SR.get_VDIs', bad)
        before = xapi.call('VDI.get_record', vdi)
        for answer in LISTS:
            plugin.say('SR.ls', answer)
            fails(xapi.call, 'SR.scan', bad)
            assert xapi.call('SR.get_VDIs', bad) == [vdi] and xapi.call('VDI.get_record', vdi) == before, answer
        plugin.behave()
        for answer in (volume(size=-1), volume(size=1 << 62), volume('other'), volume(uuid='x'), None, Raw('x')):
            plugin.say('Volume.stat', answer)
            fails(xapi.call, 'VDI.update', vdi)
            assert xapi.call('VDI.get_record', vdi) == before, answer
        plugin.behave()
        # Less than was asked for, or nothing that can be.
        for answer in (volume('w', size=MIB - 1), volume('w', size=-1), volume('w', size=1 << 60), volume(''), Raw('')):
            plugin.say('Volume.create', answer)
            fails(make_disk, xapi, bad)
            plugin.say('Volume.snapshot', answer)
            if not isinstance(answer, dict) or answer['virtual_size'] != MIB - 1:
                fails(xapi.call, 'VDI.snapshot', vdi)
            assert xapi.call('SR.get_VDIs', bad) == [vdi] and xapi.call('SR.get_current_operations', bad) == {}
        sizes = [xapi.call('SR.get_physical_size', bad), xapi.call('SR.get_physical_utilisation', bad)]
        plugin.behave()
        for answer in SIZES:
            plugin.say('SR.stat', answer)
            xapi.call('SR.update', bad)
            assert [xapi.call('SR.get_physical_size', bad), xapi.call('SR.get_physical_utilisation', bad)] == sizes
        plugin.behave()
        xapi.call('SR.scan', bad)
        xapi.call('VDI.destroy', make_disk(xapi, good))
    finally:
        assert not (text := stack.down()), text


def test_misbehaviour(folder):
    plugin, stack = make_stack(folder)
    pid_file = folder / 'pid'
    try:
        xapi = stack.json()
        good, bad = make_repository(xapi, 'dir', str(stack.folder / 'good')), make_repository(xapi, 'bad', '/')
        daemon = stack.pid('sm-daemon')
        for script in ('exit 1', 'kill -9 $$', 'kill -SEGV $$', 'cat /dev/zero', 'cat /dev/zero >&2 & cat /dev/urandom',
                       'yes', 'exec cat /dev/zero', 'echo "[]"; exit 3', 'exec >&-; exit 0', ': > /dev/full; exit 9'):
            plugin.do('SR.ls', script)
            fails(xapi.call, 'SR.scan', bad)
            xapi.call('VDI.destroy', make_disk(xapi, good))
        # Those that never end hold nobody up who does not need them.
        plugin.do('SR.ls', f'echo $$ >> {pid_file}; exec sleep 1000')
        errors = []
        waiting = [threading.Thread(target=lambda: errors.append(fails(stack.json().call, 'SR.scan', bad))) for _ in range(8)]
        for thread in waiting:
            thread.start()
        eventually(lambda: pid_file.exists() and len(pid_file.read_text().split()) == len(waiting))
        xapi.call('VDI.destroy', make_disk(xapi, good))
        for pid in pid_file.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        for thread in waiting:
            thread.join()
        assert len(errors) == len(waiting)
        plugin.behave()
        xapi.call('SR.scan', bad)
        assert stack.pid('sm-daemon') == daemon
    finally:
        assert not (text := stack.down()), text
