# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python's xmlrpc.client, over HTTPS and over the unix socket."""
import xmlrpc.client

from harness.client import UnixConnection, tls_context
from harness.stack import PASSWORD

QUICK = True
SANITIZED = True


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        if not self._connection[1]:
            self._connection = host, UnixConnection(self.path)
        return self._connection[1]


def over_https(stack):
    return xmlrpc.client.ServerProxy(stack.url, context=tls_context(stack.certificate), allow_none=True)


def over_socket(stack):
    return xmlrpc.client.ServerProxy('http://localhost', UnixTransport(stack.socket), allow_none=True)


def value(reply):
    assert reply['Status'] == 'Success', reply
    return reply['Value']


def lifecycle(server, password):
    session = value(server.session.login_with_password('root', password))
    template = next(ref for ref, r in value(server.VM.get_all_records(session)).items()
                    if r['is_a_template'] and r['name_label'].startswith('Debian'))
    vm = value(server.VM.clone(session, template, 'python'))
    value(server.VM.provision(session, vm))
    assert value(server.VM.start(session, vm, False, False)) == ''
    assert value(server.VM.get_power_state(session, vm)) == 'Running'
    failed = server.VM.start(session, vm, False, False)
    assert failed == {'Status': 'Failure', 'ErrorDescription': ['VM_BAD_POWER_STATE', vm, 'halted', 'running']}
    value(server.VM.hard_shutdown(session, vm))
    value(server.VM.destroy(session, vm))
    assert value(server.session.logout(session)) == ''


def test_lifecycle_over_https(stack):
    lifecycle(over_https(stack), PASSWORD)


def test_lifecycle_over_the_socket(stack):
    lifecycle(over_socket(stack), PASSWORD)


def test_socket_takes_any_password(stack):
    server = over_socket(stack)
    session = value(server.session.login_with_password('anybody', 'anything'))
    assert value(server.session.get_is_local_superuser(session, session)) is True


def test_wrong_password_over_https(stack):
    reply = over_https(stack).session.login_with_password('root', 'wrong')
    assert reply['Status'] == 'Failure' and reply['ErrorDescription'][:2] == ['SESSION_AUTHENTICATION_FAILED', 'root']


def test_list_methods_is_a_bare_array(stack):
    names = over_https(stack).system.listMethods()
    assert 'VM.start' in names and 'Async.VM.start' not in names


def test_scalars(stack):
    server = over_https(stack)
    session = value(server.session.login_with_password('root', PASSWORD))
    host, = value(server.host.get_all(session))
    record = value(server.host.get_record(session, host))
    assert isinstance(record['enabled'], bool)
    assert record['API_version_major'] == str(int(record['API_version_major']))
    metrics = value(server.host_metrics.get_record(session, record['metrics']))
    assert isinstance(metrics['last_updated'], xmlrpc.client.DateTime)
    events = value(server.event.__getattr__('from')(session, ['host'], '', 0.0))
    assert all(isinstance(n, int) for n in events['valid_ref_counts'].values())
