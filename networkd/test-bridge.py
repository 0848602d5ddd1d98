#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bridges, their ports and VLANs."""
import os
import subprocess

from test_fixture import NAMES, Failure, Kernel, Simulated, addresses, ip, links, main, ports


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

    def test_several_are_all_made_or_none(self):
        """Whichever step fails, of the last one as of the first."""
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        wanted = {'xapi0': {}, 'xapi1': {'ports': {'eth0': {'interfaces': ['eth0']}}, 'bridge_mac': '02:00:00:00:00:01'},
                  'xapi2': {'ports': {'eth1': {'interfaces': ['eth1']}}, 'bridge_mac': '02:00:00:00:00:02'}}
        for step in range(40):
            self.set_faults(any={'errno': 5, 'skip': step})
            try:
                self.call('Bridge.make_config', conservative=False, config=wanted)
                break
            except Failure as error:
                self.assertIn('Input/output error', str(error))
            self.assertEqual(self.call('Bridge.get_all'), ['xapi0'])
            self.assertEqual(self.call('Bridge.get_interfaces', name='xapi0'), ['eth0'])
            self.restart()
            self.assertEqual(self.call('Bridge.get_all_ports', from_cache=False), {'eth0': ['eth0']})
        self.assertGreater(step, 5)
        os.unlink(self.faults)
        self.assertEqual([self.call('Bridge.get_interfaces', name=f'xapi{n}') for n in range(3)], [[], ['eth0'], ['eth1']])
        bad = {'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}, 'xapi3': {'bridge_mac': 'x'}}
        self.fails('No hardware address', 'Bridge.make_config', conservative=False, config=bad)
        bad['xapi3'] = {'ports': {'eth9': {'interfaces': ['eth9']}}}
        self.fails('Interface_does_not_exist', 'Bridge.make_config', conservative=False, config=bad)
        self.assertEqual([self.call('Bridge.get_interfaces', name=f'xapi{n}') for n in range(3)], [[], ['eth0'], ['eth1']])
        self.assertEqual(self.call('Bridge.get_all'), ['xapi0', 'xapi1', 'xapi2'])
        for n in range(3):
            self.call('Bridge.destroy', name=f'xapi{n}', force=False)

    def test_a_removal_that_fails_can_be_repeated(self):
        self.call('Bridge.create', name='xapi0')
        self.set_faults(delete={'errno': 16})
        self.fails('busy', 'Bridge.destroy', name='xapi0', force=False)
        self.call('Bridge.destroy', name='xapi0', force=False)
        self.assertEqual(self.call('Bridge.get_all'), [])


class OfSimulator(Common, Simulated):
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


class OfKernel(Common, Kernel):
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

    def test_bridge_of_others_stays(self):
        ip('link', 'add', 'br0', 'type', 'bridge')
        ip('address', 'add', '10.7.0.1/24', 'dev', 'br0')
        self.call('Bridge.make_config', conservative=False, config={'br0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        self.call('Interface.set_ipv4_conf', name='br0', conf=['Static4', [['10.7.0.1', 24], ['10.7.0.2', 24]]])
        self.assertEqual(addresses('br0'), ['10.7.0.1/24', '10.7.0.2/24'])
        self.fails('would be cut off', 'Interface.bring_down', name='br0')
        self.call('Bridge.destroy', name='br0', force=False)
        self.assertEqual((addresses('br0'), ports('br0')), (['10.7.0.1/24'], []))

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
    main()
