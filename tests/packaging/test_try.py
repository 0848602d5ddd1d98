# SPDX-License-Identifier: LGPL-2.1-or-later
"""packaging/try as a person and a client's test suite use it."""
import json
import os
import signal
import socket
import subprocess

from harness.client import JsonTransport, Xapi, eventually
from harness.stack import PASSWORD, XAPI_TRY, Stack, xapi_try

QUICK = True
STOP_SEC = 60


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_demo(stack):
    done = xapi_try('demo', '--state', stack.folder, check=False)
    assert done.returncode == 0, done.stdout
    assert 'Running' in done.stdout and 'Halted' in done.stdout and done.stdout.endswith('demo passed\n')
    xapi = stack.json()
    assert not xapi.call('VM.get_by_name_label', 'demo') and not xapi.call('VDI.get_by_name_label', 'demo disk')


def test_failing_demo_says_so(stack):
    (stack.folder / 'password').write_text('wrong\n')
    done = xapi_try('demo', '--state', stack.folder, check=False)
    (stack.folder / 'password').write_text(PASSWORD + '\n')
    assert done.returncode == 1 and 'SESSION_AUTHENTICATION_FAILED' in done.stdout


def test_status(stack):
    status = stack.status()
    assert status['url'] == stack.url and status['socket'] == str(stack.socket) and status['serving'] is True
    assert len(status['daemons']) == 8 and all(alive(pid) for pid in status['daemons'].values())
    assert PASSWORD in xapi_try('status', '--state', stack.folder).stdout


def test_second_up_in_the_same_folder_is_refused(stack):
    done = xapi_try('up', '--detach', '--port', 0, '--state', stack.folder, check=False)
    assert done.returncode == 1 and 'already' in done.stdout
    assert stack.json().call('pool.get_all')


def test_side_by_side(stack, fresh):
    assert stack.url != fresh.url
    pools = {s.json().call('pool.get_all_records').popitem()[1]['uuid'] for s in (stack, fresh)}
    assert len(pools) == 2


def test_port_in_use_is_said(folder):
    with socket.create_server(('127.0.0.1', 0)) as busy:
        done = xapi_try('up', '--detach', '--port', busy.getsockname()[1], '--state', folder / 's', check=False)
    assert done.returncode == 1 and 'xapi-core' in done.stdout
    assert not [pid for pid in os.listdir('/proc') if pid.isdigit() and belongs(pid, folder / 's')]


def belongs(pid, folder):
    try:
        with open(f'/proc/{pid}/environ', 'rb') as file:
            return f'XAPI_TRY_STATE={folder}'.encode() in file.read().split(b'\0')
    except OSError:
        return False


def test_chosen_port_and_kept_password(folder):
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    state = folder / 's'
    try:
        done = xapi_try('up', '--detach', '--port', port, '--state', state, '--password', 'chosen one')
        assert done.stdout.splitlines()[-1] == f'ready https://127.0.0.1:{port}'
        xapi_try('down', '--state', state)
        xapi_try('up', '--detach', '--port', port, '--state', state)
        Xapi(JsonTransport(f'https://127.0.0.1:{port}'), 'root', 'chosen one').close()
    finally:
        xapi_try('down', '--state', state)


def test_vms_to_begin_with():
    stack = Stack(vms=3)
    try:
        xapi = stack.json()
        vms = [r for r in xapi.call('VM.get_all_records').values()
               if not r['is_a_template'] and not r['is_control_domain']]
        assert len(vms) == 3
        assert all((r['power_state'], len(r['VBDs']), len(r['VIFs'])) == ('Halted', 2, 1) for r in vms)
        vm, = xapi.call('VM.get_by_uuid', vms[0]['uuid']),
        xapi.call('VM.start', vm, False, False)
        xapi.call('VM.hard_shutdown', vm)
    finally:
        faults = stack.down()
    assert not faults, faults


def test_a_daemon_that_dies_is_started_again(fresh):
    for daemon in fresh.status()['daemons']:
        fresh.kill(daemon)
    assert eventually(lambda: xapi_try('demo', '--state', fresh.folder, check=False).returncode == 0)


def test_down_after_the_supervisor_was_killed(fresh):
    status = fresh.status()
    os.kill(status['supervisor'], signal.SIGKILL)
    xapi_try('down', '--state', fresh.folder)
    assert not [name for name, pid in status['daemons'].items() if alive(pid)]
    fresh.up()
    assert fresh.json().call('pool.get_all')


def test_down_where_nothing_is_up(folder):
    xapi_try('down', '--state', folder / 'none')
    assert xapi_try('status', '--state', folder / 'none', check=False).returncode == 3


def test_everything_until_interrupted(folder):
    state = folder / 's'
    process = subprocess.Popen([XAPI_TRY, '--port', '0', '--state', state], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = []
    for line in process.stdout:
        seen.append(line)
        if 'until interrupted' in line:
            break
    text = ''.join(seen)
    for word in ('URL', 'user', 'password', 'SHA-256', 'demo passed'):
        assert word in text, text
    daemons = json.loads((state / 'status.json').read_text())['daemons']
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_SEC) == 0
    assert not [name for name, pid in daemons.items() if alive(pid)]
