#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stands when networkd is started again: after it was killed, on a damaged record, after a boot."""
import os
import resource
import subprocess

from test_fixture import NETWORKD, Kernel, Simulated, ip, links, main, ports, told


class Common:
    """What both back ends do alike, seen through networkd."""

    def test_killed_at_each_step(self):
        def destroyed():
            self.call('Bridge.destroy', name='xapi0', force=False)

        def create():
            self.call('Bridge.make_config', conservative=False, config={'xapi0': {
                'ports': {'eth0': {'interfaces': ['eth0']}}, 'persistent_b': True}})
            self.call('Interface.make_config', conservative=False, config={'xapi0': {
                'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254'}})

        def is_there():
            self.assertEqual(self.call('Bridge.get_interfaces', name='xapi0'), ['eth0'])
            self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [['10.9.0.1', 24]])
            self.assertEqual(self.call('Interface.get_ipv4_gateway', name='xapi0'), ['10.9.0.254'])

        def is_gone():
            self.assertEqual(self.call('Bridge.get_all'), [])
            self.restart()
            self.assertEqual(self.call('Bridge.get_all'), [])

        def change():
            self.call('Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [['10.9.0.2', 24]]])

        def is_changed():
            self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [['10.9.0.2', 24]])
        self.steps(create, destroyed, is_there)
        self.steps(destroyed, create, is_gone)
        self.steps(change, create, is_changed)
        destroyed()

    def test_record(self):
        """Damaged, it is not taken for empty; on a full disk nothing is done that could not be written down."""
        self.call('Bridge.create', name='xapi0')
        self.call('Bridge.add_port', bridge='xapi0', name='eth0', interfaces=['eth0'])
        self.call('Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [['10.9.0.1', 24]]])
        path = os.path.join(self.state, 'network.json')
        with open(path) as file:
            text = file.read()
        self.kill()
        for bad in ('', '{', '[]', '{"version": 2, "bridges": {}, "interfaces": {}}', text.replace('"version": 1', '"version": 0'),
                    text.replace('"xapi0": {', '"xapi0": 7, "xapi1": {')):
            with open(path, 'w') as file:
                file.write(bad)
            done = subprocess.run([NETWORKD, '--config', self.config, '--state', self.state, '--runtime',
                                   os.path.join(self.folder, 'run')], stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, bad)
            self.assertIn('network.json', done.stderr)
        with open(path, 'w') as file:
            file.write(text)
        self.start()
        resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (4, resource.RLIM_INFINITY))
        self.fails('Write_error', 'Bridge.create', name='xapi1')
        self.fails('Write_error', 'Bridge.destroy', name='xapi0', force=False)
        self.fails('error', 'Bridge.remove_port', bridge='xapi0', name='eth0')
        self.fails('Write_error', 'Interface.set_ipv4_conf', name='xapi0', conf='None4')
        self.assertEqual(self.call('Bridge.get_all'), ['xapi0'])
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi0'), ['eth0'])
        self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [['10.9.0.1', 24]])
        resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.call('Bridge.destroy', name='xapi0', force=False)

    def test_what_is_kept(self):
        """After a boot, which takes the runtime folder and the interfaces, what is persistent is made again."""
        config = {'xapi0': {'persistent_b': True}, 'xapi1': {}}
        self.call('Bridge.make_config', conservative=False, config=config)
        self.call('Interface.make_config', conservative=False, config={
            'xapi0': {'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'persistent_i': True},
            'xapi1': {'ipv4_conf': ['Static4', [['10.9.1.1', 24]]]}})
        self.kill()
        self.boot()
        self.start()
        self.assertEqual(self.call('Bridge.get_all'), ['xapi0'])
        self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [['10.9.0.1', 24]])
        self.call('Bridge.set_persistent', name='xapi0', value=False)
        self.kill()
        self.boot()
        self.start()
        self.assertEqual(self.call('Bridge.get_all'), [])

    def test_clear_and_sync(self):
        self.call('Bridge.create', name='xapi0')
        self.call('clear_state')
        self.call('Bridge.create', name='xapi1')
        self.restart()
        self.assertEqual(self.call('Bridge.get_all'), ['xapi0'])
        self.call('clear_state')
        self.call('Bridge.create', name='xapi2')
        self.call('sync_state')
        self.restart()
        self.assertEqual(self.call('Bridge.get_all'), ['xapi2'])
        self.call('Bridge.destroy', name='xapi2', force=False)


class OfSimulator(Common, Simulated):
    def test_killed_between_several(self):
        """All that was asked for at once is there, or none of it is."""
        def old():
            for n in (0, 1):
                self.call('Bridge.destroy', name=f'xapi{n}', force=False)

        def create():
            self.call('Bridge.make_config', conservative=False, config={
                f'xapi{n}': {'ports': {f'eth{n}': {'interfaces': [f'eth{n}']}}} for n in (0, 1)})
            self.call('Interface.make_config', conservative=False, config={
                f'xapi{n}': {'ipv4_conf': ['Static4', [[f'10.9.{n}.1', 24]]]} for n in (0, 1)})

        def there():
            return [(self.call('Bridge.get_interfaces', name=name), self.call('Interface.get_ipv4_addr', name=name))
                    for name in self.call('Bridge.get_all')]

        def is_whole():
            self.assertIn(there(), ([], [(['eth0'], []), (['eth1'], [])], made))

        def is_there():
            self.assertEqual(there(), made)
        made = [([f'eth{n}'], [[f'10.9.{n}.1', 24]]) for n in (0, 1)]
        self.steps(create, old, is_there, is_whole, whens=('after',))
        old()


class OfKernel(Common, Kernel):
    def test_restart_changes_nothing(self):
        """Nothing is done to what is as it should be: the kernel tells of no change."""
        self.call('Bridge.make_config', conservative=False,
                  config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}, 'igmp_snooping': True}})
        self.call('Interface.make_config', conservative=False, config={'xapi0': {
            'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254'}})
        ip('link', 'set', 'far1', 'master', 'xapi0')
        self.eventually(lambda: (links()['eth0']['operstate'], links()['xapi0']['operstate']) == ('LOWERLAYERDOWN', 'DOWN'))
        known = {told(line) for line in subprocess.check_output(['ip', '-o', 'link'], text=True).splitlines()}
        told_of = os.path.join(self.folder, 'told')
        with open(told_of, 'w') as file:
            monitor = subprocess.Popen(['ip', 'monitor', 'link', 'address', 'route'], stdout=file)

        def seen():
            with open(told_of) as file:
                return file.read().splitlines()

        def listens():
            ip('address', 'add', marks[0], 'dev', 'lo')
            ip('address', 'delete', marks[0], 'dev', 'lo')
            return any('10.99.0.1' in line for line in seen())

        marks = ['10.99.0.1/32', '10.99.0.2/32']
        try:
            self.eventually(listens)
            before = len(seen())
            for _ in range(3):
                self.restart()
            ip('address', 'add', marks[1], 'dev', 'lo')
            self.eventually(lambda: any('10.99.0.2' in line for line in seen()))
        finally:
            monitor.kill()
            monitor.wait()
        ip('address', 'delete', marks[1], 'dev', 'lo')
        # The kernel repeats the state of a link up to seconds after it changed: that is no change.
        self.assertEqual([line for line in seen()[before:] if ('xapi0' in line or 'eth0' in line or 'default' in line)
                          and told(line) not in known], [])
        self.assertEqual(ports('xapi0'), ['eth0', 'far1'])


if __name__ == '__main__':
    main()
