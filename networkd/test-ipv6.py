#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""IPv6 on bridges: there where it was asked for, and nowhere else."""
import errno
import ipaddress
import socket
import struct
import subprocess
import sys

from test_fixture import Kernel, Simulated, addresses, ip, links, main

# Says with which error an address answers at a port that is not open, or the lack of an answer is told.
KNOCK = """
import socket, sys
knocker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
knocker.setsockopt(socket.IPPROTO_IPV6, 25, 1)      # IPV6_RECVERR
knocker.connect((sys.argv[1], 9, 0, socket.if_nametoindex(sys.argv[2])))
try:
    knocker.send(b'')
    knocker.recv(1)
except OSError as error:
    print(error.errno)
"""


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


def advertise(link, prefix):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((link, 0))
        raw.send(advertisement(prefix))


def routers():
    return [route['dev'] for route in ip('-6', 'route') if route['dst'] == 'default']


def link_local(name):
    return [a['local'] for link in ip('-6', 'address', 'show', 'dev', name) for a in link.get('addr_info', [])
            if a.get('scope') == 'link']


def link_local_of(mac):
    """RFC 4291, appendix A."""
    b = bytes.fromhex(mac.replace(':', ''))
    return str(ipaddress.IPv6Address(b'\xfe\x80' + bytes(6) + bytes([b[0] ^ 2]) + b[1:3] + b'\xff\xfe' + b[3:]))


class Common:
    """What both back ends do alike, seen through networkd."""

    def configure(self, conf):
        self.call('Interface.make_config', conservative=False, config={'xapi0': {'ipv6_conf': conf}})

    def set_static(self):
        self.configure(['Static6', [['fd00::1', 64]]])

    def set_none(self):
        self.configure('None6')

    def is_static(self):
        self.assertEqual(self.call('Interface.get_ipv6_addr', name='xapi0'), [['fd00::1', 64]])

    def is_none(self):
        self.assertEqual(self.call('Interface.get_ipv6_addr', name='xapi0'), [])

    def test_killed_at_each_step(self):
        self.call('Bridge.create', name='xapi0')
        self.steps(self.set_static, self.set_none, self.is_static)
        self.steps(self.set_none, self.set_static, self.is_none)
        self.steps(lambda: self.configure('Autoconf6'), self.set_static, self.is_none, whens=('after',))
        self.steps(self.set_static, lambda: self.configure('Autoconf6'), self.is_static, whens=('after',))
        self.call('Bridge.destroy', name='xapi0', force=False)

    def test_autoconfiguration_of_others_is_theirs(self):
        self.fails('no bridge that networkd made', 'Interface.make_config', conservative=False,
                   config={'eth0': {'ipv6_conf': 'Autoconf6'}})


class OfSimulator(Common, Simulated):
    pass


class OfKernel(Common, Kernel):
    def is_static(self):
        super().is_static()
        self.assertEqual(link_local('xapi0'), [link_local_of(links()['xapi0']['address'])])

    def is_none(self):
        super().is_none()
        if links()['xapi0']['inet6_addr_gen_mode'] == 'none':
            self.assertEqual(link_local('xapi0'), [])

    def far(self):
        """far0, up in a namespace of its own -> a function that runs a command there."""
        holder = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'echo; exec sleep 1000'], stdout=subprocess.PIPE)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        holder.stdout.readline()

        def run(*words):
            return subprocess.run(['nsenter', '-t', str(holder.pid), '-n', *words], stdout=subprocess.PIPE, check=True,
                                  text=True, timeout=120).stdout
        ip('link', 'set', 'far0', 'netns', str(holder.pid))
        for words in (['link', 'set', 'lo', 'up'], ['link', 'set', 'far0', 'up'],
                      ['address', 'add', 'fd00::2/64', 'dev', 'far0', 'nodad']):
            run('ip', *words)
        self.eventually(lambda: run('ip', '-6', 'address', 'show', 'dev', 'far0', 'scope', 'link', '-tentative'))
        return run

    def test_no_guest_finds_an_address(self):
        """Nobody answers at a bridge's link-local address, from its first moment on; with IPv6 asked for, it works."""
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        mac = links()['xapi0']['address']
        far = self.far()

        def refused(address):
            far('ip', '-6', 'neighbour', 'flush', 'dev', 'far0')
            return errno.errorcode[int(far(sys.executable, '-c', KNOCK, address, 'far0'))]
        self.assertEqual((link_local('xapi0'), addresses('xapi0', 'inet6')), ([], []))
        self.assertEqual(refused(link_local_of(mac)), 'EHOSTUNREACH')
        self.set_static()
        self.eventually(lambda: refused('fd00::1') == 'ECONNREFUSED')
        self.eventually(lambda: refused(link_local_of(mac)) == 'ECONNREFUSED')
        self.restart()
        self.is_static()
        self.call('Interface.make_config', conservative=False, config={'xapi0': {'ipv4_conf': ['Static4', [['10.9.0.1', 24]]]}})
        self.is_none()
        self.assertEqual(refused(link_local_of(mac)), 'EHOSTUNREACH')

    def test_what_was_made_before_loses_it(self):
        """By a networkd that did not do so; and without configuration it is lost, too."""
        self.call('Bridge.make_config', conservative=False, config={'xapi0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        ip('link', 'set', 'far0', 'up')
        ip('link', 'set', 'xapi0', 'down')
        ip('link', 'set', 'xapi0', 'addrgenmode', 'eui64')
        ip('link', 'set', 'xapi0', 'up')
        self.eventually(lambda: link_local('xapi0'))
        ip('address', 'add', 'fd00::7/64', 'dev', 'xapi0')
        self.restart()
        self.assertEqual((link_local('xapi0'), addresses('xapi0', 'inet6')), ([], ['fd00::7/64']))

    def test_bridge_of_others_keeps_it(self):
        ip('link', 'add', 'name', 'br0', 'type', 'bridge')
        ip('link', 'set', 'br0', 'up')
        ip('link', 'set', 'far0', 'up')
        self.call('Bridge.make_config', conservative=False, config={'br0': {'ports': {'eth0': {'interfaces': ['eth0']}}}})
        self.eventually(lambda: link_local('br0'))
        self.call('Interface.make_config', conservative=False, config={'br0': {'ipv4_conf': ['Static4', [['10.9.0.1', 24]]]}})
        self.restart()
        self.assertEqual(len(link_local('br0')), 1)

    def test_autoconfiguration(self):
        """Addresses by any router's advertisements, the default route on the gateway's interface alone; nothing stays."""
        for n in (0, 1):
            self.call('Bridge.make_config', conservative=False, config={
                f'xapi{n}': {'ports': {f'eth{n}': {'interfaces': [f'eth{n}']}}}})
            ip('link', 'set', f'far{n}', 'up')
        self.call('set_gateway_interface', name='xapi0')
        self.call('Interface.make_config', conservative=False, config={
            f'xapi{n}': {'ipv6_conf': 'Autoconf6'} for n in (0, 1)})

        def learned(n):
            advertise(f'far{n}', f'fd00:a{n}::')
            return [a for a in addresses(f'xapi{n}', 'inet6') if a.startswith(f'fd00:a{n}:')]
        for n in (0, 1):
            self.eventually(lambda n=n: learned(n))
        self.assertEqual(routers(), ['xapi0'])
        self.call('set_gateway_interface', name='xapi1')
        self.assertEqual(routers(), [])
        self.eventually(lambda: learned(1) and routers() == ['xapi1'])
        self.restart()
        self.assertEqual(routers(), ['xapi1'])
        self.assertTrue(addresses('xapi1', 'inet6'))
        self.call('Interface.make_config', conservative=False, config={f'xapi{n}': {} for n in (0, 1)})
        self.assertEqual((routers(), [addresses(f'xapi{n}', 'inet6') for n in (0, 1)]), ([], [[], []]))

    def test_no_guest_becomes_the_router(self):
        """What a guest advertises is not taken on a bridge made here, and is on another one."""
        self.call('Bridge.create', name='xapi0')
        ip('link', 'add', 'name', 'br0', 'type', 'bridge')
        ip('link', 'set', 'br0', 'up')
        for n, bridge in enumerate(('xapi0', 'br0')):
            ip('link', 'set', f'far{n}', 'up')
            ip('link', 'set', f'eth{n}', 'master', bridge, 'up')
            self.eventually(lambda bridge=bridge: links()[bridge]['operstate'] == 'UP')

        def told():
            for n in (0, 1):
                advertise(f'far{n}', f'fd00:{n}::')
            return routers()
        self.eventually(lambda: 'br0' in told())
        self.assertEqual(told(), ['br0'])
        self.assertEqual(addresses('xapi0', 'inet6'), [])
        ip('link', 'set', 'eth0', 'nomaster')
        ip('link', 'set', 'eth1', 'nomaster')


if __name__ == '__main__':
    main()
