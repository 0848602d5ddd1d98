# SPDX-License-Identifier: LGPL-2.1-or-later
"""networkd as it is installed, on a kernel with 802.1Q: a bridge that a domain is on, while networkd comes and goes."""
import json
from pathlib import Path

TEST_SEC = 600
CARD, FAR, BRIDGE, TAGGED = 'nic0', 'far0', 'xapi9', 'xapi8'
HERE, THERE = '10.79.0.1', '10.79.0.2'


def call(host, method, **params):
    words = [word for name, value in params.items() for word in
             (f'--{name}', value if isinstance(value, str) else json.dumps(value))]
    out = host.run('networkd-cli', method, *words)
    return json.loads(out) if out.strip() else None


def test_bridge_addresses_and_vlan(dom0):
    """Made by an unprivileged daemon; the other end of the cable, in a namespace, is not cut off for a moment."""
    dom0.run('ip', 'netns', 'add', 'far')
    dom0.run('ip', 'link', 'add', CARD, 'type', 'veth', 'peer', 'name', FAR, 'netns', 'far')
    dom0.shell(f'ip -n far address add {THERE}/24 dev {FAR}; ip -n far link set {FAR} up')
    call(dom0, 'Bridge.make_config', conservative=False, config={
        BRIDGE: {'ports': {CARD: {'interfaces': [CARD]}}, 'persistent_b': True}, TAGGED: {'vlan': [BRIDGE, 7]}})
    call(dom0, 'Interface.make_config', conservative=False, config={
        BRIDGE: {'ipv4_conf': ['Static4', [[HERE, 24]]], 'persistent_i': True}})
    assert call(dom0, 'Bridge.get_interfaces', name=TAGGED) == [f'{CARD}.7']
    assert 'vlan protocol 802.1Q id 7' in dom0.run('ip', '-d', 'link', 'show', f'{CARD}.7')
    assert dom0.run('cat', f'/proc/sys/net/ipv6/conf/{BRIDGE}/accept_ra').strip() == '0'
    dom0.eventually(lambda: dom0.run('ip', 'netns', 'exec', 'far', 'ping', '-c1', '-W1', HERE, check=False)[0] == 0)

    dom0.shell(f'ip netns exec far ping -i 0.2 {HERE} > /run/ping 2>&1 & echo $! > /run/ping-pid')
    for command in (('systemctl', 'restart', 'networkd'), ('systemctl', 'kill', '-s', 'KILL', 'networkd')):
        before = dom0.pid('networkd')
        dom0.run(*command)
        dom0.eventually(lambda: dom0.pid('networkd') not in (0, before) and dom0.is_active('networkd'))
        assert call(dom0, 'Bridge.get_interfaces', name=BRIDGE) == [CARD]
    dom0.shell('kill -INT $(cat /run/ping-pid)')
    dom0.eventually(lambda: 'packet loss' in dom0.run('cat', '/run/ping'))
    said = dom0.run('cat', '/run/ping')
    assert ' 0% packet loss' in said, said

    dom0.run('ip', 'link', 'add', 'guest0', 'type', 'dummy')
    dom0.run('ip', 'link', 'set', 'guest0', 'master', BRIDGE)
    status, said = dom0.run('networkd-cli', 'Bridge.destroy', '--force', 'true', '--name', BRIDGE, check=False)
    assert status != 0 and 'guest0' in said and TAGGED in call(dom0, 'Bridge.get_all')
    dom0.run('ip', 'link', 'delete', 'guest0')
    call(dom0, 'Bridge.destroy', force=True, name=BRIDGE)
    links = dom0.run('ip', '-br', 'link')
    assert CARD in links and not [name for name in (BRIDGE, TAGGED, f'{CARD}.7') if name in links]


def test_the_bridge_of_the_administrator_is_left_alone(dom0):
    dom0.shell('ip link add adm0 type bridge; ip address add 10.77.0.1/24 dev adm0; ip link set adm0 up')
    call(dom0, 'Bridge.create', name='adm0')
    call(dom0, 'Bridge.destroy', force=True, name='adm0')
    assert '10.77.0.1/24' in dom0.run('ip', 'address', 'show', 'dev', 'adm0')
    dom0.run('ip', 'link', 'delete', 'adm0')


def test_dhcp(dom0):
    """By clients that networkd may start and stop, and that its own restarts do not concern; one of them sets the default route
    and the name servers."""
    unit, bridge, other = r'xapi-dhclient@br\x2d7.service', 'br-7', 'br8'
    dom0.put('/run/dhcp-server.py', Path(__file__).with_name('dhcp-server.py').read_bytes())
    for n, name in ((66, bridge), (67, other)):
        dom0.shell(f'ip netns add server{n}; ip link add nic{n} type veth peer name far{n} netns server{n}; '
                   f'ip -n server{n} address add 10.{n}.0.1/24 dev far{n}; ip -n server{n} link set far{n} up')
        dom0.shell(f'ip netns exec server{n} python3 /run/dhcp-server.py far{n} 10.{n}.0.1 10.{n}.0.77 > /run/dhcp-log{n} 2>&1 &')
        call(dom0, 'Bridge.make_config', conservative=False, config={name: {'ports': {f'nic{n}': {'interfaces': [f'nic{n}']}}}})

    def choose(name):
        call(dom0, 'set_gateway_interface', name=name)
        call(dom0, 'set_dns_interface', name=name)

    def leases():
        return [call(dom0, 'Interface.get_ipv4_addr', name=name) for name in (bridge, other)] == \
            [[['10.66.0.77', 24]], [['10.67.0.77', 24]]]

    def said():
        return dom0.run('ip', 'route', 'show', 'default'), dom0.run('cat', '/etc/resolv.conf')

    def is_all_of(n):
        route, names = said()
        return f'via 10.{n}.0.1 ' in route and f'10.{n}.0.1' in names and f'10.{133 - n}.0.1' not in route + names
    dom0.run('ip', 'route', 'delete', 'default')    # the machine's, beside which no client sets one
    choose(bridge)
    call(dom0, 'Interface.make_config', conservative=False, config={name: {'ipv4_conf': 'DHCP4'} for name in (bridge, other)})
    dom0.eventually(leases)
    dom0.eventually(lambda: is_all_of(66))
    client = dom0.pid(unit)
    dom0.run('systemctl', 'restart', 'networkd')
    assert dom0.pid(unit) == client
    choose(other)
    dom0.eventually(lambda: leases() and is_all_of(67))
    call(dom0, 'Interface.set_ipv4_conf', name=bridge, conf=['Static4', [['10.66.0.5', 24]]])
    assert call(dom0, 'Interface.get_ipv4_addr', name=bridge) == [['10.66.0.5', 24]]
    assert not dom0.is_active(unit) and "heard b'\\x07'" in dom0.run('cat', '/run/dhcp-log66')
    for name in (bridge, other):
        call(dom0, 'Bridge.destroy', force=True, name=name)
    assert dom0.run('runuser', '-u', 'xapi-networkd', '--', 'systemctl', 'stop', 'xapi-core', check=False)[0] != 0


def test_no_daemon_puts_another_one_aside(dom0):
    """What root's daemons remember stands in a folder that other daemons may write to, too."""
    for words in (['mv', '/run/xapi/xenopsd', '/run/xapi/gone'], ['rm', '-rf', '/run/xapi/xenopsd']):
        assert dom0.run('runuser', '-u', 'xapi-networkd', '--', *words, check=False)[0] != 0
    assert dom0.run('stat', '-c', '%U %a', '/run/xapi/xenopsd/ledger').strip() == 'root 600'
