# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes dom0's disk and the kernels, from Debian's packages: `build(FOLDER, PACKAGES)` leaves in FOLDER

    root.img    dom0: Debian 12 with systemd, Xen's tools as Debian starts them, our packages' dependencies, the agent
    xen         the hypervisor
    vmlinux, initrd             dom0's kernel
    guest-vmlinuz, guest-vmlinux, guest-modules/       a kernel for guests, as it is and unpacked; its front ends

Run as a program it is what mmdebstrap calls once the packages are unpacked, as root there: `image.py ROOT FOLDER`."""
import gzip
import lzma
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SUITE = 'bookworm'
XEN_VERSION = '4.17'
XEN, KERNEL, GUEST_KERNEL = f'xen-hypervisor-{XEN_VERSION}-amd64', 'linux-image-amd64', 'linux-image-cloud-amd64'
BASE = ('systemd-sysv dbus udev kmod python3-minimal procps iproute2 iputils-ping busybox-static '
        f'xen-utils-{XEN_VERSION} xenstore-utils qemu-system-xen').split()
DISK_MIB = 4096
GUEST_MODULES = 'xen-blkfront', 'xen-netfront', 'xen-privcmd', 'xenfs'
DISK_MODULES = 'virtio_pci', 'virtio_blk', 'ext4'
# Families of modules that an emulated machine has no use for; what dom0 needs of the others is many.
USELESS = '''sound drivers/gpu drivers/media drivers/infiniband drivers/iio drivers/staging drivers/hwmon drivers/isdn
drivers/bluetooth drivers/usb drivers/hid drivers/input drivers/thermal drivers/platform drivers/mmc drivers/mtd
drivers/nfc drivers/leds drivers/power drivers/edac drivers/firewire drivers/video drivers/comedi drivers/spi drivers/i2c
drivers/mfd drivers/rtc drivers/crypto drivers/accel drivers/scsi drivers/net/wireless drivers/net/ethernet
drivers/net/wwan drivers/net/can drivers/net/usb net/bluetooth net/mac80211 net/wireless net/can net/nfc fs/ocfs2
fs/gfs2 fs/ceph fs/smb fs/nfs fs/nfsd fs/xfs fs/btrfs'''.split()
# What wakes up by itself, waits for hardware that is not there, or asks for a login.
MASKED = '''apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
systemd-tmpfiles-clean.timer getty.target serial-getty@hvc0.service getty@tty1.service systemd-udev-trigger.service
systemd-udev-settle.service systemd-timesyncd.service networking.service systemd-journal-flush.service
systemd-pstore.service systemd-random-seed.service modprobe@drm.service xendomains.service'''.split()

INIT = '''#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sysfs /sys; $b mount -t devtmpfs dev /dev
while read m; do $b insmod $m; done < /modules
until [ -b /dev/vda ]; do $b usleep 50000; done
$b mount -t ext4 -o rw,noatime /dev/vda /root
for d in dev proc sys; do $b mount --move /$d /root/$d; done
exec $b switch_root /root /sbin/init
'''
FILES = {
    'etc/hostname': 'dom0\n',
    'etc/hosts': '127.0.0.1 localhost dom0\n::1 localhost\n',
    'etc/fstab': '',
    'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
    # What guests say on their consoles is a test's to read.
    'etc/default/xen': 'XENCONSOLED_ARGS="--log=guest --log-dir=/var/log/xen/console"\nXENSTORED=/usr/lib/xen-'
                       + XEN_VERSION + '/bin/xenstored\n',
    'etc/systemd/journald.conf.d/box.conf': '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nAudit=no\n',
    # Emulation is slow, so everything has more time than elsewhere.
    'etc/systemd/system.conf.d/box.conf': '[Manager]\nShowStatus=no\nDefaultTimeoutStartSec=300\n'
                                          'DefaultTimeoutStopSec=120\nDefaultDeviceTimeoutSec=300\n',
    'etc/systemd/system/box-setup.service': '''[Unit]
DefaultDependencies=no
After=systemd-udevd.service local-fs.target
Before=xen.service basic.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=modprobe -a xenfs xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkback xen-netback virtio_net virtio_console 9p 9pnet_virtio
ExecStart=mkdir -p /var/log/xen/console
ExecStart=ip link set lo up
ExecStart=ip address add 10.0.2.15/24 dev eth0
ExecStart=ip link set eth0 up
ExecStart=ip route add default via 10.0.2.2
[Install]
WantedBy=basic.target
''',
    'etc/systemd/system/box-agent.service': '''[Unit]
After=xen.service box-setup.service
[Service]
ExecStart=/usr/bin/python3 -u /usr/local/sbin/box-agent
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
KillMode=process
[Install]
WantedBy=multi-user.target
''',
}


def tool(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, **options)


def output(*command):
    return tool(*command, stdout=subprocess.PIPE, text=True).stdout


def sources():
    """-> the lines of sources.list for Debian 12 that this machine is set up with."""
    lines = output('apt-get', 'indextargets', '--format', 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)',
                   'Created-By: Packages').splitlines()
    found = sorted({line for line in lines if line.split()[2] in (SUITE, SUITE + '-security', SUITE + '-updates')
                    and line.split()[3] == 'main'})
    if not found:
        raise RuntimeError(f'no Debian {SUITE} source is set up here; run apt-get update first')
    return found


def build(folder, packages, log):
    """`folder` is there and empty; what is said goes to the open file `log`."""
    folder.chmod(0o777)         # without root, mmdebstrap works as another user
    hook = f'/usr/bin/python3 {Path(__file__).resolve()} "$1" {folder}'
    excluded = [f'--dpkgopt=path-exclude=/usr/share/{name}/*' for name in ('doc', 'man', 'locale', 'info')]
    tool('mmdebstrap', '--variant=apt', '--format=null', '--aptopt=Apt::Install-Recommends "false"',
         '--dpkgopt=force-unsafe-io', *excluded, '--include=' + ','.join([*BASE, *packages]),
         f'--customize-hook={hook}', SUITE, '/dev/null', *sources(), stdout=log, stderr=log)


def unpack_package(name, to):
    """Downloads and unpacks, but does not install: no boot loader is asked for. Follows a metapackage."""
    environment = {**os.environ, 'APT_CONFIG': os.environ['MMDEBSTRAP_APT_CONFIG']}
    depends = tool('apt-cache', 'depends', name, env=environment, stdout=subprocess.PIPE, text=True).stdout
    real = [word for word in depends.split() if word.startswith('linux-image-6')]
    to.mkdir()
    tool('apt-get', '-q', 'download', (real or [name])[0], env=environment, cwd=to)
    package, = to.glob('*.deb')
    tool('dpkg-deb', '-x', package, to)
    package.unlink()


def unpacked_kernel(image):
    """bzImage -> the ELF file in it, which PV needs, and which starts faster."""
    data = image.read_bytes()
    offset, length = struct.unpack_from('<II', data, 0x248)
    setup_sectors = data[0x1f1] or 4
    payload = data[(setup_sectors + 1) * 512 + offset:][:length - 4]      # its last 4 bytes are the unpacked size
    if payload[:6] == b'\xfd7zXZ\0':
        kernel = lzma.LZMADecompressor().decompress(payload)
    else:
        kernel = subprocess.run(['lz4', '-dcq'], input=payload, stdout=subprocess.PIPE, check=True).stdout
    if kernel[:4] != b'\x7fELF':
        raise RuntimeError(f'no ELF file in {image}')
    return kernel


def modules_in_order(root, version, names):
    text = output('chroot', root, 'modprobe', '-S', version, '-D', '-a', *names)
    return list(dict.fromkeys(root / line.split()[1].lstrip('/') for line in text.splitlines()
                              if line.startswith('insmod')))


def add_modules(root, unpacked):
    """-> the kernel's version."""
    version, = (path.name for path in (unpacked / 'lib/modules').iterdir())
    for name in USELESS:
        shutil.rmtree(unpacked / 'lib/modules' / version / 'kernel' / name, ignore_errors=True)
    (root / 'usr/lib/modules').mkdir(exist_ok=True)
    tool('cp', '-a', unpacked / 'lib/modules' / version, root / 'usr/lib/modules')
    tool('chroot', root, 'depmod', version)
    return version


def make_initrd(root, version, work, to):
    for name in ('bin', 'dev', 'proc', 'sys', 'root'):
        (work / name).mkdir(parents=True)
    shutil.copy2(root / 'bin/busybox', work / 'bin')
    modules = modules_in_order(root, version, DISK_MODULES)
    for path in modules:
        shutil.copy(path, work)
    (work / 'modules').write_text(''.join(f'/{path.name}\n' for path in modules))
    (work / 'init').write_text(INIT)
    (work / 'init').chmod(0o755)
    with open(to, 'wb') as file:
        tool('sh', '-c', 'find . | sort | cpio --quiet -o -H newc -R 0:0', cwd=work, stdout=file)


def guest_kernel(root, unpacked, folder):
    image, = unpacked.glob('boot/vmlinuz-*')
    shutil.copy(image, folder / 'guest-vmlinuz')
    (folder / 'guest-vmlinux').write_bytes(unpacked_kernel(image))
    version = add_modules(root, unpacked)
    modules = folder / 'guest-modules'
    modules.mkdir()
    for number, path in enumerate(modules_in_order(root, version, GUEST_MODULES)):
        shutil.copy(path, modules / f'{number:02}-{path.name}')
    shutil.rmtree(root / 'usr/lib/modules' / version)


def configure(root):
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(text)
    (root / 'usr/sbin/policy-rc.d').unlink(missing_ok=True)      # mmdebstrap's, while it works: nothing may start
    shutil.copy(Path(__file__).with_name('agent.py'), root / 'usr/local/sbin/box-agent')
    tool('chroot', root, 'systemctl', '--quiet', 'enable', 'box-setup.service', 'box-agent.service')
    tool('chroot', root, 'systemctl', '--quiet', 'set-default', 'multi-user.target')
    tool('chroot', root, 'systemctl', '--quiet', 'mask', *MASKED)


def make_disk(root, work, to):
    """Without a journal, for it is thrown away; and without what mmdebstrap has mounted below."""
    work.mkdir()
    tool('mount', '--bind', root, work)
    try:
        tool('mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', work, to, f'{DISK_MIB}M')
    finally:
        tool('umount', work)


def customize(root, folder):
    work = folder / 'work'
    work.mkdir()
    for name in (XEN, KERNEL, GUEST_KERNEL):
        unpack_package(name, work / name)
    hypervisor, = (work / XEN).glob('boot/xen-*-amd64.gz')
    (folder / 'xen').write_bytes(gzip.decompress(hypervisor.read_bytes()))
    guest_kernel(root, work / GUEST_KERNEL, folder)
    kernel, = (work / KERNEL).glob('boot/vmlinuz-*')
    (folder / 'vmlinux').write_bytes(unpacked_kernel(kernel))
    version = add_modules(root, work / KERNEL)
    make_initrd(root, version, work / 'initrd', folder / 'initrd')
    configure(root)
    make_disk(root, work / 'root', folder / 'root.img')
    shutil.rmtree(work)
    tool('chmod', '-R', 'a+rX', folder)


if __name__ == '__main__':
    customize(Path(sys.argv[1]), Path(sys.argv[2]))
