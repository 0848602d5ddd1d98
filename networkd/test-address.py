#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses and routes."""
import os
import subprocess

from test_fixture import CLI, Failure, Kernel, Simulated, addresses, ip, main, ports


class Common:
    """What both back ends do alike, seen through networkd."""

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

    def test_several_are_all_configured_or_none(self):
        for n in (0, 1):
            self.call('Bridge.create', name=f'xapi{n}')
        self.call('Interface.make_config', conservative=False, config={
            'xapi1': {'ipv4_conf': ['Static4', [['10.9.1.1', 24]]]}})

        def there():
            return [(self.call('Interface.get_ipv4_addr', name=f'xapi{n}'), self.call('Interface.get_mtu', name=f'xapi{n}'))
                    for n in (0, 1)]
        before = there()
        wanted = {f'xapi{n}': {'ipv4_conf': ['Static4', [[f'10.8.{n}.1', 24]]], 'mtu': 1400} for n in (0, 1)}
        for step in range(40):
            self.set_faults(any={'errno': 5, 'skip': step})
            try:
                self.call('Interface.make_config', conservative=False, config=wanted)
                break
            except Failure as error:
                self.assertIn('Input/output error', str(error))
            self.assertEqual(there(), before)
        self.assertGreater(step, 3)
        os.unlink(self.faults)
        self.assertEqual(there(), [([[f'10.8.{n}.1', 24]], 1400) for n in (0, 1)])
        for bad in ({'xapi0': {}, 'xapi1': {'mtu': 1}}, {'xapi0': {}, 'xapi9': {}}):
            self.fails('', 'Interface.make_config', conservative=False, config=bad)
        self.assertEqual(there(), [([[f'10.8.{n}.1', 24]], 1400) for n in (0, 1)])
        for n in (0, 1):
            self.call('Bridge.destroy', name=f'xapi{n}', force=False)

    def test_gateway_moves_whoever_is_killed(self):
        """There is one default route, the chosen interface's, after each step."""
        def choose(n):
            self.call('set_gateway_interface', name=f'xapi{n}')

        def gateways():
            return [self.call('Interface.get_ipv4_gateway', name=f'xapi{n}') for n in (0, 1)]
        for n in (0, 1):
            self.call('Bridge.create', name=f'xapi{n}')
        choose(0)
        self.call('Interface.make_config', conservative=False, config={
            f'xapi{n}': {'ipv4_conf': ['Static4', [[f'10.9.{n}.1', 24]]], 'ipv4_gateway': f'10.9.{n}.254'} for n in (0, 1)})
        there = [[['10.9.0.254'], []], [[], ['10.9.1.254']]]
        for n in (0, 1):
            self.steps(lambda n=n: choose(1 - n), lambda n=n: choose(n), lambda n=n: self.assertEqual(gateways(), there[1 - n]),
                       between=lambda: self.assertIn(gateways(), there), whens=('after',))
        for n in (0, 1):
            self.call('Bridge.destroy', name=f'xapi{n}', force=False)

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


class OfSimulator(Common, Simulated):
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

    def test_dhcp_on_two(self):
        """One default route, that of the gateway's interface, whichever that comes to be and whoever is killed meanwhile."""
        def choose(name):
            self.call('set_gateway_interface', name=name)
            self.call('set_dns_interface', name=name)

        def gateways():
            return [bool(self.call('Interface.get_ipv4_gateway', name=name)) for name in ('eth0', 'eth1')]

        def have_leases():
            self.assertEqual([len(self.call('Interface.get_ipv4_addr', name=name)) for name in ('eth0', 'eth1')], [1, 1])
        choose('eth0')
        self.call('Interface.make_config', conservative=False, config={name: {'ipv4_conf': 'DHCP4'} for name in ('eth0', 'eth1')})
        have_leases()
        self.assertEqual(gateways(), [True, False])

        def moved():
            have_leases()
            self.assertEqual(gateways(), [False, True])
        self.steps(lambda: choose('eth1'), lambda: choose('eth0'), moved)
        self.call('Interface.set_ipv4_conf', name='eth1', conf=['Static4', [['10.9.0.1', 24]]])
        self.assertEqual(gateways(), [False, False])
        choose('eth0')
        self.assertEqual(gateways(), [True, False])
        self.fails('Interface_does_not_exist', 'set_dns_interface', name='a/b')

    def test_what_is_not_written_says_so(self):
        for conf in ({'ipv6_conf': 'DHCP6'}, {'dns': [['10.0.0.1'], []]}):
            self.fails('Not_implemented', 'Interface.make_config', conservative=False, config={'eth0': conf})


class OfKernel(Common, Kernel):
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


if __name__ == '__main__':
    main()
