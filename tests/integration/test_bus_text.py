# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text on the bus that is not UTF-8, or has a NUL in it: whom it comes to refuses it, says so, and goes on as before."""
import json
import threading

from fault_parts import frames
from fault_parts.daemons import QUEUES, switch_path
from harness.client import XapiError

QUICK = True
SANITIZED = True
CALLS = {                       # each is told a text, %s, that is refused
    'xenopsd': b'{"method":"VM.exists","params":[{"debug_info":"tests","id":"%s"}],"id":1}',
    'sm-daemon': b'{"method":"SR.scan","params":[{"dbg":"tests","sr":"%s"}],"id":1}',
    'networkd': b'{"method":"Network.Interface.exists","params":[{"name":"%s"},"tests"],"id":1}',
    'squeezed': b'{"method":"login","params":["tests","%s"],"id":1}',
    'rrdd': b'{"method":"remove_rrd","params":[{"uuid":"%s"}],"id":1}',
    'xapi-helper': b'{"method":"call_extension","params":[{"dbg":"tests","name":"none","call":{"%s":1}}],"id":1}',
}
TEXTS = {b'a\xff': b'is not UTF-8', b'\xed\xa0\x80': b'is not UTF-8', b'a\\u0000b': b'has a NUL in it',
         b'a\x00b': b'has a NUL in it'}


def test_daemons_refuse_it(stack):
    for daemon, call in CALLS.items():
        with frames.Client(switch_path(stack)) as client:
            for text, why in TEXTS.items():
                client.send(frames.CALL, 1, QUEUES[daemon].encode(), call % text)
                reply = client.next()
                assert reply.kind == frames.REPLY and why in reply.body, (daemon, text, reply)
                assert json.loads(reply.body)['error'], (daemon, reply)


def answer_always(service, body):
    try:
        while True:
            frame = service.next()
            if frame.kind == frames.CALL:
                service.send(frames.REPLY, frame.id, body=body)
    except (frames.Gone, OSError):
        pass


def test_it_does_not_become_an_answer(fresh):
    """Of a daemon that is not ours."""
    xapi = fresh.json()
    sr = xapi.call('SR.get_all')[0]
    with frames.Client(switch_path(fresh), timeout=None) as foreign:
        foreign.serve(QUEUES['sm-daemon'])
        thread = threading.Thread(target=answer_always, daemon=True,
                                  args=(foreign, b'{"result":"\xff","error":["Internal_error","\xff"],"id":0}'))
        thread.start()
        try:
            xapi.call('SR.scan', sr)
            raise AssertionError('what is no text was taken')
        except XapiError as error:
            assert '\ufffd' in str(error), error
        assert xapi.call('SR.get_record', sr)['uuid']
