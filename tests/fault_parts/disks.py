# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small disks that can be full, read-only or stalled, for parts of a stack's folder. They need root, and a kernel and
tools that let it mount; where they do not, `Impossible` says what is missing."""
import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

FIFREEZE, FITHAW = 0xc0045877, 0xc0045878
DISK_MIB = 64


class Impossible(Exception):
    pass


def command(*arguments):
    try:
        done = subprocess.run([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError as error:
        raise Impossible(str(error)) from None
    if done.returncode:
        raise Impossible(f'{" ".join(map(str, arguments))}: {done.stdout.strip()}')
    return done.stdout.strip()


@contextlib.contextmanager
def stack_folder():
    """-> a folder for a stack, in which to mount."""
    if os.geteuid() != 0:
        raise Impossible('only root may mount')
    folder = Path(tempfile.mkdtemp(prefix='xapi-test-'))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def tmpfs(folder, mib=DISK_MIB):
    folder.mkdir(exist_ok=True)
    command('mount', '-t', 'tmpfs', '-o', f'size={mib}m,mode=700', 'tmpfs', folder)
    try:
        yield folder
    finally:
        command('umount', '-l', folder)


@contextlib.contextmanager
def ext4(folder, mib=DISK_MIB):
    """In a file, by way of a loop device: a disk that can be stalled."""
    with tempfile.NamedTemporaryFile(prefix='xapi-test-', suffix='.img') as image:
        image.truncate(mib << 20)
        command('mkfs.ext4', '-q', '-F', image.name)
        folder.mkdir(exist_ok=True)
        command('mount', '-o', 'loop', image.name, folder)
        try:
            yield folder
        finally:
            command('umount', '-l', folder)


@contextlib.contextmanager
def frozen(folder):
    """Whoever writes there waits until the end."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.ioctl(fd, FIFREEZE, 0)
        except OSError as error:
            raise Impossible(f'{folder} cannot be frozen: {error}') from None
        try:
            yield
        finally:
            fcntl.ioctl(fd, FITHAW, 0)
    finally:
        os.close(fd)


@contextlib.contextmanager
def full(folder):
    """Not a byte more can be written there, until the end."""
    path = folder / 'filler'
    try:
        with open(path, 'wb', buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b'\0' * size):
                        pass
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def read_only(folder):
    """As the kernel makes it of a disk with errors: also for those who have files open for writing."""
    device = Path(command('findmnt', '-n', '-o', 'SOURCE', folder)).name
    trigger = Path('/sys/fs/ext4') / device / 'trigger_fs_error'
    if not trigger.exists():
        raise Impossible(f'{trigger} is not there')
    command('mount', '-o', 'remount,errors=remount-ro', folder)
    trigger.write_text('tests')
    try:
        (folder / 'written').touch()
    except OSError as error:
        assert error.errno == errno.EROFS, error
    else:
        raise Impossible(f'{folder} did not become read-only')
    yield
