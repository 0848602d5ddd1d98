# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd's tests of back ends, and xenopsd/bench-backend.py, in dom0, with a switch and an xenopsd of their own."""
import gzip
import tempfile
from pathlib import Path

from harness.stack import SOURCE

from . import states
from .guest import make_initrd

FOLDER = '/var/lib/xapi/kernels'
KERNEL, RAMDISK = f'{FOLDER}/vmlinux', f'{FOLDER}/initrd'
BRIDGE = 'backend-test'
TESTS = 'test-backend.py', 'test-backend-xen.py'
SCRIPTS = 'test_fixture.py', 'test_hypervisor.py', *TESTS, 'bench-backend.py'
PROGRAMS = '/usr/libexec/xapi/message-switch', '/usr/libexec/xapi/xenopsd', '/usr/bin/xenops-cli'


def prepare(dom0):
    """Stops our daemons, and puts there what the suite is told of: a kernel, an initrd and a bridge."""
    image = states.named('installed').image
    dom0.run('systemctl', 'stop', 'xapi.target')
    dom0.put(f'{KERNEL}.gz', gzip.compress((image / 'guest-vmlinux').read_bytes(), 1))
    dom0.run('gunzip', f'{KERNEL}.gz')
    with tempfile.TemporaryDirectory() as folder:
        make_initrd(image / 'guest-modules', Path(folder) / 'initrd')
        dom0.put(RAMDISK, (Path(folder) / 'initrd').read_bytes())
    for name in SCRIPTS:
        dom0.put(f'/root/{name}', (SOURCE / 'xenopsd' / name).read_bytes())
    dom0.run('ip', 'link', 'add', BRIDGE, 'up', 'type', 'bridge')


def run(dom0, script, *words, seconds, environment=()):
    """-> what it said; raises CommandError with that if it failed."""
    return dom0.run('env', *environment, 'python3', f'/root/{script}', *PROGRAMS, '--xen', KERNEL, RAMDISK, BRIDGE, *words,
                    seconds=seconds)


def run_tests(dom0, *names, seconds, environment=()):
    """Those tests of back ends that have one of these in their names; each name is some test's."""
    words = [word for name in names for word in ('-k', name)]
    said = '\n'.join(run(dom0, script, *words, seconds=seconds, environment=environment) for script in TESTS)
    missing = [name for name in names if name not in said]
    assert not missing, f'no tests of {missing}:\n{said}'
