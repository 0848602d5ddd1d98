# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulated machine: one QEMU process, and the agent in its dom0.

QEMU's TCG emulates AMD's SVM with nested paging, so Xen runs PV, PVH and HVM guests without any help of the host's
processor. What has to be so, and why:
- no SMAP: TCG before 9.1 does the stack reads of an IRET to the same ring as a supervisor's, which kills PV kernels;
- no RDTSCP: its intercept reaches the nested hypervisor as RDTSC's, whose length then does not fit, and the guest dies;
- no AVX and the like, and Xen's eager-fpu: lazy switching mixes domains' vector registers now and then;
- virtio by the DMA API (iommu_platform, no legacy): what dom0 takes for a physical address is none of the machine's;
- one processor, one thread: more make it slower."""
import base64
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

QEMU = 'qemu-system-x86_64'
MEMORY_MIB, DOM0_MIB = 3072, 1024
CPU = 'max,-smap,-rdtscp,-avx,-avx2,-fma,-f16c,-mpx'
XEN_OPTIONS = (f'console=com1 com1=115200,8n1 dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M dom0_max_vcpus=1 bootscrub=0 '
               'loglvl=info guest_loglvl=info spec-ctrl=no,eager-fpu xpti=no')
KERNEL_OPTIONS = ('console=hvc0 quiet panic=1 mitigations=off nokaslr audit=0 apparmor=0 net.ifnames=0 '
                  'systemd.log_target=console')
VIRTIO = 'iommu_platform=on,disable-legacy=on'
BOOT_SEC, SAVE_SEC, COMMAND_SEC = 300, 120, 300
HTTPS_PORT = 443
CONSOLE_LINES = 40


class MachineError(Exception):
    pass


class CommandError(Exception):
    """A command in dom0 that failed: .status and .output."""

    def __init__(self, argv, status, output):
        super().__init__(f'{argv}: status {status}\n{output}')
        self.status, self.output = status, output


class Lines:
    """Lines of JSON over a unix socket on which QEMU listens."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile('rb')

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b'\n')

    def receive(self):
        """-> None at the end."""
        line = self.file.readline()
        return json.loads(line) if line.endswith(b'\n') else None


class Agent:
    """Commands in dom0, of many threads at once."""

    def __init__(self, lines):
        self.lines, self.lock, self.answered = lines, threading.Lock(), threading.Condition()
        self.answers, self.last, self.ended = {}, 0, False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError, ValueError):
            while answer := self.lines.receive():
                with self.answered:
                    self.answers[answer['id']] = answer
                    self.answered.notify_all()
        with self.answered:
            self.ended = True
            self.answered.notify_all()

    def ask(self, seconds, **request):
        """-> (status, output)"""
        with self.lock:
            self.last += 1
            mine = self.last
            self.lines.send({'id': mine, **request})
        with self.answered:
            if not self.answered.wait_for(lambda: mine in self.answers or self.ended, seconds):
                raise MachineError(f'dom0 did not answer within {seconds} s: {request.get("argv", "wake")}')
            if mine not in self.answers:
                raise MachineError('the machine ended')
            answer = self.answers.pop(mine)
        return answer['status'], base64.b64decode(answer['output'])


class Machine:
    """Running from the moment that it is made: from `state`, which an earlier one saved, or from its cold start. `disk`
    is written to; where it is None there is a throw-away layer above `base`."""

    def __init__(self, image, base, disk=None, state=None, share=None):
        self.folder = Path(tempfile.mkdtemp(prefix='xapi-xen-'))
        self.console = self.folder / 'console'
        self.share, self.process = share, None
        try:
            self.start(image, base, disk, state)
        except BaseException:
            self.stop()
            raise

    def start(self, image, base, disk, state):
        drive = f'file={disk},format=qcow2' if disk else f'file={base},format=qcow2,snapshot=on'
        (self.folder / 'empty').mkdir()
        command = [
            'setpriv', '--pdeathsig', 'KILL', QEMU, '-name', 'xapi-xen', '-nodefaults', '-no-user-config', '-no-reboot',
            '-display', 'none', '-machine', 'pc', '-accel', 'tcg,thread=single', '-cpu', CPU, '-smp', '1',
            '-m', str(MEMORY_MIB), '-serial', f'file:{self.console}',
            '-qmp', f'unix:{self.folder}/qmp,server=on,wait=off',
            '-drive', f'if=none,id=root,cache=unsafe,{drive}', '-device', f'virtio-blk-pci,drive=root,{VIRTIO}',
            '-netdev', 'user,id=net,restrict=on', '-device', f'virtio-net-pci,netdev=net,romfile=,{VIRTIO}',
            '-device', f'virtio-serial-pci,{VIRTIO}',
            '-chardev', f'socket,id=agent,path={self.folder}/agent,server=on,wait=off',
            '-device', 'virtserialport,chardev=agent,name=xapi-box',
            '-fsdev', f'local,id=share,path={self.share or self.folder / "empty"},security_model=none,multidevs=remap',
            '-device', f'virtio-9p-pci,fsdev=share,mount_tag=share,{VIRTIO}',
            '-kernel', str(image / 'xen'), '-append', XEN_OPTIONS,
            '-initrd', f'{image}/vmlinux {KERNEL_OPTIONS},{image}/initrd']
        if state:
            command += ['-incoming', f'exec:cat {state}']
        with open(self.folder / 'qemu.log', 'wb') as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, 'TMPDIR': str(self.folder)})
        self.qmp = self.connect('qmp')
        self.qmp.receive()
        self.monitor('qmp_capabilities')
        self.agent = Agent(self.connect('agent'))
        self.ask(BOOT_SEC, wake=time.time(), seed=base64.b64encode(secrets.token_bytes(32)).decode(),
                 share=bool(self.share))

    def connect(self, name):
        deadline = time.monotonic() + BOOT_SEC
        while True:
            try:
                return Lines(self.folder / name)
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise MachineError(f'QEMU did not start:\n{self.tail()}') from None
                time.sleep(0.02)

    def monitor(self, command, **arguments):
        self.qmp.send({'execute': command, 'arguments': arguments})
        while answer := self.qmp.receive():
            if 'return' in answer:
                return answer['return']
            if 'error' in answer:
                raise MachineError(f'{command}: {answer["error"]["desc"]}')
        raise MachineError(f'QEMU ended:\n{self.tail()}')

    def ask(self, seconds, **request):
        try:
            return self.agent.ask(seconds, **request)
        except (MachineError, OSError) as error:
            raise MachineError(f'{error}\n{self.tail()}') from None

    def run(self, *argv, data=b'', check=True, seconds=COMMAND_SEC):
        """A command in dom0 -> its output, standard error and all; (status, output) without `check`."""
        status, output = self.ask(seconds, argv=[str(word) for word in argv],
                                  input=base64.b64encode(data).decode())
        text = output.decode(errors='replace')
        if not check:
            return status, text
        if status:
            raise CommandError(argv, status, text)
        return text

    def put(self, path, data, mode='0644'):
        """Writes a file in dom0."""
        self.run('install', '-D', '-m', mode, '/dev/stdin', path, data=data)

    def forward(self, port=HTTPS_PORT):
        """A port of dom0's -> the port of this machine's loopback that leads there."""
        def human(line):
            return self.monitor('human-monitor-command', **{'command-line': line})
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            ours = free.getsockname()[1]
        answer = human(f'hostfwd_add net tcp:127.0.0.1:{ours}-:{port}')
        if answer:
            raise MachineError(answer)
        return ours

    def save(self, path):
        """Writes the machine's state down, and ends it."""
        self.monitor('migrate-set-parameters', **{'max-bandwidth': 100 << 30})
        self.monitor('migrate', uri=f'exec:cat > {path}')
        deadline = time.monotonic() + SAVE_SEC
        while (status := self.monitor('query-migrate').get('status')) != 'completed':
            if status in ('failed', 'cancelled') or time.monotonic() > deadline:
                raise MachineError(f'the machine\'s state could not be saved: {status}')
            time.sleep(0.05)
        self.monitor('quit')
        self.process.wait(SAVE_SEC)
        self.stop()

    def tail(self):
        """The ends of what QEMU, Xen and dom0's kernel said."""
        lines = []
        for name in ('qemu.log', 'console'):
            path = self.folder / name
            if path.exists():
                lines += path.read_text(errors='replace').replace('\r', '').splitlines()[-CONSOLE_LINES:]
        return '\n'.join(lines)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
