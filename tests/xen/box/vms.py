# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs of the tests on a host: made, started, spoken with and taken away through the XenAPI alone."""
import http.client
import socket
import ssl
import urllib.parse

from harness.client import NULL, tls_context

from . import guest
from .guest import DISK_MIB
from .host import CALL_SEC

MIB = 1 << 20
MEMORY_MIB = 192
LEFT_SEC = 60
GATEWAY, ADDRESS = '10.99.0.1', '10.99.0.2'
SR_FOLDER = '/srv/disks'
NO_QOS = {'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}}


class Site:
    """A storage repository, a network on a bridge, and a session, on a fresh host."""

    def __init__(self, dom0, device_config=None):
        self.dom0, self.xapi = dom0, dom0.login()
        self.call = self.xapi.call
        self.host, = self.call('host.get_all')
        dom0.run('mkdir', '-p', SR_FOLDER)
        self.sr = self.call('SR.create', self.host, {'location': SR_FOLDER, **(device_config or {})}, 0, 'disks', '', 'file',
                            'user', False, {})
        self.network = self.call('network.create', {'name_label': 'guests', 'name_description': '', 'MTU': 1500,
                                                    'other_config': {}, 'bridge': '', 'managed': True})
        self.bridge = self.call('network.get_bridge', self.network)

    def give_bridge_address(self):
        """So that guests have somebody to ping."""
        self.dom0.run('ip', 'address', 'replace', f'{GATEWAY}/24', 'dev', self.bridge)

    def disk(self, name, bytes_=DISK_MIB * MIB, content=None):
        vdi = self.call('VDI.create', {'name_label': name, 'SR': self.sr, 'virtual_size': bytes_, 'type': 'user',
                                       'sharable': False, 'read_only': False, 'other_config': {}})
        if content:
            self.upload(vdi, content)
        return vdi

    def upload(self, vdi, path):
        connection = self.http()
        with open(path, 'rb') as file:
            connection.request('PUT', f'/import_raw_vdi?session_id={self.xapi.session}&vdi={vdi}&format=raw', file,
                               {'Content-Length': str(path.stat().st_size)})
            reply = connection.getresponse()
        rest = reply.read()             # the head comes first, the end once the disk is let go
        assert reply.status == 200 and not rest, (reply.status, rest)
        connection.close()

    def download(self, vdi):
        connection = self.http()
        connection.request('GET', f'/export_raw_vdi?session_id={self.xapi.session}&vdi={vdi}&format=raw')
        reply = connection.getresponse()
        data = reply.read()
        assert reply.status == 200, (reply.status, data[:400])
        connection.close()
        self.dom0.eventually(lambda: not self.call('VDI.get_current_operations', vdi))
        return data

    def http(self):
        parts = urllib.parse.urlsplit(self.dom0.url)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=CALL_SEC, context=tls_context())

    def vm(self, name, kind='pvh', memory_mib=MEMORY_MIB, vcpus=1, fields=None):
        template = next(ref for ref, record in self.call('VM.get_all_records').items()
                        if record['is_a_template'] and record['name_label'].startswith('Other'))
        vm = self.call('VM.clone', template, name)
        self.call('VM.remove_from_other_config', vm, 'disks')
        self.call('VM.provision', vm)
        self.call('VM.set_domain_type', vm, kind)
        self.call('VM.set_memory_limits', vm, 64 * MIB, memory_mib * MIB, memory_mib * MIB, memory_mib * MIB)
        self.call('VM.set_VCPUs_max', vm, vcpus)
        self.call('VM.set_VCPUs_at_startup', vm, vcpus)
        for field, value in (fields or {}).items():
            self.call(f'VM.set_{field}', vm, value)
        return vm

    def vbd(self, vm, vdi, device):
        return self.call('VBD.create', {'VM': vm, 'VDI': vdi, 'userdevice': str(device), 'bootable': device == 0,
                                        'mode': 'RW', 'type': 'Disk', 'unpluggable': True, 'empty': False, **NO_QOS})

    def vif(self, vm, device):
        return self.call('VIF.create', {'VM': vm, 'network': self.network, 'device': str(device), 'MAC': '',
                                        'MTU': 1500, **NO_QOS})

    def connect(self, vm, protocol):
        """-> a socket, by CONNECT to the location that the VM's console of this protocol has."""
        ref = next(ref for ref in self.call('VM.get_consoles', vm) if self.call('console.get_protocol', ref) == protocol)
        location = urllib.parse.urlsplit(self.call('console.get_location', ref))
        port = urllib.parse.urlsplit(self.dom0.url).port
        plain = socket.create_connection(('127.0.0.1', port), timeout=CALL_SEC)
        connection = ssl._create_unverified_context().wrap_socket(plain)
        connection.sendall(f'CONNECT {location.path}?{location.query}&session_id={self.xapi.session} HTTP/1.0\r\n'
                           '\r\n'.encode())
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            byte = connection.recv(1)
            assert byte, head
            head += byte
        assert b' 200 ' in head.splitlines()[0], head
        return connection

    def console(self, vm):
        """-> a guest.Console"""
        return guest.Console(self.connect(vm, 'vt100'))

    def start(self, vm):
        """-> its console, once the guest is up, and what it said then."""
        self.xapi.run('VM.start', vm, False, False)
        console = self.console(vm)
        return console, console.expect(r'guest: up type=(?P<type>\S+) boot=(?P<boot>\S+) nonce=(?P<nonce>\S+)',
                                       guest.UP_SEC)

    def destroy(self, vm):
        vdis = [self.call('VBD.get_VDI', vbd) for vbd in self.call('VM.get_VBDs', vm)]
        if self.call('VM.get_power_state', vm) != 'Halted':
            self.call('VM.hard_shutdown', vm)
        self.call('VM.destroy', vm)
        for vdi in filter(lambda ref: ref != NULL, vdis):
            self.call('VDI.destroy', vdi)

    def leave(self):
        """Takes all of it away, but for the session."""
        self.call('network.destroy', self.network)
        for pbd in self.call('SR.get_PBDs', self.sr):
            self.call('PBD.unplug', pbd)
        self.xapi.run('SR.destroy', self.sr)


def what_is_there(dom0):
    """-> what VMs leave behind where something is wrong, by kind."""
    return {
        'domains': dom0.shell('xl list | tail -n +2 | wc -l').strip(),
        'xenstore': dom0.shell('for d in /local/domain /vm /libxl /local/domain/0/backend/vbd '
                               '/local/domain/0/backend/vif; do xenstore-ls -f $d 2>/dev/null | wc -l; done').split(),
        'bridges': sorted(dom0.shell('ls /sys/class/net').split()),
        'nbd': dom0.shell('grep -l . /sys/block/nbd*/pid 2>/dev/null || true').split(),
        'processes': sorted(dom0.shell("ps -eo comm --ppid 2 -p 2 --deselect | grep -E 'qemu|sm-disk' || "
                                       'true').split()),
        'units': dom0.shell("systemctl list-units --plain --no-legend 'xapi-*' 'sm-*' | cut -d' ' -f1").split(),
        'loops': dom0.shell('losetup -n -O NAME 2>/dev/null || true').split(),
        'files': sorted(dom0.shell(f'find {SR_FOLDER} /run/xapi /var/lib/xapi/xenopsd -mindepth 1 -type f '
                                   '2>/dev/null || true').split()),
    }


def expect_nothing_left(dom0, before):
    """What goes by itself has its time."""
    try:
        dom0.eventually(lambda: what_is_there(dom0) == before, LEFT_SEC)
    except AssertionError:
        now = what_is_there(dom0)
        raise AssertionError(f'left: {({kind: (before[kind], now[kind]) for kind in now if now[kind] != before[kind]})}')
