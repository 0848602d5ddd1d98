# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that goes on over restarts, and knows of each call whether it was done, was refused, or may be either."""
import http.client
import time
import xml.parsers.expat

from harness.client import JsonTransport, Xapi, XapiError, XmlTransport
from harness.stack import PASSWORD

AGAIN_SEC = 60          # until a server that was killed must take a connection again
BETWEEN_SEC = 0.01
SMALL = 'Diskless'      # the template of most VMs here


class Lost(Exception):
    """The connection ended before the answer: the call may have been done, or not."""


class Client:
    """call() returns the value, raises XapiError (refused, or failed), or Lost."""

    kinds = ('json', 'json socket', 'xml', 'xml socket')

    def __init__(self, stack, kind='json socket'):
        self.stack, self.kind = stack, kind
        self.transport = self.session = None
        self.reconnected = self.logins = 0

    def connect(self):
        """Until it is taken: nothing has been asked yet, so nothing is lost."""
        target = self.stack.socket if 'socket' in self.kind else self.stack.url
        deadline = time.monotonic() + AGAIN_SEC
        while not self.transport:
            transport = (JsonTransport if 'json' in self.kind else XmlTransport)(target)
            try:
                transport.http.connect()
                self.transport = transport
            except OSError:
                transport.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(BETWEEN_SEC)
        self.reconnected += 1

    def request(self, method, params):
        if not self.transport:
            self.connect()
        try:
            return self.transport.request(method, params)
        except (OSError, http.client.HTTPException, xml.parsers.expat.ExpatError, ValueError) as error:
            self.close()
            raise Lost(f'{method}: {error!r}') from None

    def login(self):
        while not self.session:
            try:
                self.session = self.request('session.login_with_password', ['root', PASSWORD, '1.0', 'faults'])
                self.logins += 1
            except Lost:
                continue

    def call(self, method, *params):
        while True:
            self.login()
            try:
                return self.request(method, [self.session, *params])
            except XapiError as error:
                if error.code != 'SESSION_INVALID':
                    raise
                self.session = None     # it was not done

    def sure(self, method, *params):
        """For what may be asked twice."""
        while True:
            try:
                return self.call(method, *params)
            except Lost:
                continue

    def close(self):
        if self.transport:
            self.transport.close()
        self.transport = None

    def xapi(self):
        """The harness's own client with this session, for while nothing is killed."""
        self.sure('pool.get_all')
        xapi = Xapi.__new__(Xapi)
        xapi.transport, xapi.session = self.transport, self.session
        return xapi


def any_kind(generator):
    return generator.choice(Client.kinds)
