# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job before your eyes, as any client would do it: Python's own XML-RPC over HTTPS."""
import contextlib
import ssl
import sys
import xmlrpc.client

TEMPLATE = 'Debian'
DISK_BYTES = 8 << 30
WAIT_SEC = 60           # for a VM to get where it is told to go


class Failed(Exception):
    pass


class Client:
    """A logged-in XenAPI session; client.call('VM.start', ref, ...) raises Failed with the server's error."""

    def __init__(self, status, password):
        # Trusts this stack's certificate and no other.
        tls = ssl.create_default_context(cafile=status['certificate'])
        tls.check_hostname = False
        self.server = xmlrpc.client.ServerProxy(status['url'], context=tls, allow_none=True)
        self.session = None
        self.session = self.call('session.login_with_password', status['user'], password, '1.0', 'xapi-try demo')

    def call(self, method, *parameters):
        if self.session:
            parameters = (self.session, *parameters)
        reply = getattr(self.server, method)(*parameters)
        if reply['Status'] != 'Success':
            raise Failed(f'{method}: {" ".join(reply["ErrorDescription"])}')
        return reply['Value']

    def first(self, cls, matches):
        for ref, record in self.call(f'{cls}.get_all_records').items():
            if matches(record):
                return ref, record
        raise Failed(f'there is no such {cls}')


def step(text):
    print(f'• {text}', flush=True)


def follow(client, vm, task, wanted):
    """Prints the VM's changes as the server tells of them, until the task is done and the VM is as wanted."""
    token, state, ended = '', None, False
    classes = [f'VM/{vm}', f'task/{task}']
    while not (ended and state == wanted):
        batch = client.call('event.from', classes, token, float(WAIT_SEC))
        token = batch['token']
        if not batch['events']:
            raise Failed(f'no event within {WAIT_SEC} s; the VM is {state}')
        for event in batch['events']:
            record = event.get('snapshot', {})
            if event['class'] == 'vm' and record.get('power_state') != state:
                state = record['power_state']
                print(f'    event: the VM is {state}', flush=True)
            elif event['class'] == 'task' and record.get('status') not in (None, 'pending'):
                ended = True
                print(f'    event: the task ended with {record["status"]}', flush=True)
                if record['status'] != 'success':
                    raise Failed(' '.join(record['error_info']))
    client.call('task.destroy', task)


def run_steps(client, undo):
    version = client.call('host.get_software_version', client.call('session.get_this_host', client.session))
    step(f'logged in over HTTPS to {version.get("product_brand", "xapi")} {version.get("xapi", "")}'.rstrip())
    undo.callback(client.call, 'session.logout')

    template, record = client.first('VM', lambda r: r['is_a_template'] and r['name_label'].startswith(TEMPLATE))
    vm = client.call('VM.clone', template, 'demo')
    undo.callback(remove, client, vm)
    client.call('VM.provision', vm)
    step(f'made the VM "demo" from the template "{record["name_label"]}"')

    sr, record = client.first('SR', lambda r: 'vdi_create' in r['allowed_operations'] and r['PBDs'])
    vdi = client.call('VDI.create', {
        'name_label': 'demo disk', 'name_description': '', 'SR': sr, 'virtual_size': str(DISK_BYTES), 'type': 'user',
        'sharable': False, 'read_only': False, 'other_config': {}, 'xenstore_data': {}, 'sm_config': {}, 'tags': []})
    client.call('VBD.create', {
        'VM': vm, 'VDI': vdi, 'userdevice': 'autodetect', 'bootable': True, 'mode': 'RW', 'type': 'Disk', 'unpluggable': True,
        'empty': False, 'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}})
    step(f'gave it a disk of {DISK_BYTES >> 30} GiB in "{record["name_label"]}"')

    network, record = client.first('network', lambda r: r['other_config'].get('is_guest_installer_network') != 'true')
    client.call('VIF.create', {
        'device': '0', 'network': network, 'VM': vm, 'MAC': '', 'MTU': '1500', 'other_config': {},
        'qos_algorithm_type': '', 'qos_algorithm_params': {}})
    step(f'gave it an interface on "{record["name_label"]}"')

    step('starting it')
    follow(client, vm, client.call('Async.VM.start', vm, False, False), 'Running')
    undo.callback(hard_shutdown, client, vm)
    step('asking the guest to shut down')
    follow(client, vm, client.call('Async.VM.clean_shutdown', vm), 'Halted')


def remove(client, vm):
    """The VM, and the disks that were made for it: by the template and here."""
    disks = [client.call('VBD.get_VDI', vbd) for vbd in client.call('VM.get_VBDs', vm)]
    client.call('VM.destroy', vm)
    for vdi in disks:
        client.call('VDI.destroy', vdi)


def hard_shutdown(client, vm):
    if client.call('VM.get_power_state', vm) != 'Halted':
        client.call('VM.hard_shutdown', vm)


def run(status, password):
    """-> the exit status."""
    try:
        # Whatever was made is removed again, last first, also after a failure.
        with contextlib.ExitStack() as undo:
            run_steps(Client(status, password), undo)
            step('removing the VM and its disk')
    except (Failed, OSError, xmlrpc.client.Error) as error:
        print(f'demo failed: {error}', file=sys.stderr, flush=True)
        return 1
    print('demo passed', flush=True)
    return 0
