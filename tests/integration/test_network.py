# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks and the host's interfaces: rows and networkd's bridges agree, whoever is killed."""
import json
import subprocess

from harness.client import NULL, eventually, expect_error
from harness.stack import build_folder

QUICK = True
SANITIZED = True
NETWORK = {'name_label': 'n', 'name_description': '', 'MTU': 1500, 'other_config': {}, 'bridge': '', 'managed': True,
           'tags': []}


def networkd(stack, method, *words):
    done = subprocess.run([build_folder() / 'networkd/networkd-cli', '--switch-path', stack.folder / 'run/switch', method,
                           *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def again(stack):
    """Logged in to a server that is being started."""
    def login():
        try:
            return stack.json()
        except OSError:
            return None
    return eventually(login)


def bridges(stack):
    """Asked again where networkd is killed under the question."""
    def ask():
        try:
            return (networkd(stack, 'Bridge.get_all'),)
        except AssertionError as error:
            if 'outcome unknown' not in str(error):
                raise
            return None
    return eventually(ask)[0]


def ports(stack, bridge):
    return networkd(stack, 'Bridge.get_interfaces', bridge)


def first_pif(xapi):
    return eventually(lambda: [pif for pif in xapi.call('PIF.get_all') if xapi.call('PIF.get_physical', pif) and
                               xapi.call('PIF.get_currently_attached', pif)])[0]


def make_network(xapi, **more):
    network = xapi.call('network.create', {**NETWORK, **more})
    return network, xapi.call('network.get_bridge', network)


def add_vif(xapi, vm, network, device='0'):
    return xapi.call('VIF.create', {'VM': vm, 'network': network, 'device': device, 'MAC': '', 'MTU': 1500,
                                    'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}})


def test_the_card_of_a_new_host(stack):
    xapi = stack.json()
    pif = first_pif(xapi)
    record = xapi.call('PIF.get_record', pif)
    host, = xapi.call('host.get_all')
    assert (record['device'], record['VLAN'], record['host'], record['managed']) == ('eth0', -1, host, True), record
    network = xapi.call('network.get_record', record['network'])
    assert (network['bridge'], network['PIFs']) == ('xenbr0', [pif])
    assert ports(stack, 'xenbr0') == ['eth0']
    eventually(lambda: xapi.call('PIF_metrics.get_record', record['metrics'])['carrier'])
    assert xapi.call('host.get_PIFs', host) == [pif]
    expect_error('DUPLICATE_PIF_DEVICE_NAME', xapi.call, 'PIF.introduce', host, '', 'eth0')
    expect_error('COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS', xapi.call,
                 'PIF.introduce', host, '', 'eth7')
    expect_error('MAC_INVALID', xapi.call, 'PIF.introduce', host, 'x', 'eth7')
    xapi.call('PIF.scan', host)
    assert xapi.call('PIF.get_all') == [pif]


def test_internal_network_of_a_vm(stack):
    """Made when the VM starts, there over its restarts, gone with the last VM that uses it."""
    xapi = stack.json()
    network, bridge = make_network(xapi, MTU=1400)
    vms = [xapi.make_vm(f'vm{n}') for n in range(2)]
    for vm in vms:
        add_vif(xapi, vm, network)
    assert bridge not in bridges(stack)
    xapi.run('VM.start', vms[0], False, False)
    assert bridge in bridges(stack)
    assert networkd(stack, 'Interface.get_mtu', bridge) == 1400
    xapi.run('VM.start', vms[1], True, False)
    xapi.run('VM.hard_reboot', vms[0])
    xapi.run('VM.hard_shutdown', vms[1])
    stack.kill('networkd')
    assert bridge in bridges(stack)
    xapi.run('VM.suspend', vms[0])
    eventually(lambda: bridge not in bridges(stack))
    xapi.run('VM.resume', vms[0], False, False)
    assert bridge in bridges(stack)
    expect_error('NETWORK_CONTAINS_VIF', xapi.call, 'network.destroy', network)
    xapi.run('VM.clean_shutdown', vms[0])
    eventually(lambda: bridge not in bridges(stack))
    xapi.call('network.destroy', network)
    for vm in vms:
        xapi.remove_vm(vm)


def test_hot_plugged_interface(stack):
    xapi = stack.json()
    (one, first), (two, second) = make_network(xapi), make_network(xapi)
    vm = xapi.make_vm('plugged')
    xapi.run('VM.start', vm, False, False)
    vif = add_vif(xapi, vm, one)
    xapi.run('VIF.plug', vif)
    assert first in bridges(stack)
    xapi.run('VIF.move', vif, two)
    assert second in bridges(stack)
    eventually(lambda: first not in bridges(stack))
    xapi.run('VIF.unplug', vif)
    xapi.call('VIF.destroy', vif)
    eventually(lambda: second not in bridges(stack))
    xapi.run('VM.hard_shutdown', vm)
    xapi.remove_vm(vm)
    for network in (one, two):
        xapi.call('network.destroy', network)


def described_vif(stack, xapi, vm, device='0'):
    """The interface as xenopsd was told to make it."""
    done = subprocess.run([build_folder() / 'xenopsd/xenops-cli', '--switch-path', stack.folder / 'run/switch', 'call',
                           'VIF.stat', '--id', json.dumps([xapi.call('VM.get_uuid', vm), device])],
                          stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)[0]


def test_what_an_interface_takes_from_its_network(stack):
    xapi = stack.json()
    network, _ = make_network(xapi, MTU=9000)
    vm = xapi.make_vm('limited')
    vif = xapi.call('VIF.create', {'VM': vm, 'network': network, 'device': '0', 'MAC': '', 'MTU': 0, 'other_config': {},
                                   'qos_algorithm_type': 'ratelimit', 'qos_algorithm_params': {'kbps': '100'}})
    xapi.call('network.set_default_locking_mode', network, 'disabled')
    xapi.run('VM.start', vm, False, False)
    told = described_vif(stack, xapi, vm)
    assert (told['mtu'], told['rate'], told['locking_mode']) == (9000, [100, 0], 'Disabled'), told
    # Interfaces that are plugged would not follow.
    assert expect_error('VIF_IN_USE', xapi.call, 'network.set_default_locking_mode', network, 'unlocked') == [network, vif]
    assert expect_error('NETWORK_CONTAINS_VIF', xapi.call, 'network.destroy', network) == [vif]
    xapi.call('VIF.set_locking_mode', vif, 'unlocked')
    assert described_vif(stack, xapi, vm)['locking_mode'] == 'Unlocked'
    xapi.call('VIF.set_locking_mode', vif, 'network_default')
    assert described_vif(stack, xapi, vm)['locking_mode'] == 'Disabled'
    # An interface that is plugged is told of each address that it may use.
    xapi.call('VIF.set_locking_mode', vif, 'locked')
    for method, address in (('VIF.add_ipv4_allowed', '10.0.0.7'), ('VIF.add_ipv6_allowed', 'fd00::7')):
        xapi.call(method, vif, address)
    assert described_vif(stack, xapi, vm)['locking_mode'] == ['Locked', {'ipv4': ['10.0.0.7'], 'ipv6': ['fd00::7']}]
    xapi.call('VIF.remove_ipv4_allowed', vif, '10.0.0.7')
    assert described_vif(stack, xapi, vm)['locking_mode'] == ['Locked', {'ipv4': [], 'ipv6': ['fd00::7']}]
    xapi.call('VIF.set_ipv6_allowed', vif, [f'fd00::{n:x}' for n in range(100)])
    assert expect_error('INVALID_VALUE', xapi.call, 'VIF.add_ipv6_allowed', vif, 'fd00::100')[0] == 'ipv6_allowed'
    assert expect_error('INVALID_VALUE', xapi.call, 'VIF.set_ipv4_allowed', vif,
                        [f'10.0.0.{n}' for n in range(101)])[0] == 'ipv4_allowed'
    told = described_vif(stack, xapi, vm)['locking_mode'][1]
    assert (told['ipv4'], len(told['ipv6'])) == ([], 100), told
    xapi.call('VIF.set_ipv6_allowed', vif, [])
    xapi.call('VIF.set_locking_mode', vif, 'network_default')
    xapi.run('VM.hard_shutdown', vm)
    xapi.call('VIF.set_qos_algorithm_params', vif, {'kbps': '-1'})
    xapi.call('VIF.set_other_config', vif, {'mtu': '1400'})
    xapi.call('network.set_default_locking_mode', network, 'unlocked')
    xapi.run('VM.start', vm, False, False)
    told = described_vif(stack, xapi, vm)
    assert (told['mtu'], told.get('rate'), told['locking_mode']) == (1400, None, 'Unlocked'), told
    xapi.run('VM.hard_shutdown', vm)
    xapi.remove_vm(vm)
    xapi.call('network.destroy', network)


def test_networks_of_clients(stack):
    xapi = stack.json()
    network, _ = make_network(xapi, MTU=0)
    assert int(xapi.call('network.get_MTU', network)) == 1500
    other, _ = make_network(xapi)
    for bridge in ('xenbr9', 'xapi99', 'vif1.0', 'tap0', 'eth0', 'sixteen-letters-'):
        assert expect_error('INVALID_VALUE', xapi.call, 'network.create', {**NETWORK, 'bridge': bridge}) == ['bridge', bridge]
    xapi.call('network.add_purpose', network, 'nbd')
    xapi.call('network.add_purpose', network, 'nbd')
    assert expect_error('NETWORK_INCOMPATIBLE_PURPOSES', xapi.call, 'network.add_purpose', other, 'insecure_nbd') == \
        ['insecure_nbd', 'nbd']
    for ref in (network, other):
        xapi.call('network.destroy', ref)


def test_unmanaged_network(stack):
    xapi = stack.json()
    network, bridge = make_network(xapi, bridge='br7', managed=False)
    vm = xapi.make_vm('unmanaged')
    vif = add_vif(xapi, vm, network)
    assert expect_error('BRIDGE_NOT_AVAILABLE', xapi.run, 'VM.start', vm, False, False) == [bridge]
    assert xapi.call('VM.get_power_state', vm) == 'Halted'
    xapi.call('VIF.destroy', vif)
    xapi.call('network.destroy', network)
    xapi.remove_vm(vm)


def test_vlan(stack):
    xapi = stack.json()
    pif, host = first_pif(xapi), xapi.call('host.get_all')[0]
    (one, bridge), (two, _) = make_network(xapi), make_network(xapi)
    for tag in (-1, 4095):
        assert expect_error('VLAN_TAG_INVALID', xapi.call, 'VLAN.create', pif, tag, one) == [str(tag)]
    vlan = xapi.call('VLAN.create', pif, 4094, one)
    record = xapi.call('VLAN.get_record', vlan)
    assert (record['tag'], record['tagged_PIF']) == (4094, pif)
    above = xapi.call('PIF.get_record', record['untagged_PIF'])
    assert (above['VLAN'], above['VLAN_master_of'], above['physical'], above['network']) == (4094, vlan, False, one)
    assert above['currently_attached'] and ports(stack, bridge) == ['eth0.4094']
    assert xapi.call('PIF.get_VLAN_slave_of', pif) == [vlan]
    assert expect_error('PIF_VLAN_EXISTS', xapi.call, 'VLAN.create', pif, 4094, two) == [pif]
    assert expect_error('NETWORK_ALREADY_CONNECTED', xapi.call, 'VLAN.create', pif, 5, one) == [host, record['untagged_PIF']]
    assert expect_error('PIF_IS_VLAN', xapi.call, 'VLAN.create', record['untagged_PIF'], 5, two) == [record['untagged_PIF']]
    expect_error('NETWORK_CONTAINS_PIF', xapi.call, 'network.destroy', one)
    assert expect_error('PIF_VLAN_STILL_EXISTS', xapi.call, 'PIF.forget', pif) == [pif]
    assert expect_error('PIF_IS_NOT_PHYSICAL', xapi.call, 'PIF.forget', record['untagged_PIF'])
    vm = xapi.make_vm('tagged')
    vif = add_vif(xapi, vm, one)
    xapi.run('VM.start', vm, False, False)
    assert expect_error('VIF_IN_USE', xapi.call, 'VLAN.destroy', vlan) == [one, vif]
    for daemon in ('networkd', 'xapi-core'):
        stack.kill(daemon)
        assert ports(stack, bridge) == ['eth0.4094']
    xapi = again(stack)
    xapi.run('VM.hard_shutdown', vm)
    xapi.remove_vm(vm)
    xapi.call('VLAN.destroy', vlan)
    assert bridge not in bridges(stack) and 'eth0.4094' not in networkd(stack, 'Interface.get_all')
    expect_error('HANDLE_INVALID', xapi.call, 'PIF.get_record', record['untagged_PIF'])
    made, = xapi.call('pool.create_VLAN', 'eth0', one, 7)
    assert ports(stack, bridge) == ['eth0.7']
    xapi.call('PIF.destroy', made)
    made, = xapi.call('pool.create_VLAN_from_PIF', pif, one, 8)
    xapi.call('VLAN.destroy', xapi.call('PIF.get_VLAN_master_of', made))
    assert xapi.call('VLAN.get_all') == []
    assert expect_error('PIF_IS_PHYSICAL', xapi.call, 'PIF.destroy', pif) == [pif]
    for network in (one, two):
        xapi.call('network.destroy', network)


def test_addresses(stack):
    xapi = stack.json()
    pif = first_pif(xapi)
    for bad, field in ((('Static', 'x', '255.255.255.0', '', ''), 'IP'), (('Static', '10.9.0.1', '255.0.255.0', '', ''), 'netmask'),
                       (('Static', '10.9.0.1', '255.255.255.0', 'x', ''), 'gateway'), (('None', '', '', '', 'x'), 'DNS')):
        assert expect_error('INVALID_IP_ADDRESS_SPECIFIED', xapi.call, 'PIF.reconfigure_ip', pif, *bad) == [field]
    xapi.call('PIF.reconfigure_ip', pif, 'Static', '10.9.0.1', '255.255.255.0', '10.9.0.254', '')
    record = xapi.call('PIF.get_record', pif)
    assert (record['ip_configuration_mode'], record['IP'], record['netmask'], record['gateway']) == \
        ('Static', '10.9.0.1', '255.255.255.0', '10.9.0.254')
    assert networkd(stack, 'Interface.get_ipv4_addr', 'xenbr0') == [['10.9.0.1', 24]]
    assert networkd(stack, 'Interface.get_ipv4_gateway', 'xenbr0') == ['10.9.0.254']
    xapi.call('PIF.reconfigure_ipv6', pif, 'Static', 'fd00::1/64', '', '')
    assert networkd(stack, 'Interface.get_ipv6_addr', 'xenbr0') == [['fd00::1', 64]]
    # What is not written says so, and changes nothing.
    for call in (('PIF.reconfigure_ip', pif, 'Static', '10.9.0.2', '255.255.255.0', '', '10.9.0.53'),
                 ('PIF.reconfigure_ipv6', pif, 'DHCP', '', '', '')):
        assert 'name servers' in expect_error('NOT_IMPLEMENTED', xapi.call, *call)[0]
    assert (xapi.call('PIF.get_IP', pif), xapi.call('PIF.get_ipv6_configuration_mode', pif)) == ('10.9.0.1', 'Static')
    xapi.call('PIF.reconfigure_ipv6', pif, 'Autoconf', '', '', '')
    assert networkd(stack, 'Interface.get_ipv6_addr', 'xenbr0') == []
    expect_error('NOT_IMPLEMENTED', xapi.call, 'Bond.create', record['network'], [pif], '', 'active-backup', {})
    for daemon in ('networkd', 'xapi-core'):
        stack.kill(daemon)
    xapi = again(stack)
    eventually(lambda: networkd(stack, 'Interface.get_ipv4_addr', 'xenbr0') == [['10.9.0.1', 24]])
    xapi.call('PIF.reconfigure_ip', pif, 'None', '', '', '', '')
    xapi.call('PIF.reconfigure_ipv6', pif, 'None', '', '', '')
    assert networkd(stack, 'Interface.get_ipv4_addr', 'xenbr0') == []
    assert networkd(stack, 'Interface.get_ipv6_addr', 'xenbr0') == []
    assert (xapi.call('PIF.get_IP', pif), xapi.call('PIF.get_IPv6', pif)) == ('', [])


def test_unplug_and_plug(stack):
    xapi = stack.json()
    pif, host = first_pif(xapi), xapi.call('host.get_all')[0]
    network = xapi.call('PIF.get_network', pif)
    xapi.call('PIF.set_disallow_unplug', pif, True)
    assert expect_error('PIF_DOES_NOT_ALLOW_UNPLUG', xapi.call, 'PIF.unplug', pif) == [pif]
    xapi.call('PIF.set_disallow_unplug', pif, False)
    expect_error('PIF_HAS_NO_NETWORK_CONFIGURATION', xapi.call, 'host.management_reconfigure', pif)
    xapi.call('PIF.unplug', pif)
    assert not xapi.call('PIF.get_currently_attached', pif)
    assert 'xenbr0' not in bridges(stack) and not networkd(stack, 'Interface.is_up', 'eth0')
    stack.kill('xapi-core')
    xapi = again(stack)
    assert not xapi.call('PIF.get_currently_attached', pif)
    vm = xapi.make_vm('plugs')
    vif = add_vif(xapi, vm, network)
    xapi.run('VM.start', vm, False, False)
    assert xapi.call('PIF.get_currently_attached', pif) and ports(stack, 'xenbr0') == ['eth0']
    assert expect_error('VIF_IN_USE', xapi.call, 'PIF.unplug', pif) == [network, vif]
    xapi.run('VM.hard_shutdown', vm)
    xapi.remove_vm(vm)
    assert 'xenbr0' in bridges(stack)
    xapi.call('PIF.forget', pif)
    assert xapi.call('PIF.get_all') == [] and 'xenbr0' not in bridges(stack)
    xapi.call('PIF.scan', host)
    pif, = xapi.call('PIF.get_all')
    assert xapi.call('PIF.get_network', pif) == network and not xapi.call('PIF.get_currently_attached', pif)
    xapi.call('PIF.plug', pif)
    xapi.call('PIF.plug', pif)
    assert ports(stack, 'xenbr0') == ['eth0']


def test_management(fresh):
    xapi = fresh.json()
    pif, host = first_pif(xapi), xapi.call('host.get_all')[0]
    xapi.call('PIF.reconfigure_ip', pif, 'Static', '10.9.0.1', '255.255.255.0', '', '')
    xapi.call('host.management_reconfigure', pif)
    assert xapi.call('PIF.get_management', pif) and xapi.call('host.get_address', host) == '10.9.0.1'
    assert xapi.call('host.get_management_interface', host) == pif
    assert expect_error('PIF_IS_MANAGEMENT_INTERFACE', xapi.call, 'PIF.unplug', pif) == [pif]
    assert expect_error('PIF_IS_MANAGEMENT_INTERFACE', xapi.call, 'PIF.forget', pif) == [pif]
    assert expect_error('PIF_IS_MANAGEMENT_INTERFACE', xapi.call, 'PIF.set_primary_address_type', pif, 'IPv6') == [pif]


def test_one_default_route(fresh):
    """Of two PIFs that have a gateway each, that of the management interface counts, or of the one that the client names."""
    xapi = fresh.json()
    pif = first_pif(xapi)
    network, bridge = make_network(xapi)
    xapi.call('PIF.reconfigure_ip', pif, 'Static', '10.9.0.1', '255.255.255.0', '10.9.0.254', '')
    xapi.call('host.management_reconfigure', pif)
    tagged = xapi.call('VLAN.get_untagged_PIF', xapi.call('VLAN.create', pif, 7, network))
    xapi.call('PIF.plug', tagged)
    xapi.call('PIF.reconfigure_ip', tagged, 'DHCP', '', '', '', '')

    def gateways():
        return [bool(networkd(fresh, 'Interface.get_ipv4_gateway', name)) for name in ('xenbr0', bridge)]
    assert gateways() == [True, False]
    eventually(lambda: xapi.call('PIF.get_IP', tagged))
    xapi.call('host.management_reconfigure', tagged)
    eventually(lambda: gateways() == [False, True])
    xapi.call('PIF.set_other_config', pif, {'defaultroute': 'true'})
    eventually(lambda: gateways() == [True, False])
    fresh.kill('networkd')
    eventually(lambda: networkd(fresh, 'Bridge.get_all'))
    assert gateways() == [True, False]


def test_the_hosts_own_interface_is_tried_again(fresh):
    """That it could not be plugged at one start does not keep it from being plugged at the next."""
    xapi = fresh.json()
    pif = first_pif(xapi)
    xapi.call('PIF.set_disallow_unplug', pif, True)
    faults = fresh.folder / 'networkd/faults'
    (fresh.folder / 'networkd.conf').write_text(f'[daemon]\nbackend=simulator\nfaults={faults}\n')
    fresh.kill('networkd')
    eventually(lambda: networkd(fresh, 'Bridge.get_all') == ['xenbr0'])
    networkd(fresh, 'Bridge.destroy', '--name', 'xenbr0', '--force', 'true')
    faults.write_text(json.dumps({'add-bridge': {'errno': 5}}))
    fresh.kill('xapi-core')
    xapi = again(fresh)
    eventually(lambda: not xapi.call('PIF.get_currently_attached', pif))
    fresh.kill('xapi-core')
    xapi = again(fresh)
    eventually(lambda: xapi.call('PIF.get_currently_attached', pif))
    assert ports(fresh, 'xenbr0') == ['eth0']


def test_what_nobody_asked_to_end(stack):
    """A guest that powers off by itself, and what a killed server left there: the bridge goes."""
    xapi = stack.json()
    network, bridge = make_network(xapi)
    vm = xapi.make_vm('leaves')
    add_vif(xapi, vm, network)
    xapi.run('VM.start', vm, False, False)
    assert bridge in bridges(stack)
    subprocess.run([build_folder() / 'xenopsd/xenops-cli', '--switch-path', stack.folder / 'run/switch', 'guest',
                    xapi.call('VM.get_uuid', vm), 'poweroff'], check=True, stdout=subprocess.DEVNULL)
    eventually(lambda: bridge not in bridges(stack))
    networkd(stack, 'Bridge.create', '--name', bridge)
    stack.kill('xapi-core')
    eventually(lambda: bridge not in bridges(stack))
    xapi = again(stack)
    xapi.remove_vm(vm)
    xapi.call('network.destroy', network)


def test_a_vlan_that_fails_in_the_middle(stack):
    """Its bridge is made, and its size refused: nothing is left of either."""
    xapi = stack.json()
    pif = first_pif(xapi)
    network, bridge = make_network(xapi, MTU=1400)
    faults = stack.folder / 'networkd/faults'
    (stack.folder / 'networkd.conf').write_text(f'[daemon]\nbackend=simulator\nfaults={faults}\n')
    stack.kill('networkd')
    faults.write_text(json.dumps({'mtu': {'errno': 5}}))
    expect_error('PIF_CONFIGURATION_ERROR', xapi.call, 'VLAN.create', pif, 9, network)
    assert faults.read_text() == '{}'
    assert bridge not in bridges(stack) and 'eth0.9' not in networkd(stack, 'Interface.get_all')
    assert ports(stack, 'xenbr0') == ['eth0']       # which was plugged before
    vlan = xapi.call('VLAN.create', pif, 9, network)
    assert ports(stack, bridge) == ['eth0.9']
    xapi.call('VLAN.destroy', vlan)
    xapi.call('network.destroy', network)


def test_start_while_networkd_is_killed(stack):
    """At each of its steps: the VM runs in the end, on a bridge that is there."""
    xapi = stack.json()
    network, bridge = make_network(xapi)
    vm = xapi.make_vm('killed')
    add_vif(xapi, vm, network)
    faults = stack.folder / 'networkd/faults'
    (stack.folder / 'networkd.conf').write_text(f'[daemon]\nbackend=simulator\nfaults={faults}\n')
    stack.kill('networkd')
    for when in ('before', 'after'):
        for change in ('add-bridge', 'up', 'delete'):
            pid = eventually(lambda: stack.pid('networkd'))
            faults.write_text(json.dumps({change: {'kill': when}}))
            stack.expected_deaths.add(str(pid))
            try:
                xapi.run('VM.start', vm, False, False)
            except Exception:
                xapi.run('VM.start', vm, False, False)
            assert bridge in bridges(stack)
            xapi.run('VM.hard_shutdown', vm)
            eventually(lambda: bridge not in bridges(stack))
            assert not json.loads(faults.read_text())
    faults.unlink()
    xapi.remove_vm(vm)
    xapi.call('network.destroy', network)
    assert NULL not in (network, vm)
