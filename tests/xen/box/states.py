# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saved states of the machine, each made once: `ready` is dom0 when it has come up, `installed` has our packages
installed in it and their daemons up.

`prepare` makes what is missing and tells it to the processes of the tests. The first state is kept in the user's cache (XAPI_XEN_CACHE, or ~/.cache/xapi-xen) under a key of all that it is made of, the
second in build-xen."""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from harness.stack import PASSWORD, SOURCE

from . import image, machine
from .machine import Machine

ENVIRONMENT = 'XAPI_XEN_STATES'
HERE = Path(__file__).resolve().parent
BUILD = SOURCE / 'build-xen'
INSTALL_SEC = 900
UNUSED_SEC = 7 * 24 * 3600
DEBS = '/root/packages'             # in dom0


class State:
    """A folder with what a machine is restored from."""

    def __init__(self, folder, image_folder):
        self.folder, self.image = folder, image_folder

    def restore(self, share=None, disk=None):
        return Machine(self.image, self.folder / 'disk.qcow2', disk, self.folder / 'memory', share)

    def exists(self):
        return (self.folder / 'memory').exists()


def cache():
    return Path(os.environ.get('XAPI_XEN_CACHE') or
                Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'xapi-xen')


def say(text):
    print(f'     {text}', flush=True)


@contextlib.contextmanager
def locked(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'lock', 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*parts):
    found = hashlib.sha256()
    for part in parts:
        found.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
        found.update(b'\0')
    return found.hexdigest()[:16]


def dom0_packages():
    """What our packages depend on, so that they can be installed there without a network."""
    groups = dict(line.split(' ', 1) for line in (SOURCE / 'packaging/dependencies').read_text().splitlines()
                  if line and not line.startswith('#'))
    return sorted({*groups['run'].split(), *groups['dom0'].split()})


def overlay(base, base_format, path):
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', base_format, '-b', str(base), str(path)],
                   check=True, stdin=subprocess.DEVNULL)


def make(folder, function):
    """Calls function(NEW), and gives its folder the name that it is to have, so that it is there whole or not at all."""
    new = folder.with_name(folder.name + '.new')
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    start = time.monotonic()
    function(new)
    os.rename(new, folder)
    say(f'{folder.name} was made in {time.monotonic() - start:.0f} s')


def forget_unused(folder, kept):
    for path in folder.iterdir():
        if path.is_dir() and path != kept and time.time() - path.stat().st_mtime > UNUSED_SEC:
            shutil.rmtree(path, ignore_errors=True)


def build_image(folder):
    say('making the image of dom0')
    with open(folder / 'log', 'wb') as log:
        try:
            image.build(folder, dom0_packages(), log)
        except subprocess.CalledProcessError as error:
            end = '\n'.join((folder / 'log').read_text(errors='replace').splitlines()[-30:])
            raise RuntimeError(f'the image could not be made ({error.cmd[0]}: status {error.returncode}):\n{end}') from None


def boot(folder, image_folder):
    say('booting it once')
    overlay(image_folder / 'root.img', 'raw', folder / 'disk.qcow2')
    dom0 = Machine(image_folder, None, folder / 'disk.qcow2')
    try:
        dom0.run('systemctl', 'is-system-running', '--wait', check=False)
        dom0.run('xl', 'list')
        dom0.save(folder / 'memory')
    finally:
        dom0.stop()


def ready():
    """-> the State of dom0 alone."""
    image_key = digest(HERE / 'image.py', HERE / 'agent.py', dom0_packages())
    image_folder = cache() / f'image-{image_key}'
    version = subprocess.run([machine.QEMU, '--version'], stdout=subprocess.PIPE, check=True).stdout
    folder = cache() / f'ready-{digest(image_key, HERE / "machine.py", version)}'
    with locked(cache()):
        if not image_folder.exists():
            make(image_folder, build_image)
        state = State(folder, image_folder)
        if not state.exists():
            make(folder, lambda new: boot(new, image_folder))
        for path in (image_folder, folder):
            os.utime(path)
        forget_unused(cache(), folder)
    return state


def packages():
    """Builds our packages -> the paths of those that are installed, in an order that dpkg takes at once."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / 'packages.log', 'wb') as log:
        done = subprocess.run([SOURCE / 'packaging/build-debs', BUILD / 'packages'], stdout=log, stderr=log)
    assert done.returncode == 0, (BUILD / 'packages.log').read_text(errors='replace')[-4000:]
    return sorted(path for path in (BUILD / 'packages').glob('*.deb') if '-dbgsym_' not in path.name)


def install(dom0, debs):
    """As an administrator does it, with `dpkg -i`. They stay in DEBS."""
    for path in debs:
        dom0.put(f'{DEBS}/{path.name}', path.read_bytes())
    dom0.run('dpkg', '-i', *(f'{DEBS}/{path.name}' for path in debs), seconds=INSTALL_SEC)
    dom0.run('chpasswd', data=f'root:{PASSWORD}\n'.encode())


def build_installed(folder, base, debs):
    say('installing the packages')
    overlay(base.folder / 'disk.qcow2', 'qcow2', folder / 'disk.qcow2')
    dom0 = base.restore(disk=folder / 'disk.qcow2')
    try:
        install(dom0, debs)
        dom0.save(folder / 'memory')
    finally:
        dom0.stop()


def installed():
    """-> the State of dom0 with our packages installed and their daemons up."""
    base = ready()
    with locked(BUILD):
        debs = packages()
        state = State(BUILD / f'installed-{digest(base.folder.name, Path(__file__), *debs)}', base.image)
        if not state.exists():
            for old in BUILD.glob('installed-*'):
                shutil.rmtree(old)
            make(state.folder, lambda new: build_installed(new, base, debs))
    return state


def prepare():
    """To be called before `named`, in this process or its parent."""
    found = {'ready': ready(), 'installed': installed()}
    os.environ[ENVIRONMENT] = json.dumps({name: [str(state.folder), str(state.image)] for name, state in found.items()})


def named(name):
    folder, image_folder = json.loads(os.environ[ENVIRONMENT])[name]
    return State(Path(folder), Path(image_folder))
