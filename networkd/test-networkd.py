#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""networkd and networkd-cli over a switch of the test's own, in a network namespace of the test's own.
Arguments: the switch, networkd, networkd-cli."""
import contextlib
import ipaddress
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SWITCH, NETWORKD, CLI = sys.argv[1:4]
INSIDE = 'TEST_NETWORKD_INSIDE'
STEPS_MAX = 40
NAMES = ['', '.', '..', 'a/b', 'a b', 'a:b', 'a%d', 'sixteen-letters-', 'xa\u00e9', 'x\n']


def ip(*words):
    done = subprocess.run(['ip', '-j', *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else []


def addresses(name, family='inet'):
    return sorted(f'{a["local"]}/{a["prefixlen"]}' for link in ip('address', 'show', 'dev', name)
                  for a in link.get('addr_info', []) if a.get('family') == family and a.get('scope') != 'link')


def links():
    return {link['ifname']: link for link in ip('-d', 'link')}


def ports(bridge):
    return sorted(name for name, link in links().items() if link.get('master') == bridge)


def told(line):
    """What a line of `ip link` or `ip monitor link` says of a link: its name, flags, MTU, bridge and state."""
    words = line.split()
    return tuple(words[1:3] + [words[words.index(key) + 1] if key in words[:-1] else None for key in ('mtu', 'master', 'state')])


def advertisement(prefix):
    """A frame by which a router (RFC 4861) gives every host that hears it a network and a default route."""
    def bytes_of(text):
        return ipaddress.IPv6Address(text).packed
    body = struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + \
        struct.pack('!BBBBIII16s', 3, 4, 64, 0xc0, 3600, 3600, 0, bytes_of(prefix))
    ends = bytes_of('fe80::666') + bytes_of('ff02::1')
    total = sum(struct.unpack(f'!{(len(ends) + 8 + len(body)) // 2}H', ends + struct.pack('!II', len(body), 58) + body))
    total = (total & 0xffff) + (total >> 16)
    total = ~(total + (total >> 16)) & 0xffff
    return b'\x33\x33\0\0\0\1' + b'\x02\0\0\0\6\x66' + b'\x86\xdd' + struct.pack('!IHBB', 6 << 28, len(body), 58, 255) + \
        ends + body[:2] + struct.pack('!H', total) + body[4:]


class Failure(Exception):
    pass


class Base(unittest.TestCase):
    backend = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.state = os.path.join(self.folder, 'state')
        self.path = os.path.join(self.folder, 'sock')
        self.faults = os.path.join(self.folder, 'faults')
        self.config = os.path.join(self.folder, 'config')
        with open(self.config, 'w') as file:
            file.write(f'[daemon]\nbackend={self.backend}\nfaults={self.faults}\nsimulator-interfaces=eth0 eth1\n')
        policy = os.path.join(self.folder, 'policy')
        open(policy, 'w').close()
        self.switch = self.spawn(SWITCH, '--policy', policy)
        self.addCleanup(self.stop, 'switch')
        self.daemon = self.spawn(NETWORKD, '--config', self.config)
        self.addCleanup(self.stop, 'daemon')

    def spawn(self, program, *arguments):
        ready, wait = os.pipe()
        with open(os.path.join(self.folder, 'log'), 'a') as log:
            process = subprocess.Popen(
                [program, '--state', self.state, '--runtime', os.path.join(self.folder, 'run'), '--switch-path', self.path,
                 '--ready-fd', str(wait), *arguments], pass_fds=[wait], stderr=log)
        os.close(wait)
        self.assertEqual(os.read(ready, 1), b'\n', 'it did not become ready:\n' + self.log())
        os.close(ready)
        return process

    def log(self):
        with open(os.path.join(self.folder, 'log'), errors='replace') as file:
            return file.read()

    def stop(self, name):
        process = getattr(self, name)
        process.terminate()
        self.assertEqual(process.wait(timeout=60), 0, self.log())

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def start(self):
        self.daemon = self.spawn(NETWORKD, '--config', self.config)

    def restart(self):
        self.kill()
        self.start()

    def call(self, method, **params):
        words = [word for name, value in params.items() for word in
                 (f'--{name}', value if isinstance(value, str) and name != 'conf' else json.dumps(value))]
        done = subprocess.run([CLI, '--switch-path', self.path, method, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode:
            raise Failure(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, text, method, **params):
        with self.assertRaises(Failure) as caught:
            self.call(method, **params)
        self.assertIn(text, str(caught.exception))

    def set_faults(self, **faults):
        with open(self.faults, 'w') as file:
            json.dump({key.replace('_', '-'): value for key, value in faults.items()}, file)

    def eventually(self, function, seconds=20):
        until = time.monotonic() + seconds
        while not function():
            self.assertLess(time.monotonic(), until, self.log())

    def steps(self, operation, before, after):
        """The operation with networkd killed before and after each of its steps: once it is back, things are as they were
        or as they are to be, and the operation can be done."""
        for when in ('before', 'after'):
            for step in range(STEPS_MAX):
                before()
                self.set_faults(any={'kill': when, 'skip': step})
                try:
                    operation()
                    died = False
                except Failure:
                    died = self.daemon.wait(timeout=60) == -9
                    self.assertTrue(died, self.log())
                os.unlink(self.faults)
                if died:
                    self.start()
                    operation()
                after()
                if not died:
                    self.assertGreater(step, 0)
                    break
            else:
                self.fail('it never ends')


class Common:
    """What both back ends do alike, seen through networkd."""

    def test_bridge_comes_and_goes(self):
        self.call('Bridge.create', name='xapi0', mac='02:00:00:00:00:09')
        self.assertIn('xapi0', self.call('Bridge.get_all'))
        self.assertEqual(self.call('Interface.get_mac', name='xapi0'), '02:00:00:00:00:09')
        self.assertTrue(self.call('Interface.is_up', name='xapi0'))
        self.call('Bridge.create', name='xapi0')
        self.call('Bridge.destroy', name='xapi0', force=False)
        self.assertNotIn('xapi0', self.call('Bridge.get_all'))
        self.call('Bridge.destroy', name='xapi0', force=False)

    def test_names(self):
        for name in NAMES:
            self.fails('', 'Bridge.create', name=name)
            self.fails('Interface_does_not_exist', 'Interface.get_mtu', name=name)
            self.assertFalse(self.call('Interface.exists', name=name))
            self.fails('Interface_does_not_exist', 'Interface.make_config', conservative=False,
                       config={name: {'persistent_i': True}})
            self.call('Bridge.destroy', name=name, force=False)
        self.fails('Bridge_does_not_exist', 'Bridge.get_interfaces', name='eth0')
        self.fails('is an interface', 'Bridge.create', name='eth0')
        self.assertTrue(self.call('Interface.exists', name='eth0'))
        self.call('Bridge.create', name='fifteen-letters')
        self.call('Bridge.destroy', name='fifteen-letters', force=False)
        self.assertEqual(self.call('Bridge.get_all'), [])

    def test_ports(self):
        self.call('Bridge.create', name='xapi0')
        self.fails('Interface_does_not_exist', 'Bridge.add_port', bridge='xapi0', name='eth9', interfaces=['eth9'])
        self.fails('Bridge_does_not_exist', 'Bridge.add_port', bridge='xapi9', name='eth0', interfaces=['eth0'])
        self.fails('Not_implemented', 'Bridge.add_port', bridge='xapi0', name='bond0', interfaces=['eth0', 'eth1'])
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi0'), [])
        self.call('Bridge.add_port', bridge='xapi0', name='eth0', interfaces=['eth0'])
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi0'), ['eth0'])
        self.assertEqual(self.call('Bridge.get_all_ports', from_cache=False), {'eth0': ['eth0']})
        self.restart()
        self.assertEqual(self.call('Bridge.get_all_ports', from_cache=False), {'eth0': ['eth0']})
        self.call('Bridge.remove_port', bridge='xapi0', name='eth0')
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi0'), [])
        self.call('Bridge.destroy', name='xapi0', force=False)

    def test_addresses(self):
        self.call('Bridge.create', name='xapi0')
        self.call('Interface.make_config', conservative=False, config={'xapi0': {
            'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254',
            'ipv6_conf': ['Static6', [['fd00::1', 64]]], 'mtu': 1400}})
        self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [['10.9.0.1', 24]])
        self.assertEqual(self.call('Interface.get_ipv6_addr', name='xapi0'), [['fd00::1', 64]])
        self.assertEqual(self.call('Interface.get_ipv4_gateway', name='xapi0'), ['10.9.0.254'])
        self.assertEqual(self.call('Interface.get_mtu', name='xapi0'), 1400)
        self.call('Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [['10.9.0.2', 24], ['10.8.0.1', 16]]])
        self.assertEqual(sorted(self.call('Interface.get_ipv4_addr', name='xapi0')), [['10.8.0.1', 16], ['10.9.0.2', 24]])
        self.call('Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [['10.9.0.2', 24], ['10.9.0.3', 24]]])
        self.call('Interface.set_ipv4_conf', name='xapi0', conf='None4')
        self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [])
        self.assertEqual(self.call('Interface.get_ipv4_gateway', name='xapi0'), [])
        for bad in ('10.9.0.1/33', '10.9.0/24', 'fd00::1/64', '/24', '10.9.0.1/-1'):
            text, _, prefix = bad.partition('/')
            self.fails('No IPv4 address', 'Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [[text, int(prefix)]]])
        for mtu in (67, 65536, -1):
            self.fails('No size', 'Interface.make_config', conservative=False, config={'xapi0': {'mtu': mtu}})
        self.call('Bridge.destroy', name='xapi0', force=False)

    def test_a_failing_step_changes_nothing(self):
        self.set_faults(up={'errno': 5})
        self.fails('Input/output error', 'Bridge.create', name='xapi0')
        self.assertEqual(self.call('Bridge.get_all'), [])
        self.call('Bridge.create', name='xapi0')
        self.call('Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [['10.9.0.1', 24]]])
        self.set_faults(remove_address={'errno': 5})
        self.fails('Input/output error', 'Interface.set_ipv4_conf', name='xapi0', conf=['Static4', [['10.9.0.2', 24]]])
        self.assertEqual(self.call('Interface.get_ipv4_addr', name='xapi0'), [['10.9.0.1', 24]])
        self.call('Bridge.destroy', name='xapi0', force=False)

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

    def test_gateway_interface(self):
        for n in (0, 1):
            self.call('Bridge.create', name=f'xapi{n}')
        self.call('set_gateway_interface', name='xapi1')
        for n in (0, 1):
            self.call('Interface.make_config', conservative=False, config={f'xapi{n}': {
                'ipv4_conf': ['Static4', [[f'10.9.{n}.1', 24]]], 'ipv4_gateway': f'10.9.{n}.254'}})
        gateways = [self.call('Interface.get_ipv4_gateway', name=f'xapi{n}') for n in (0, 1)]
        self.assertEqual(gateways, [[], ['10.9.1.254']])
        self.call('set_gateway_interface', name='xapi0')
        gateways = [self.call('Interface.get_ipv4_gateway', name=f'xapi{n}') for n in (0, 1)]
        self.assertEqual(gateways, [['10.9.0.254'], []])
        for n in (0, 1):
            self.call('Bridge.destroy', name=f'xapi{n}', force=False)

    def test_a_removal_that_fails_can_be_repeated(self):
        self.call('Bridge.create', name='xapi0')
        self.set_faults(delete={'errno': 16})
        self.fails('busy', 'Bridge.destroy', name='xapi0', force=False)
        self.call('Bridge.destroy', name='xapi0', force=False)
        self.assertEqual(self.call('Bridge.get_all'), [])

    def test_show(self):
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {
            'ports': {'eth0': {'interfaces': ['eth0']}}, 'bridge_mac': '02:00:00:00:00:09'}})
        self.call('Interface.make_config', conservative=False, config={'xapi0': {
            'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254'}})
        done = subprocess.run([CLI, '--switch-path', self.path, 'show'], stdout=subprocess.PIPE, text=True, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        bridge = next(line for line in lines if line[0] == 'xapi0')
        self.assertEqual(bridge[-4:], ['02:00:00:00:00:09', '10.9.0.1/24', 'via', '10.9.0.254'])
        self.assertEqual([line[0] for line in lines[:2]], ['xapi0', 'eth0'])
        self.assertEqual(sorted(line[0] for line in lines), sorted(self.call('Interface.get_all')))

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


class Simulator(Common, Base):
    backend = 'simulator'

    def test_dhcp(self):
        def lease():
            return [prefix for text, prefix in self.call('Interface.get_ipv4_addr', name='eth0') if text.startswith('10.251.')]

        def set_dhcp():
            self.call('Interface.set_ipv4_conf', name='eth0', conf='DHCP4')

        def has_lease():
            self.assertEqual(lease(), [24])
            self.restart()
            self.assertEqual(lease(), [24])

        def set_static():
            self.call('Interface.set_ipv4_conf', name='eth0', conf=['Static4', [['10.9.0.1', 24]]])

        def is_static():
            self.assertEqual(self.call('Interface.get_ipv4_addr', name='eth0'), [['10.9.0.1', 24]])
        self.steps(set_dhcp, set_static, has_lease)
        self.steps(set_static, set_dhcp, is_static)
        set_dhcp()
        self.set_faults(stop_dhcp={'errno': 5})
        self.fails('Input/output error', 'Interface.set_ipv4_conf', name='eth0', conf='None4')
        self.assertEqual(lease(), [24])
        self.call('Interface.bring_down', name='eth0')
        self.assertEqual(lease(), [])

    def test_what_is_not_written_says_so(self):
        for conf in ({'ipv6_conf': 'DHCP6'}, {'ipv6_conf': 'Autoconf6'}, {'dns': [['10.0.0.1'], []]}):
            self.fails('Not_implemented', 'Interface.make_config', conservative=False, config={'eth0': conf})

    def boot(self):
        for name in ('started', 'simulator'):
            os.unlink(os.path.join(self.folder, 'run/networkd', name))

    def test_vlan(self):
        self.call('Bridge.make_config', conservative=False, config={
            'xapi1': {'vlan': ['xenbr0', 7]}, 'xenbr0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi1'), ['eth0.7'])
        self.call('Bridge.make_config', conservative=False, config={'xapi1': {'vlan': ['xenbr0', 8]}})
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi1'), ['eth0.8'])
        self.assertNotIn('eth0.7', self.call('Interface.get_all'))
        for tag in (-1, 4095):
            self.fails('No tag', 'Bridge.create', name='xapi2', vlan=['xenbr0', tag])
        self.fails('no port', 'Bridge.create', name='xapi2', vlan=['xapi1x', 5])
        self.call('Bridge.remove_port', bridge='xenbr0', name='eth0')
        self.call('Bridge.add_port', bridge='xenbr0', name='eth1', interfaces=['eth1'])
        self.assertEqual(self.call('Bridge.get_interfaces', name='xapi1'), ['eth1.8'])
        self.assertNotIn('eth0.8', self.call('Interface.get_all'))
        self.call('Bridge.destroy', name='xenbr0', force=False)
        self.assertIn('xenbr0', self.call('Bridge.get_all'))
        self.call('Bridge.destroy', name='xenbr0', force=True)
        self.assertEqual(self.call('Bridge.get_all'), [])
        self.assertEqual(self.call('Interface.get_all'), ['eth0', 'eth1', 'lo'])


class Netlink(Common, Base):
    backend = 'netlink'

    def setUp(self):
        for n in (0, 1):
            ip('link', 'add', f'eth{n}', 'type', 'veth', 'peer', 'name', f'far{n}')
            self.addCleanup(self.remove, f'eth{n}')
        super().setUp()

    def tearDown(self):
        for name, link in links().items():
            if link.get('linkinfo', {}).get('info_kind') == 'bridge':
                ip('link', 'delete', name)

    @staticmethod
    def remove(name):
        with contextlib.suppress(AssertionError):
            ip('link', 'delete', name)

    def boot(self):
        os.unlink(os.path.join(self.folder, 'run/networkd/started'))
        for name in self.names_of_bridges():
            ip('link', 'delete', name)

    @staticmethod
    def names_of_bridges():
        return [name for name, link in links().items() if link.get('linkinfo', {}).get('info_kind') == 'bridge']

    def test_kernel_agrees(self):
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {
            'ports': {'eth0': {'interfaces': ['eth0']}}, 'bridge_mac': '02:00:00:00:00:07', 'igmp_snooping': False}})
        link = links()['xapi0']
        self.assertEqual(link['address'], '02:00:00:00:00:07')
        self.assertIn('UP', link['flags'])
        data = link['linkinfo']['info_data']
        self.assertEqual((data['forward_delay'], data['stp_state'], data['mcast_snooping']), (0, 0, 0))
        self.assertEqual(ports('xapi0'), ['eth0'])
        self.assertIn('UP', links()['eth0']['flags'])
        self.call('Interface.make_config', conservative=False, config={'xapi0': {
            'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254',
            'ipv4_routes': [{'subnet': '10.77.0.0', 'netmask': 16, 'gateway': '10.9.0.253'}],
            'ipv6_conf': ['Static6', [['fd00::1', 64]]], 'ipv6_gateway': 'fd00::fe', 'mtu': 1400}})
        self.assertEqual(addresses('xapi0'), ['10.9.0.1/24'])
        self.assertEqual(addresses('xapi0', 'inet6'), ['fd00::1/64'])
        self.assertEqual(links()['xapi0']['mtu'], 1400)
        routes = {route['dst']: route.get('gateway') for route in ip('route')}
        self.assertEqual((routes['default'], routes['10.77.0.0/16']), ('10.9.0.254', '10.9.0.253'))
        self.assertEqual({route['dst']: route.get('gateway') for route in ip('-6', 'route')}['default'], 'fd00::fe')

    def test_restart_changes_nothing(self):
        """Nothing is done to what is as it should be: the kernel tells of no change."""
        self.call('Bridge.make_config', conservative=False,
                  config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}, 'igmp_snooping': True}})
        self.call('Interface.make_config', conservative=False, config={'xapi0': {
            'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254'}})
        ip('link', 'set', 'far1', 'master', 'xapi0')
        self.eventually(lambda: (links()['eth0']['operstate'], links()['xapi0']['operstate']) == ('LOWERLAYERDOWN', 'DOWN'))
        known = {told(line) for line in subprocess.check_output(['ip', '-o', 'link'], text=True).splitlines()}
        monitor = subprocess.Popen(['ip', 'monitor', 'link', 'address', 'route'], stdout=subprocess.PIPE, text=True)
        self.addCleanup(monitor.stdout.close)
        marks = ['10.99.0.1/32', '10.99.0.2/32']
        ip('address', 'add', marks[0], 'dev', 'lo')
        while '10.99.0.1' not in monitor.stdout.readline():     # until it listens
            ip('address', 'delete', marks[0], 'dev', 'lo')
            ip('address', 'add', marks[0], 'dev', 'lo')
        for _ in range(3):
            self.restart()
        ip('address', 'add', marks[1], 'dev', 'lo')
        seen = []
        while not seen or '10.99.0.2' not in seen[-1]:
            seen.append(monitor.stdout.readline())
        monitor.kill()
        monitor.wait()
        for mark in marks:
            ip('address', 'delete', mark, 'dev', 'lo')
        # The kernel repeats the state of a link up to seconds after it changed: that is no change.
        self.assertEqual([line for line in seen if ('xapi0' in line or 'eth0' in line or 'default' in line)
                          and told(line) not in known], [])
        self.assertEqual(ports('xapi0'), ['eth0', 'far1'])

    def test_foreign_port_keeps_the_bridge(self):
        self.call('Bridge.create', name='xapi0')
        ip('link', 'set', 'eth1', 'master', 'xapi0')
        self.fails('has the port eth1', 'Bridge.destroy', name='xapi0', force=True)
        self.call('clear_state')
        self.call('sync_state')
        self.restart()
        self.assertEqual(ports('xapi0'), ['eth1'])
        ip('link', 'set', 'eth1', 'nomaster')
        self.restart()
        self.assertNotIn('xapi0', links())

    def test_no_guest_becomes_the_router(self):
        """What a guest advertises is not taken on a bridge made here, and is on another one."""
        self.call('Bridge.create', name='xapi0')
        ip('link', 'add', 'name', 'br0', 'type', 'bridge')
        ip('link', 'set', 'br0', 'up')
        for n, bridge in enumerate(('xapi0', 'br0')):
            ip('link', 'set', f'far{n}', 'up')
            ip('link', 'set', f'eth{n}', 'master', bridge, 'up')
            self.eventually(lambda bridge=bridge: links()[bridge]['operstate'] == 'UP')

        def routers():
            for n in (0, 1):
                with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
                    raw.bind((f'far{n}', 0))
                    raw.send(advertisement(f'fd00:{n}::'))
            return [route['dev'] for route in ip('-6', 'route') if route['dst'] == 'default']
        self.eventually(lambda: 'br0' in routers())
        self.assertEqual(routers(), ['br0'])
        self.assertEqual(addresses('xapi0', 'inet6'), [])
        ip('link', 'set', 'eth0', 'nomaster')
        ip('link', 'set', 'eth1', 'nomaster')

    def test_bridge_of_others_stays(self):
        ip('link', 'add', 'br0', 'type', 'bridge')
        ip('address', 'add', '10.7.0.1/24', 'dev', 'br0')
        self.call('Bridge.make_config', conservative=False, config={'br0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        self.call('Interface.set_ipv4_conf', name='br0', conf=['Static4', [['10.7.0.1', 24], ['10.7.0.2', 24]]])
        self.assertEqual(addresses('br0'), ['10.7.0.1/24', '10.7.0.2/24'])
        self.fails('would be cut off', 'Interface.bring_down', name='br0')
        self.call('Bridge.destroy', name='br0', force=False)
        self.assertEqual((addresses('br0'), ports('br0')), (['10.7.0.1/24'], []))

    def test_address_of_others_is_not_cut_off(self):
        ip('address', 'add', '10.6.0.1/24', 'dev', 'eth0')
        self.call('Bridge.create', name='xapi0')
        self.fails('would be cut off', 'Bridge.add_port', bridge='xapi0', name='eth0', interfaces=['eth0'])
        self.assertEqual((addresses('eth0'), ports('xapi0')), (['10.6.0.1/24'], []))
        ip('link', 'add', 'br0', 'type', 'bridge')
        ip('link', 'set', 'eth1', 'master', 'br0')
        self.fails('is a port of br0', 'Bridge.add_port', bridge='xapi0', name='eth1', interfaces=['eth1'])
        self.assertEqual(ports('br0'), ['eth1'])

    def test_default_route_of_others_stays(self):
        ip('address', 'add', '10.6.0.1/24', 'dev', 'eth1')
        ip('link', 'set', 'far1', 'up')
        ip('link', 'set', 'eth1', 'up')
        ip('route', 'add', 'default', 'via', '10.6.0.254')
        self.call('Bridge.create', name='xapi0')
        self.fails('File exists', 'Interface.make_config', conservative=False, config={'xapi0': {
            'ipv4_conf': ['Static4', [['10.9.0.1', 24]]], 'ipv4_gateway': '10.9.0.254'}})
        self.assertEqual([route['gateway'] for route in ip('route') if route['dst'] == 'default'], ['10.6.0.254'])
        self.assertEqual(addresses('xapi0'), [])

    def test_an_interface_disappears(self):
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        ip('link', 'delete', 'eth0')
        self.restart()
        self.assertIn('xapi0', links())
        ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far0')
        self.restart()
        self.assertEqual(ports('xapi0'), ['eth0'])


    def test_an_interface_comes(self):
        """It is made a port without anybody's asking, in the middle of a thousand other events."""
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        batch = 'link set far1 up\nlink set far1 down\n' * 500
        for _ in range(3):
            ip('link', 'delete', 'eth0')
            flaps = subprocess.Popen(['ip', '-batch', '-'], stdin=subprocess.PIPE, text=True)
            flaps.stdin.write(batch)
            ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far0')
            flaps.communicate()
            self.eventually(lambda: ports('xapi0') == ['eth0'] and 'UP' in links()['eth0']['flags'])
        self.call('Bridge.create', name='xapi1')
        self.call('clear_state')
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        ip('link', 'set', 'eth0', 'nomaster', 'down', 'name', 'eth7')
        ip('link', 'set', 'eth7', 'name', 'eth0')
        self.eventually(lambda: ports('xapi0') == ['eth0'])
        self.assertIn('xapi1', links())     # of which may still be told

    def test_bridge_of_others_is_not_made_in_their_place(self):
        ip('link', 'add', 'br0', 'type', 'bridge')
        self.call('Bridge.make_config', conservative=False, config={'br0': {
            'ports': {'eth0': {'interfaces': ['eth0']}}, 'persistent_b': True}})
        self.kill()
        self.boot()
        self.start()
        self.assertNotIn('br0', links())
        ip('link', 'add', 'br0', 'type', 'bridge')
        self.eventually(lambda: ports('br0') == ['eth0'])
        self.call('Bridge.destroy', name='br0', force=False)
        self.assertIn('br0', links())

    def test_forced_destruction_is_whole_or_not_at_all(self):
        self.call('Bridge.create', name='xapi0')
        ip('link', 'set', 'eth1', 'master', 'xapi0')
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        self.fails('has the port eth1', 'Bridge.destroy', name='xapi0', force=True)
        self.assertEqual(ports('xapi0'), ['eth0', 'eth1'])


if __name__ == '__main__':
    if INSIDE not in os.environ:
        try:
            os.execvpe('unshare', ['unshare', '--net', sys.executable, *sys.argv], {**os.environ, INSIDE: '1'})
        except OSError as error:
            sys.exit(str(error))
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
