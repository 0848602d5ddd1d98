# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of networkd share: it and networkd-cli over a switch of the test's own, in a network namespace of the
test's own. Arguments: the switch, networkd, networkd-cli."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

SWITCH, NETWORKD, CLI = sys.argv[1:4]
INSIDE = 'TEST_NETWORKD_INSIDE'
STEPS_MAX = 40
NAMES = ['', '.', '..', 'a/b', 'a b', 'a:b', 'a%d', 'sixteen-letters-', 'xa\u00e9', 'x\n']


def ip(*words):
    done = subprocess.run(['ip', '-j', *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else []


def addresses(name, family='inet'):
    return sorted(f'{a["local"]}/{a["prefixlen"]}' for link in ip('address', 'show', 'dev', name)
                  for a in link.get('addr_info', []) if a.get('family') == family and a.get('scope') != 'link')


def links():
    return {link['ifname']: link for link in ip('-d', 'link')}


def ports(bridge):
    return sorted(name for name, link in links().items() if link.get('master') == bridge)


def told(line):
    """What a line of `ip link` or `ip monitor link` says of a link: its name, flags, MTU, bridge and state."""
    words = line.split()
    return tuple(words[1:3] + [words[words.index(key) + 1] if key in words[:-1] else None for key in ('mtu', 'master', 'state')])


class Failure(Exception):
    pass


class Base(unittest.TestCase):
    backend = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.state = os.path.join(self.folder, 'state')
        self.path = os.path.join(self.folder, 'sock')
        self.faults = os.path.join(self.folder, 'faults')
        self.config = os.path.join(self.folder, 'config')
        with open(self.config, 'w') as file:
            file.write(f'[daemon]\nbackend={self.backend}\nfaults={self.faults}\nsimulator-interfaces=eth0 eth1\n')
        policy = os.path.join(self.folder, 'policy')
        open(policy, 'w').close()
        self.switch = self.spawn(SWITCH, '--policy', policy)
        self.addCleanup(self.stop, 'switch')
        self.daemon = self.spawn(NETWORKD, '--config', self.config)
        self.addCleanup(self.stop, 'daemon')

    def spawn(self, program, *arguments):
        ready, wait = os.pipe()
        with open(os.path.join(self.folder, 'log'), 'a') as log:
            process = subprocess.Popen(
                [program, '--state', self.state, '--runtime', os.path.join(self.folder, 'run'), '--switch-path', self.path,
                 '--ready-fd', str(wait), *arguments], pass_fds=[wait], stderr=log)
        os.close(wait)
        self.assertEqual(os.read(ready, 1), b'\n', 'it did not become ready:\n' + self.log())
        os.close(ready)
        return process

    def log(self):
        with open(os.path.join(self.folder, 'log'), errors='replace') as file:
            return file.read()

    def stop(self, name):
        process = getattr(self, name)
        process.terminate()
        self.assertEqual(process.wait(timeout=60), 0, self.log())

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def start(self):
        self.daemon = self.spawn(NETWORKD, '--config', self.config)

    def restart(self):
        self.kill()
        self.start()

    def call(self, method, **params):
        words = [word for name, value in params.items() for word in
                 (f'--{name}', value if isinstance(value, str) and name != 'conf' else json.dumps(value))]
        done = subprocess.run([CLI, '--switch-path', self.path, method, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode:
            raise Failure(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, text, method, **params):
        with self.assertRaises(Failure) as caught:
            self.call(method, **params)
        self.assertIn(text, str(caught.exception))

    def set_faults(self, **faults):
        with open(self.faults, 'w') as file:
            json.dump({key.replace('_', '-'): value for key, value in faults.items()}, file)

    def eventually(self, function, seconds=20):
        until = time.monotonic() + seconds
        while not function():
            self.assertLess(time.monotonic(), until, self.log())

    def steps(self, operation, before, after, between=lambda: None, whens=('before', 'after')):
        """The operation with networkd killed before and after each of its steps: once it is back, things are as they were
        or as they are to be (`between`), and the operation can be done."""
        for when in whens:
            for step in range(STEPS_MAX):
                before()
                self.set_faults(any={'kill': when, 'skip': step})
                try:
                    operation()
                    died = False
                except Failure:
                    died = self.daemon.wait(timeout=60) == -9
                    self.assertTrue(died, self.log())
                os.unlink(self.faults)
                if died:
                    self.start()
                    between()
                    operation()
                after()
                if not died:
                    self.assertGreater(step, 0)
                    break
            else:
                self.fail('it never ends')


class Simulated(Base):
    backend = 'simulator'

    def boot(self):
        for name in ('started', 'simulator'):
            os.unlink(os.path.join(self.folder, 'run/networkd', name))


class Kernel(Base):
    backend = 'netlink'

    def setUp(self):
        for n in (0, 1):
            ip('link', 'add', f'eth{n}', 'type', 'veth', 'peer', 'name', f'far{n}')
            self.addCleanup(self.remove, f'eth{n}')
        super().setUp()

    def tearDown(self):
        for name, link in links().items():
            if link.get('linkinfo', {}).get('info_kind') == 'bridge':
                ip('link', 'delete', name)

    @staticmethod
    def remove(name):
        with contextlib.suppress(AssertionError):
            ip('link', 'delete', name)

    def boot(self):
        os.unlink(os.path.join(self.folder, 'run/networkd/started'))
        for name in self.names_of_bridges():
            ip('link', 'delete', name)

    @staticmethod
    def names_of_bridges():
        return [name for name, link in links().items() if link.get('linkinfo', {}).get('info_kind') == 'bridge']


def main():
    """Runs the tests of the program, in a namespace."""
    if INSIDE not in os.environ:
        try:
            os.execvpe('unshare', ['unshare', '--net', sys.executable, *sys.argv], {**os.environ, INSIDE: '1'})
        except OSError as error:
            sys.exit(str(error))
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
