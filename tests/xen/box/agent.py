# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in dom0: takes requests from a virtio-serial port, a JSON object a line, each on a thread of its own.

{"id": N, "argv": [...], "input": BASE64} runs a command -> {"id": N, "status": N, "output": BASE64}
{"id": N, "wake": SECONDS, "seed": BASE64, "share": BOOL} tells a machine that was restored what time it is, gives it
entropy of its own and mounts its share."""
import base64
import glob
import json
import os
import subprocess
import threading
import time

PORT = 'xapi-box'
SHARE = '/share'
POLL_SEC = 0.05         # a virtio-serial port reads as ended while nobody is connected to its other side


def open_port():
    while True:
        for path in glob.glob('/sys/class/virtio-ports/*/name'):
            if open(path).read().strip() == PORT:
                return os.open('/dev/' + path.split('/')[-2], os.O_RDWR)
        time.sleep(POLL_SEC)


def wake(request):
    time.clock_settime(time.CLOCK_REALTIME, request['wake'])
    with open('/dev/urandom', 'wb') as file:
        file.write(base64.b64decode(request['seed']))
    if request['share']:
        os.makedirs(SHARE, exist_ok=True)
        subprocess.run(['mount', '-t', '9p', '-o', 'trans=virtio,version=9p2000.L,msize=262144,cache=none', 'share',
                        SHARE], check=True)
    return 0, b''


def run(request):
    done = subprocess.run(request['argv'], input=base64.b64decode(request.get('input', '')), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, cwd='/root', start_new_session=True)
    return done.returncode, done.stdout


def serve(port, lock, request):
    try:
        status, output = wake(request) if 'wake' in request else run(request)
    except Exception as error:
        status, output = 127, f'{type(error).__name__}: {error}\n'.encode()
    answer = {'id': request['id'], 'status': status, 'output': base64.b64encode(output).decode()}
    line = json.dumps(answer).encode() + b'\n'
    with lock:
        while line:
            line = line[os.write(port, line):]


def main():
    port, lock, pending = open_port(), threading.Lock(), b''
    while True:
        data = os.read(port, 1 << 16)
        if not data:
            time.sleep(POLL_SEC)
        pending += data
        while b'\n' in pending:
            line, pending = pending.split(b'\n', 1)
            threading.Thread(target=serve, args=(port, lock, json.loads(line)), daemon=True).start()


main()
