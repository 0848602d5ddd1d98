# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of each daemon at steps of a start and of a shutdown of a real domain, which stays paused. Afterwards the system
is right again without help: the VM is as xapi-core says, nothing is left of what was half done, and it can be started."""
import itertools

from harness.client import XapiError
from xen.box.vms import Site, expect_nothing_left, what_is_there
from xen.test_outages import kill_when, log_in_again
from xen.test_scenario import make_guest

TEST_SEC = 1500
KILLED = 'xenopsd', 'sm-daemon', 'xapi-core', 'message-switch', 'squeezed', 'networkd'
# Until when the kill waits, as a condition that the shell checks without starting a process.
AT_ONCE = 'true'
DISK, BACK_END, PORT = '/sys/block/nbd*/pid', '/sys/bus/xen-backend/devices/vbd-*', '/sys/class/net/vif*/brport'
START = {'asked': AT_ONCE, 'disk is connected': f'there {DISK}', 'back end is there': f'there {BACK_END}',
         'port is on the bridge': f'there {PORT}'}
SHUTDOWN = {'asked': AT_ONCE, 'back end is gone': f'! there {BACK_END}', 'disk is let go': f'! there {DISK}'}
KILLS_MIN = 20


def all_kills():
    return [(what, step, unit) for what, steps in (('start', START), ('shutdown', SHUTDOWN))
            for step, unit in itertools.product(steps, KILLED)]


def kills():
    """Every daemon at two or more steps of a start and at one or more of a shutdown, every step with several daemons."""
    return [kill for number, kill in enumerate(all_kills()) if (number + number // len(KILLED)) % 2 == 0]


def is_settled(dom0, site, vm):
    """Nothing works on it, and it is in truth what the record says."""
    try:
        record = site.call('VM.get_record', vm)
    except XapiError:
        return False
    there = record['uuid'] in dom0.run('xl', 'list')
    return not record['current_operations'] and record['power_state'] == ('Paused' if there else 'Halted')


def kill_once(dom0, site, vm, what, step, unit):
    before = dom0.pid(unit)
    if what == 'shutdown':
        site.xapi.run('VM.start', vm, True, False)
        site.call('Async.VM.hard_shutdown', vm)
    else:
        site.call('Async.VM.start', vm, True, False)
    kill_when(dom0, {'start': START, 'shutdown': SHUTDOWN}[what][step], before)
    dom0.eventually(lambda: dom0.pid(unit) not in (0, before) and dom0.is_active(unit))
    if unit == 'xapi-core':
        log_in_again(dom0, site)
    dom0.eventually(lambda: is_settled(dom0, site, vm))
    if site.call('VM.get_power_state', vm) != 'Halted':
        site.xapi.run('VM.hard_shutdown', vm)


def run_kills(dom0, folder, chosen):
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    site.xapi.run('VM.start', vm, True, False)
    site.xapi.run('VM.hard_shutdown', vm)
    idle = what_is_there(dom0)
    for what, step, unit in chosen:
        try:
            kill_once(dom0, site, vm, what, step, unit)
            expect_nothing_left(dom0, idle)
        except Exception as error:
            error.add_note(f'{unit} was killed in a {what}: {step}')
            raise
    site.xapi.run('VM.start', vm, True, False)
    site.xapi.run('VM.hard_shutdown', vm)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)


def test_kills(dom0, folder):
    chosen = kills()
    assert len(chosen) >= KILLS_MIN
    run_kills(dom0, folder, chosen)
