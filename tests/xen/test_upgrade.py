# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages on a Xen host while a guest runs and writes: a higher version installed over them; all removed."""
import subprocess

from xen.box import states
from xen.box.guest import FREE_BLOCK
from xen.box.host import UNITS
from xen.box.vms import Site
from xen.test_outages import goes_on, log_in_again
from xen.test_packages import deb, names
from xen.test_scenario import BLOCKS, make_guest, power_state, start

LONG = True
TEST_SEC = 1500
NEWER = '+1'
GUEST_LOG = '/var/log/xen/console/guest-{}.log'


def make_newer(path, folder):
    """The same package with a higher version, as are those of ours that it needs -> its path."""
    tree, newer = folder / 'tree', folder / f'newer-{path.name}'
    subprocess.run(['dpkg-deb', '-R', path, tree], check=True)
    control = (tree / 'DEBIAN/control').read_text()
    version, = [line.split()[1] for line in control.splitlines() if line.startswith('Version: ')]
    control = control.replace(f'Version: {version}\n', f'Version: {version}{NEWER}\n')
    (tree / 'DEBIAN/control').write_text(control.replace(f'= {version})', f'= {version}{NEWER})'))
    subprocess.run(['dpkg-deb', '--root-owner-group', '-Zgzip', '-b', tree, newer], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(['rm', '-r', tree], check=True)
    return newer


class Terminal:
    """The guest's console as dom0's root has it, without any daemon of ours."""

    def __init__(self, dom0, domid):
        self.dom0, self.uuid = dom0, dom0.run('xl', 'domname', domid).strip()
        self.path = dom0.run('xenstore-read', f'/local/domain/{domid}/console/tty').strip()

    def written(self):
        """-> how many blocks the guest's writer has written."""
        log = GUEST_LOG.format(self.uuid)
        before = len(self.answers(log))
        self.dom0.shell(f'stty -F {self.path} raw -echo; echo written > {self.path}')
        return int(self.dom0.eventually(lambda: self.answers(log)[before:])[0].split()[1])

    def answers(self, log):
        return [line for line in self.dom0.run('cat', log).splitlines() if line.startswith('written ')]


def check_daemons(dom0, before, version):
    """All are up, and they are the programs that are installed."""
    for unit in UNITS:
        pid = dom0.pid(unit)
        assert dom0.is_active(unit) and pid != before.get(unit), unit
        assert not dom0.run('readlink', f'/proc/{pid}/exe').strip().endswith('(deleted)'), unit
    installed = dom0.run('dpkg-query', '-W', '-f', '${Version}\n', *names())
    assert {line.endswith(NEWER) for line in installed.split()} == {version == NEWER}, installed


def check_goes_on(site, vm, domid, boot):
    """It is seen as it was, and nothing that it wrote is lost -> its console."""
    log_in_again(site.dom0, site)
    site.dom0.eventually(lambda: power_state(site, vm) == 'Running')
    assert site.call('VM.get_domid', vm) == domid
    console = site.console(vm)
    assert console.ask('id') == boot
    answer = console.ask('stop')
    assert answer.startswith('ok '), answer
    return console


def start_writer(console):
    assert console.ask(f'writer xvda {FREE_BLOCK} {BLOCKS}') == 'ok'


def running_guest(dom0, folder):
    """That writes -> (site, vm, domid, boot id)"""
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    console, boot = start(site, vm)
    start_writer(console)
    return site, vm, site.call('VM.get_domid', vm), boot


def install(dom0, paths):
    dom0.run('dpkg', '-i', *(f'{states.DEBS}/{path.name}' for path in paths), seconds=states.INSTALL_SEC)


def test_upgraded_under_a_running_guest(dom0, folder):
    site, vm, domid, boot = running_guest(dom0, folder)
    newer = [make_newer(deb(name), folder) for name in names()]
    for path in newer:
        dom0.put(f'{states.DEBS}/{path.name}', path.read_bytes())
    before = {unit: dom0.pid(unit) for unit in UNITS}
    install(dom0, newer)
    check_daemons(dom0, before, NEWER)
    console = check_goes_on(site, vm, domid, boot)
    start_writer(console)
    dom0.kill_disk_server()     # systemd has read all units again since it started it
    goes_on(dom0, console)
    assert console.ask('stop').startswith('ok ')
    site.xapi.run('VM.clean_shutdown', vm)
    assert power_state(site, vm) == 'Halted'


def test_removed_under_a_running_guest(dom0, folder):
    """Which goes on without any daemon, and is found again by those that are installed later."""
    site, vm, domid, boot = running_guest(dom0, folder)
    terminal = Terminal(dom0, domid)
    dom0.run('dpkg', '--remove', *names())
    assert not [unit for unit in UNITS if dom0.is_active(unit)]
    written = terminal.written()
    dom0.eventually(lambda: terminal.written() > written)
    install(dom0, [deb(name) for name in names()])
    check_daemons(dom0, {}, '')
    check_goes_on(site, vm, domid, boot)
    site.xapi.run('VM.clean_shutdown', vm)
    assert power_state(site, vm) == 'Halted'
