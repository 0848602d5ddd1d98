# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wire shapes of XenCenter: login that falls back, roles, and a cache filled by one event.from."""
import itertools
import json

from harness.client import connection
from harness.stack import PASSWORD

QUICK = True
NO_EVENTS = {'secret'}


class XenCenter:
    """JSON-RPC 2.0 with running ids that may be negative; one connection for each use."""

    def __init__(self, stack):
        self.stack, self.ids = stack, itertools.count(-2)
        self.http = connection(stack.url)
        self.session = None

    def raw(self, method, *params):
        number = next(self.ids)
        self.http.request('POST', '/jsonrpc', json.dumps(
            {'jsonrpc': '2.0', 'method': method, 'params': params, 'id': number}),
            {'Content-Type': 'application/json; charset=utf-8', 'User-Agent': 'XenAPI/2024.0', 'Accept': '*/*'})
        reply = self.http.getresponse()
        answer = json.loads(reply.read())
        assert reply.status == 200 and answer['id'] == number, answer
        return answer

    def call(self, method, *params):
        answer = self.raw(method, *([self.session] if self.session else []), *params)
        assert 'error' not in answer, answer
        return answer['result']

    def login(self):
        """As recorded: fewer parameters after each count mismatch."""
        for params in (('2.21', 'XenCenter 2024.0', 'x', 'x'), ('2.21', 'XenCenter 2024.0'), ('2.21',), ()):
            answer = self.raw('session.login_with_password', 'root', PASSWORD, *params)
            if 'result' in answer:
                self.session = answer['result']
                return
            assert answer['error']['message'] == 'MESSAGE_PARAMETER_COUNT_MISMATCH', answer
        raise AssertionError('no login')


def logged_in(stack):
    client = XenCenter(stack)
    client.login()
    return client


def test_first_calls(stack):
    client = logged_in(stack)
    (pool,) = client.call('pool.get_all_records').values()
    host = client.call('host.get_record', pool['master'])
    assert (host['API_version_major'], host['API_version_minor']) >= (2, 6)
    assert client.call('session.get_is_local_superuser', client.session) is True
    assert client.call('host.get_servertime', pool['master'])


def test_roles(stack):
    client = logged_in(stack)
    roles = client.call('role.get_all_records')
    by_name = {r['name_label']: r for r in roles.values()}
    for name in ('pool-admin', 'pool-operator', 'vm-power-admin', 'vm-admin', 'vm-operator', 'read-only'):
        assert by_name[name]['subroles'], name
    assert all(sub in roles for role in roles.values() for sub in role['subroles'])


def test_cache_is_filled_by_one_event_from(stack):
    client = logged_in(stack)
    batch = client.call('event.from', ['*'], '', 30.0)
    assert {event['operation'] for event in batch['events']} == {'add'}
    assert len({(e['class'], e['ref']) for e in batch['events']}) == len(batch['events'])
    classes = [m.removesuffix('.get_all_records') for m in client.raw('system.listMethods')['result']
               if m.endswith('.get_all_records')]
    assert len(classes) > 60
    for name in set(classes) - NO_EVENTS:
        seen = {e['ref']: e['snapshot'] for e in batch['events'] if e['class'] == name.lower()}
        answer = client.raw(f'{name}.get_all_records', client.session)
        if 'error' in answer:
            assert answer['error']['message'] == 'MESSAGE_REMOVED', answer
            continue
        there = answer['result']
        assert set(seen) == set(there), name
        assert all(set(seen[ref]) == set(there[ref]) for ref in seen), name


def test_changes_come_after_the_cache(stack):
    client, other = logged_in(stack), stack.json()
    token = client.call('event.from', ['*'], '', 30.0)['token']
    pool, = other.call('pool.get_all')
    other.call('pool.set_name_description', pool, 'seen by another')
    while True:
        batch = client.call('event.from', ['*'], token, 30.0)
        token = batch['token']
        assert batch['events'], 'no event'
        seen = [e for e in batch['events'] if e['ref'] == pool]
        if seen and seen[0]['snapshot']['name_description'] == 'seen by another':
            assert seen[0]['operation'] == 'mod'
            return


def test_two_connections_at_once(stack):
    """A long poll on one does not hold up the heartbeat on the other."""
    client, heart = logged_in(stack), XenCenter(stack)
    token = client.call('event.from', ['*'], '', 30.0)['token']
    client.http.request('POST', '/jsonrpc', json.dumps(
        {'jsonrpc': '2.0', 'method': 'event.from', 'params': [client.session, ['pool'], token, 30.0], 'id': 9}),
        {'Content-Type': 'application/json; charset=utf-8'})
    heart.session = client.session
    host, = heart.call('host.get_all')
    assert heart.call('host.get_servertime', host)
    pool, = heart.call('pool.get_all')
    heart.call('event.inject', 'pool', pool)
    answer = json.loads(client.http.getresponse().read())
    assert [e['ref'] for e in answer['result']['events']] == [pool]
