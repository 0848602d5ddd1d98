#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""message-cli against a switch of the test's own. Arguments: the switch, message-cli."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

SWITCH, CLI = sys.argv[1:3]
ECHO = """#!/bin/sh
read -r body
case $1 in
fail) echo '["Failed","'"$1"'"]'; exit 1 ;;
silent) exit 3 ;;
*) echo "$body" ;;
esac
"""


class Cli(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, 'sock')
        config = os.path.join(self.folder.name, 'config')
        with open(config, 'w') as file:
            file.write('[daemon]\ngrace-msec=0\n')
        policy = os.path.join(self.folder.name, 'policy')
        with open(policy, 'w'):
            pass
        ready, wait = os.pipe()
        self.switch = subprocess.Popen(
            [SWITCH, '--config', config, '--policy', policy, '--state', self.folder.name, '--runtime',
             self.folder.name, '--switch-path', self.path, '--ready-fd', str(wait)],
            pass_fds=[wait], stderr=subprocess.DEVNULL)
        os.close(wait)
        self.assertEqual(os.read(ready, 1), b'\n')
        os.close(ready)
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.terminate()
            self.assertEqual(server.wait(), 0)
        self.switch.terminate()
        self.assertEqual(self.switch.wait(), 0)
        self.folder.cleanup()

    def cli(self, *arguments, status=0, stdin=None, **more):
        done = subprocess.run([CLI, '--switch-path', self.path, *arguments], input=stdin, text=True,
                              capture_output=True, timeout=60, **more)
        self.assertEqual(done.returncode, status, done)
        return done.stdout if status == 0 else done.stderr

    def serve(self, queue):
        program = os.path.join(self.folder.name, 'program')
        with open(program, 'w') as file:
            file.write(ECHO)
        os.chmod(program, 0o755)
        tail = subprocess.Popen([CLI, '--switch-path', self.path, 'serve', queue, '--program', program])
        self.servers.append(tail)
        while 'served' not in self.cli('list'):
            pass

    def test_call(self):
        self.serve('org.test.cli')
        for params, expected in (('[1,"two"]', [1, 'two']), ('{"a":null}', [{'a': None}]), (None, [])):
            arguments = [params] if params else []
            result = json.loads(self.cli('call', 'org.test.cli', 'echo', *arguments))
            self.assertEqual(result, {'method': 'echo', 'params': expected, 'id': 0})
        result = json.loads(self.cli('call', 'org.test.cli', 'echo', '-', stdin='[3]'))
        self.assertEqual(result['params'], [3])
        with open('/dev/null') as null:
            self.cli('call', '--fd', str(null.fileno()), 'org.test.cli', 'echo', pass_fds=[null.fileno()])

    def test_errors(self):
        self.serve('org.test.cli')
        self.assertEqual(json.loads(self.cli('call', 'org.test.cli', 'fail', status=1)), ['Failed', 'fail'])
        self.assertEqual(json.loads(self.cli('call', 'org.test.cli', 'silent', status=1))[0], 'Internal_error')
        self.assertIn('no such queue', self.cli('call', 'org.test.none', 'm', status=3))
        self.cli('call', 'org.test.cli', status=2)
        self.cli('call', 'org.test.cli', 'm', '{', status=2)
        self.cli('call', '--timeout', 'x', 'org.test.cli', 'm', status=2)
        self.cli('call', '--fd', '-1', 'org.test.cli', 'm', status=2)
        self.cli('frobnicate', status=2)
        self.cli('serve', 'org.test.cli', status=2)

    def test_tail(self):
        self.serve('org.test.cli')
        follow = subprocess.Popen([CLI, '--switch-path', self.path, 'tail', '--follow', '--bodies', '--json'],
                                  stdout=subprocess.PIPE, text=True)
        while not any('unique' in line for line in self.follow_calls(follow)):
            pass
        follow.terminate()
        follow.wait()
        follow.stdout.close()
        text = self.cli('tail')
        self.assertIn('call  message-cli > message-cli org.test.cli', text)
        self.assertNotIn('unique', text)

    def follow_calls(self, follow):
        self.cli('call', 'org.test.cli', 'echo', '["unique"]')
        for _ in range(2):
            line = follow.stdout.readline()
            event = json.loads(line)
            self.assertEqual(event['queue'], 'org.test.cli')
            yield event.get('body', '')

    def test_diagnostics(self):
        self.serve('org.test.cli')
        self.cli('call', 'org.test.cli', 'echo')
        facts = json.loads(self.cli('diagnostics'))
        self.assertEqual(facts['pid'], self.switch.pid)
        queue, = facts['queues']
        self.assertEqual((queue['name'], queue['delivered'], queue['waiting']), ('org.test.cli', 1, 0))
        self.assertEqual(queue['server'], {'name': 'message-cli', 'pid': self.servers[0].pid, 'uid': os.getuid()})
        self.assertEqual(facts['counts']['calls'], 1)
        self.assertEqual(len(facts['peers']), 2)

    def test_shutdown(self):
        self.cli('shutdown')
        self.assertEqual(self.switch.wait(), 0)
        self.assertIn('No such file', self.cli('list', status=3))

    def test_http(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)
            client.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
            answer = b''
            while more := client.recv(4096):
                answer += more
        head, body = answer.split(b'\r\n\r\n')
        self.assertTrue(head.startswith(b'HTTP/1.1 501 '))
        self.assertIn(b'Content-Length: %d\r\n' % len(body), head)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
