# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of sessions."""
import threading

from harness.client import XapiError, expect_error

QUICK = True
SANITIZED = True
STACK = {'users': {'readonly': ('secret', 'read-only')}}


def test_logout_wakes_its_long_polls(stack):
    waiting, xapi = stack.json(), stack.json()
    token = waiting.call('event.from', ['vm'], '', 20.0)['token']
    seen = []

    def poll():
        try:
            seen.append(waiting.call('event.from', ['vm'], token, 60.0))
        except XapiError as error:
            seen.append(error.code)
    thread = threading.Thread(target=poll)
    thread.start()
    xapi.transport.request('session.logout', [waiting.session])
    thread.join(20)
    assert seen == ['SESSION_INVALID']


def test_logged_out_session_is_invalid(stack):
    xapi = stack.json()
    xapi.call('session.logout')
    assert expect_error('SESSION_INVALID', xapi.call, 'VM.get_all') == [xapi.session]


def test_sessions_are_apart(stack):
    first, second = stack.json(), stack.xml()
    assert first.session != second.session
    first.call('session.logout')
    assert second.call('pool.get_all')


def test_session_outlives_its_connection(stack):
    xapi = stack.json()
    for _ in range(3):
        xapi.close()
        assert xapi.call('pool.get_all')


def test_database_opens_no_session(stack):
    """A copy of what is on the disk gives nobody a session."""
    xapi = stack.json()
    task = xapi.call('task.create', 'label', 'description')
    files = list((stack.folder / 'xapi-core').glob('xapi.db*'))
    assert any(task.removeprefix('OpaqueRef:').encode() in path.read_bytes() for path in files)
    for path in files:
        assert xapi.session.removeprefix('OpaqueRef:').encode() not in path.read_bytes(), path
    # nor does what is there for all to see give one to who may do less
    uuid = xapi.call('session.get_uuid', xapi.session)
    assert xapi.call('session.get_by_uuid', uuid) == xapi.session
    assert stack.json().call('session.get_by_uuid', uuid) == xapi.session
    other = stack.json(user='readonly', password='secret')
    ref = other.call('session.get_by_uuid', uuid)
    assert ref != xapi.session and other.call('session.get_uuid', ref) == uuid
    xapi.call('task.destroy', task)
