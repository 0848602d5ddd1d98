# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages go while a guest runs and writes, configuration, records and all; they come back, and the guest is found."""
from xen.box import states
from xen.box.vms import what_is_there
from xen.test_packages import deb
from xen.test_upgrade import Terminal, install, running_guest

LONG = True
TEST_SEC = 1500
PURGED = 'xapi-try', 'xapi-toolstack', 'xapi-core', 'xenopsd', 'sm-daemon'     # those that know of guests


def goes_on(dom0, terminal):
    written = terminal.written()
    dom0.eventually(lambda: terminal.written() > written)


def without_files(there):
    return {kind: value for kind, value in there.items() if kind not in ('files', 'bridges')}


def test_purged_under_a_running_guest(dom0, folder):
    """Which goes on, and who purges is told; once the same is installed again, it goes on still, and can be taken away."""
    idle = without_files(what_is_there(dom0))
    site, vm, domid, _ = running_guest(dom0, folder)
    uuid = site.call('VM.get_uuid', vm)
    terminal = Terminal(dom0, domid)
    said = dom0.run('dpkg', '--purge', *PURGED, seconds=states.INSTALL_SEC)
    assert 'guests run on' in said and uuid in said and 'disks are in use' in said, said
    goes_on(dom0, terminal)
    install(dom0, [deb(name) for name in PURGED])
    for unit in PURGED[2:]:
        assert dom0.is_active(unit), unit
    goes_on(dom0, terminal)
    assert uuid in dom0.run('xenops-cli', 'list')
    dom0.run('xl', 'destroy', domid)
    dom0.eventually(lambda: without_files(what_is_there(dom0)) == idle)
