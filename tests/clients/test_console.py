# SPDX-License-Identifier: LGPL-2.1-or-later
"""Consoles through clients that others wrote: the npm package ws, and what noVNC says over it."""
import subprocess
from pathlib import Path

QUICK = True
SCRIPT = Path(__file__).with_name('console.mjs')
CASE_SEC = 60


def run(stack, xapi, vm, protocol, what, session=None):
    """The console's own location, but that the port here is another."""
    console = next(r for r in (xapi.call('console.get_record', c) for c in xapi.call('VM.get_consoles', vm))
                   if r['protocol'] == protocol)
    location = stack.url.replace('https', 'wss') + '/console?' + console['location'].split('?')[1]
    done = subprocess.run(['node', SCRIPT, location, session or xapi.session, what], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=CASE_SEC)
    assert done.returncode == 0, done.stdout


def test_console(stack):
    xapi = stack.json()
    vm = xapi.make_vm('console')
    xapi.call('VM.set_HVM_boot_policy', vm, 'BIOS order')
    xapi.call('VM.start', vm, False, False)
    run(stack, xapi, vm, 'rfb', 'screen')
    run(stack, xapi, vm, 'vt100', 'terminal')
    run(stack, xapi, vm, 'vt100', 'refused', 'OpaqueRef:none')
    xapi.remove_vm(vm)
