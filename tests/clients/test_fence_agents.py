# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's fence-agents: XenAPI.py as it stands there, and the agent that uses it."""
import importlib.util
import ssl
import subprocess

from harness.client import eventually
from harness.stack import PASSWORD

QUICK = True
XENAPI_PY = '/usr/share/fence/XenAPI.py'


def xenapi_module():
    spec = importlib.util.spec_from_file_location('XenAPI', XENAPI_PY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# XenAPI.py has no way to hand it a TLS context; its users set Python's default.
ssl._create_default_https_context = ssl._create_unverified_context
XenAPI = xenapi_module()


def login(stack, password=PASSWORD):
    session = XenAPI.Session(stack.url)
    session.xenapi.login_with_password('root', password, '1.0', 'tests')
    return session


def refusal(function, *arguments):
    try:
        function(*arguments)
    except XenAPI.Failure as failure:
        return failure.details
    raise AssertionError('no failure')


def test_first_calls(stack):
    xenapi = login(stack).xenapi
    pool, = xenapi.pool.get_all()
    master = xenapi.pool.get_master(pool)
    assert (int(xenapi.host.get_API_version_major(master)), int(xenapi.host.get_API_version_minor(master))) >= (2, 21)
    records = xenapi.VM.get_all_records()
    assert [r for r in records.values() if r['is_control_domain']]
    assert all(isinstance(r['VCPUs_max'], str) for r in records.values())
    xenapi.session.logout()


def test_wrong_password(stack):
    details = refusal(login, stack, 'wrong')
    assert details[:2] == ['SESSION_AUTHENTICATION_FAILED', 'root'], details


def test_lifecycle(stack):
    xenapi = login(stack).xenapi
    template = next(ref for ref, r in xenapi.VM.get_all_records().items()
                    if r['is_a_template'] and r['name_label'].startswith('Debian'))
    vm = xenapi.VM.clone(template, 'fence')
    xenapi.VM.provision(vm)
    task = xenapi.Async.VM.start(vm, False, False)
    assert eventually(lambda: (s := xenapi.task.get_status(task)) != 'pending' and s) == 'success'
    xenapi.task.destroy(task)
    assert xenapi.VM.get_power_state(vm) == 'Running'
    assert refusal(xenapi.VM.start, vm, False, False) == ['VM_BAD_POWER_STATE', vm, 'halted', 'running']
    xenapi.VM.clean_shutdown(vm)
    assert xenapi.VM.get_power_state(vm) == 'Halted'
    xenapi.VM.destroy(vm)
    assert refusal(xenapi.VM.get_record, vm) == ['HANDLE_INVALID', 'VM', vm]


def test_logs_in_again_when_its_session_ends(stack):
    session = login(stack)
    stack.json().transport.request('session.logout', [session._session])
    assert session.xenapi.pool.get_all()


def test_none_is_a_value(stack):
    session = login(stack)
    assert refusal(session.xenapi.VM.get_by_uuid, None)


# The agent as it stands, with the same default for TLS as above.
AGENT = """
import runpy, ssl
ssl._create_default_https_context = ssl._create_unverified_context
runpy.run_path('/usr/sbin/fence_xenapi', run_name='__main__')
"""


def agent(stack, *arguments):
    return subprocess.run(['/usr/bin/python3', '-c', AGENT, '--session-url', stack.url, '-l', 'root', '-p', PASSWORD,
                           *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)


def test_agent_lists_and_fences(stack):
    xapi = stack.json()
    vm = xapi.make_vm('fenced')
    uuid = xapi.call('VM.get_uuid', vm)
    assert uuid in agent(stack, '-o', 'list').stdout
    for action, state in (('on', 'Running'), ('reboot', 'Running'), ('off', 'Halted')):
        done = agent(stack, '-o', action, '-n', uuid)
        assert done.returncode == 0, done.stdout
        assert xapi.call('VM.get_power_state', vm) == state
    assert agent(stack, '-o', 'status', '-n', uuid).returncode == 2     # off
    xapi.remove_vm(vm)
