# SPDX-License-Identifier: LGPL-2.1-or-later
"""XenAPI clients of the tests' own, as thin as possible: what goes over the wire is what the test says."""
import http.client
import json
import socket
import ssl
import time
import urllib.parse
import xmlrpc.client

NULL = 'OpaqueRef:NULL'
TIMEOUT_SEC = 60
EVENT_SEC = 20.0        # an event.from that blocks longer than this has missed what it waits for


class XapiError(Exception):
    """What the server answered instead of a value: .code and .params."""

    def __init__(self, method, details):
        super().__init__(f'{method}: {details}')
        self.code, self.params = details[0], list(details[1:])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=TIMEOUT_SEC):
        super().__init__('localhost', timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def tls_context(certificate=None):
    """Trusts the given certificate alone; without one, anything."""
    if certificate:
        context = ssl.create_default_context(cafile=certificate)
        context.check_hostname = False
        return context
    return ssl._create_unverified_context()


def connection(target, timeout=TIMEOUT_SEC):
    """To a URL or to the path of a unix socket; not connected yet."""
    if not str(target).startswith('https:'):
        return UnixConnection(target, timeout)
    parts = urllib.parse.urlsplit(target)
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=tls_context())


class JsonTransport:
    def __init__(self, target, timeout=TIMEOUT_SEC, version='2.0', content_type='application/json'):
        self.http = connection(target, timeout)
        self.version, self.content_type, self.id = version, content_type, 0

    def request(self, method, params):
        self.id += 1
        body = {'id': self.id, 'method': method, 'params': params}
        if self.version == '2.0':
            body['jsonrpc'] = '2.0'
        self.http.request('POST', '/jsonrpc', json.dumps(body), {'Content-Type': self.content_type})
        reply = self.http.getresponse()
        answer = json.loads(reply.read())
        assert reply.status == 200 and answer['id'] == self.id, (reply.status, answer)
        error = answer.get('error')
        if not error:
            return answer['result']
        raise XapiError(method, [error['message'], *error['data']] if self.version == '2.0' else error)

    def close(self):
        self.http.close()


class XmlTransport:
    def __init__(self, target, timeout=TIMEOUT_SEC):
        self.http = connection(target, timeout)

    def request(self, method, params):
        body = xmlrpc.client.dumps(tuple(params), method, allow_none=True)
        self.http.request('POST', '/RPC2', body.encode(), {'Content-Type': 'text/xml'})
        reply = self.http.getresponse()
        (answer,), _ = xmlrpc.client.loads(reply.read())
        assert reply.status == 200, reply.status
        if not (isinstance(answer, dict) and 'Status' in answer):
            return answer
        if answer['Status'] == 'Success':
            return answer['Value']
        raise XapiError(method, answer['ErrorDescription'])

    def close(self):
        self.http.close()


class Xapi:
    """A logged-in session; xapi.call('VM.start', ref, False, False)."""
    event_sec = EVENT_SEC

    def __init__(self, transport, user, password):
        self.transport = transport
        self.session = transport.request('session.login_with_password', [user, password, '1.0', 'tests'])

    def call(self, method, *params):
        return self.transport.request(method, [self.session, *params])

    def close(self):
        self.transport.close()

    def logout(self):
        self.call('session.logout')
        self.close()

    # ---- what most tests need ----

    def wait_task(self, task):
        """Follows the task's events to its end -> its record."""
        token = ''
        while True:
            batch = self.call('event.from', [f'task/{task}'], token, self.event_sec)
            token = batch['token']
            assert batch['events'], f'{task} did not end in {self.event_sec} s: {self.call("task.get_record", task)}'
            for event in batch['events']:
                if event['operation'] != 'del' and event['snapshot']['status'] not in ('pending', 'cancelling'):
                    return event['snapshot']

    def run(self, method, *params):
        """The message as a task, to its success -> the task's record."""
        task = self.call('Async.' + method, *params)
        record = self.wait_task(task)
        self.call('task.destroy', task)
        if record['status'] != 'success':
            raise XapiError(method, record['error_info'])
        return record

    def wait_for(self, cls, ref, condition):
        """Follows the object's events until the condition holds of its record -> the record."""
        token = ''
        while True:
            batch = self.call('event.from', [f'{cls}/{ref}'], token, self.event_sec)
            token = batch['token']
            assert batch['events'], f'nothing happened to {cls} {ref}: {self.call(cls + ".get_record", ref)}'
            for event in batch['events']:
                if event['operation'] != 'del' and condition(event['snapshot']):
                    return event['snapshot']

    def template(self, prefix='Debian'):
        return next(ref for ref, r in self.call('VM.get_all_records').items()
                    if r['is_a_template'] and r['name_label'].startswith(prefix))

    def storage(self):
        return next(ref for ref, r in self.call('SR.get_all_records').items()
                    if 'vdi_create' in r['allowed_operations'])

    def make_vm(self, name='vm', disks=0, interfaces=0, template='Diskless'):
        vm = self.call('VM.clone', self.template(template), name)
        self.call('VM.remove_from_other_config', vm, 'disks')
        self.call('VM.provision', vm)
        for device in range(disks):
            self.add_disk(vm, str(device))
        for device in range(interfaces):
            network = self.call('network.get_all')[0]
            self.call('VIF.create', {'VM': vm, 'network': network, 'device': str(device), 'MAC': '', 'MTU': 1500,
                                     'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}})
        return vm

    def add_disk(self, vm, device, size_bytes=64 << 20):
        vdi = self.call('VDI.create', {
            'name_label': f'disk {device}', 'SR': self.storage(), 'virtual_size': size_bytes, 'type': 'user',
            'sharable': False, 'read_only': False, 'other_config': {}})
        self.call('VBD.create', {
            'VM': vm, 'VDI': vdi, 'userdevice': device, 'bootable': device == '0', 'mode': 'RW', 'type': 'Disk',
            'unpluggable': True, 'empty': False, 'other_config': {}, 'qos_algorithm_type': '',
            'qos_algorithm_params': {}})
        return vdi

    def remove_vm(self, vm):
        if self.call('VM.get_power_state', vm) != 'Halted':
            self.call('VM.hard_shutdown', vm)
        vdis = [self.call('VBD.get_VDI', vbd) for vbd in self.call('VM.get_VBDs', vm)]
        self.call('VM.destroy', vm)
        for vdi in vdis:
            if vdi != NULL:
                self.call('VDI.destroy', vdi)


def eventually(function, seconds=20):
    """Asks again and again, for what tells nobody when it changes -> the first true answer."""
    deadline = time.monotonic() + seconds
    while not (value := function()):
        assert time.monotonic() < deadline, f'still not so after {seconds} s'
        time.sleep(0.02)
    return value


def expect_error(code, function, *arguments):
    """-> the parameters of the error with which the call must fail."""
    try:
        value = function(*arguments)
    except XapiError as error:
        assert error.code == code, f'want {code}, got {error}'
        return error.params
    raise AssertionError(f'want {code}, got the value {value!r}')
