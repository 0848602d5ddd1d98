# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wire shapes of the Go SDK, and of the Terraform provider above it."""
import json
import ssl

from harness.client import connection
from harness.stack import PASSWORD

QUICK = True
FIRST_CALLS_USER_AGENT = 'terraform provider'


class GoSdk:
    """JSON-RPC 2.0 with id 0, a charset in the content type, and no `params` when there are none."""

    def __init__(self, stack):
        self.http = connection(stack.url)
        self.session = self.call('session.login_with_password', 'root', PASSWORD, '1.0', FIRST_CALLS_USER_AGENT)

    def raw(self, method, *params):
        request = {'jsonrpc': '2.0', 'method': method, 'id': 0}
        if params:
            request['params'] = params
        self.http.request('POST', '/jsonrpc', json.dumps(request),
                          {'Content-Type': 'application/json; charset=utf-8', 'User-Agent': 'XenAPI/Go'})
        reply = self.http.getresponse()
        answer = json.loads(reply.read())
        assert reply.status == 200 and answer['id'] == 0, answer
        return answer

    def call(self, method, *params):
        answer = self.raw(method, *params)
        assert 'error' not in answer, answer
        return answer['result']


def test_sequence_of_the_terraform_provider(stack):
    sdk = GoSdk(stack)
    for _ in range(2):
        pool, = sdk.call('pool.get_all', sdk.session)
        record = sdk.call('pool.get_record', sdk.session, pool)
        host = sdk.call('host.get_record', sdk.session, record['master'])
        assert 'xapi' in host['software_version']


def test_records_hold_what_go_converts(stack):
    """Ints as numbers, sets as arrays, maps as objects, and each field there."""
    sdk = GoSdk(stack)
    records = sdk.call('VM.get_all_records', sdk.session)
    fields = {frozenset(record) for record in records.values()}
    assert len(fields) == 1
    for record in records.values():
        assert type(record['memory_static_max']) is int and type(record['is_a_template']) is bool
        assert type(record['VBDs']) is list and type(record['other_config']) is dict
        assert type(record['snapshot_time']) is str


def test_params_may_be_left_out(stack):
    assert 'VM.start' in GoSdk(stack).call('system.listMethods')


def test_dates_with_dashes_are_taken(stack):
    sdk = GoSdk(stack)
    message = sdk.call('message.get_since', sdk.session, '2024-01-31T12:34:56Z')
    assert message == {}


def test_error_has_code_message_and_data(stack):
    sdk = GoSdk(stack)
    error = sdk.raw('VM.get_by_uuid', sdk.session, 'no-such-uuid')['error']
    assert error == {'code': 1, 'message': 'UUID_INVALID', 'data': ['VM', 'no-such-uuid']}


def ciphers(stack, names):
    context = ssl.create_default_context(cafile=stack.certificate)
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(names)
    http = connection(stack.url)
    http._context = context
    http.connect()
    return http.sock.version(), http.sock.cipher()[0]


def test_tls_1_2_with_the_ciphers_of_the_sdk(stack):
    for name in ('ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-GCM-SHA256'):
        assert ciphers(stack, name) == ('TLSv1.2', name)


def test_older_tls_is_refused(stack):
    context = ssl._create_unverified_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers('DEFAULT@SECLEVEL=0')
    http = connection(stack.url)
    http._context = context
    try:
        http.connect()
    except OSError:
        return
    raise AssertionError('TLS 1.1 was accepted')
