# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users of several roles, and what each may not."""
import concurrent.futures

from harness.client import JsonTransport, Xapi, expect_error

QUICK = True
ROLES = ['pool-admin', 'pool-operator', 'vm-power-admin', 'vm-admin', 'vm-operator', 'read-only']
STACK = {'users': {role.replace('-', ''): ('secret', role) for role in ROLES}}


def user(stack, role):
    return stack.json(user=role.replace('-', ''), password='secret')


def allowed(stack, method, *params):
    """-> the roles whose users get past the check; what the call says then does not matter."""
    found = []
    for role in ROLES:
        xapi = user(stack, role)
        try:
            xapi.call(method, *params)
        except Exception as error:
            if getattr(error, 'code', None) == 'RBAC_PERMISSION_DENIED':
                assert error.params[0] == method.lower(), error
                continue
        found.append(role)
    return found


def test_everyone_reads(stack):
    assert allowed(stack, 'VM.get_all_records') == ROLES


def test_starting_a_vm(stack):
    assert allowed(stack, 'VM.start', 'OpaqueRef:none', False, False) == ROLES[:5]


def test_making_a_vm(stack):
    assert allowed(stack, 'VM.clone', 'OpaqueRef:none', 'x') == ROLES[:4]


def test_pool_settings(stack):
    pool, = stack.json().call('pool.get_all')
    assert allowed(stack, 'pool.set_name_description', pool, 'by a role') == ROLES[:2]


def test_subjects_are_for_admins(stack):
    assert allowed(stack, 'subject.add_to_roles', 'OpaqueRef:none', 'OpaqueRef:none') == ROLES[:1]


def test_denial_comes_before_the_object(stack):
    """Who may not ask does not learn what there is."""
    reader = user(stack, 'read-only')
    assert expect_error('RBAC_PERMISSION_DENIED', reader.call, 'VM.destroy', 'OpaqueRef:none')[0] == 'vm.destroy'


def test_denied_async_makes_no_task(stack):
    reader, admin = user(stack, 'read-only'), stack.json()
    before = admin.call('task.get_all')
    expect_error('RBAC_PERMISSION_DENIED', reader.call, 'Async.VM.start', 'OpaqueRef:none', False, False)
    assert admin.call('task.get_all') == before


def test_what_readers_leave_behind_is_bounded(stack):
    """At the limit and one past it: they can change nothing but their tasks, and must not fill the memory with those."""
    reader, most = user(stack, 'read-only'), 32 << 10
    expect_error('INVALID_VALUE', reader.call, 'task.create', 'x' * (most + 1), '')
    expect_error('INVALID_VALUE', reader.call, 'task.create', '', 'x' * (most + 1))
    task = reader.call('task.create', 'x' * most, 'x' * most)
    for field, full, more in (('result', 'x' * most, 'x' * (most + 1)),
                              ('error_info', ['x' * (most - 1), 'x'], ['x' * most, 'x']),
                              ('other_config', {'x': 'x' * (most - 1)}, {'x': 'x' * most})):
        expect_error('INVALID_VALUE', reader.call, f'task.set_{field}', task, more)
        reader.call(f'task.set_{field}', task, full)
        assert reader.call(f'task.get_{field}', task) == full
    expect_error('INVALID_VALUE', reader.call, 'task.add_to_other_config', task, 'y', '')
    assert list(reader.call('task.get_other_config', task)) == ['x']
    reader.call('task.set_status', task, 'success')
    reader.call('task.destroy', task)
    login = ['readonly', 'secret', '1.0']
    expect_error('INVALID_VALUE', reader.transport.request, 'session.login_with_password', [*login, 'x' * 1025])
    assert reader.transport.request('session.login_with_password', [*login, 'x' * 1024])


def test_session_knows_its_user(stack):
    operator = user(stack, 'vm-operator')
    assert operator.call('session.get_auth_user_name', operator.session) == 'vmoperator'
    permissions = [p.lower() for p in operator.call('session.get_rbac_permissions', operator.session)]
    assert 'vm.start' in permissions and 'vm.clone' not in permissions


def test_wrong_passwords_and_unknown_users(stack):
    """Each is answered late, and one does not wait for another."""
    def attempt(name, password):
        return name, expect_error('SESSION_AUTHENTICATION_FAILED', Xapi, JsonTransport(stack.url), name, password)[0]
    wrong = [('root', 'wrong'), ('nobody-here', 'secret'), ('', ''), ('readonly', 'secret ')]
    with concurrent.futures.ThreadPoolExecutor(len(wrong)) as pool:
        assert all(name == said for name, said in pool.map(attempt, *zip(*wrong)))
