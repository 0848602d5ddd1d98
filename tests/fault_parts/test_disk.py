# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that is full, read-only, stalled or failing under a whole stack: clients get a clear error, reads go on, and
writes go on once there is room. What is on the disk after each write is held by xapi-core/test-store-faults.c."""
import contextlib
import resource
import threading
import time

from harness.client import XapiError, eventually, expect_error
from harness.stack import DEATH, Stack
from fault_parts import daemons, disks, domains
from fault_parts.clients import SMALL, Client
from fault_parts.report import milliseconds, tell
from fault_parts.storm import compare, disagreements, no_operation_is_under_way, no_task_pends, views

TEST_SEC = 300
READS = 200
REASONS = ('OUT_OF_SPACE', 'SR_FULL', 'SR_BACKEND_FAILURE_44', 'INTERNAL_ERROR')


@contextlib.contextmanager
def stack_with(mount, part=''):
    """A stack that has its folder, or the part of that name, on a disk of its own; the test is passed over, and says so,
    where there can be none."""
    with contextlib.ExitStack() as undo:
        try:
            folder = undo.enter_context(disks.stack_folder())
            if part:
                disk = undo.enter_context(mount(folder / part))
            else:
                disk = undo.enter_context(mount(folder / 'disk'))
                folder = disk / 'stack'
                folder.mkdir()
        except disks.Impossible as error:
            print(f'     passed over: {error}', flush=True)
            yield None, None
            return
        stack = Stack(folder=folder)
        try:
            yield stack, disk
        except Exception as error:
            error.add_note('daemon logs:\n' + stack.tails())
            raise
        finally:
            faults = stack.down()
        assert not faults, faults


def reads_go_on(xapi, vm):
    seconds = []
    for _ in range(READS):
        start = time.monotonic()
        assert xapi.call('VM.get_record', vm)
        seconds.append(time.monotonic() - start)
    assert xapi.call('event.from', ['vm'], '', 10.0)['events']
    return seconds


def write(xapi, vm, text):
    xapi.call('VM.set_name_description', vm, text)
    assert xapi.call('VM.get_name_description', vm) == text


def writes_are_refused(stack, xapi, vm, codes):
    """Clearly, each time, and what was refused is not seen."""
    before = xapi.call('VM.get_record', vm)
    for n in range(20):
        error = refusal(xapi, 'VM.set_name_description', vm, f'refused {n}')
        assert error.code in codes and all(error.params), error
        assert xapi.call('VM.get_record', vm) == before, 'what was refused is seen'
    # A start cannot be marked as under way, and so is not begun.
    error = refusal(xapi, 'VM.start', vm, False, False)
    assert error.code in codes, error
    with contextlib.suppress(XapiError):
        task = xapi.call('Async.VM.start', vm, False, False)
        assert xapi.wait_task(task)['status'] == 'failure'
    assert xapi.call('VM.get_power_state', vm) == 'Halted'
    assert xapi.call('VM.get_uuid', vm) not in domains.living(stack), 'started, though that was refused'


def refusal(xapi, method, *parameters):
    try:
        value = xapi.call(method, *parameters)
    except XapiError as error:
        return error
    raise AssertionError(f'{method} was done: {value!r}')


def all_is_well(stack, xapi, vm):
    """Whoever was refused asks again, and it is done."""
    eventually(lambda: may(write, xapi, vm, 'room again'))
    eventually(lambda: not disagreements_now(stack))
    if xapi.call('VM.get_power_state', vm) != 'Halted':        # started, and that could not be written down then
        xapi.run('VM.hard_shutdown', vm)
    xapi.run('VM.start', vm, False, False)
    xapi.run('VM.hard_shutdown', vm)
    client = Client(stack)
    no_task_pends(client)
    no_operation_is_under_way(client)
    assert not disagreements(stack, client)
    client.close()


def disagreements_now(stack):
    client = Client(stack)
    try:
        return compare(*views(stack, client))
    finally:
        client.close()


def may(function, *arguments):
    try:
        function(*arguments)
    except XapiError:
        return False
    return True


def test_full_disk_of_the_store():
    with stack_with(disks.tmpfs, 'xapi-core') as (stack, disk):
        if not stack:
            return
        xapi = stack.json()
        vm = xapi.make_vm('on a full disk', template=SMALL)
        ends = xapi.make_vm('ends on a full disk', template=SMALL)
        xapi.call('VM.start', ends, False, False)
        with disks.full(disk):
            writes_are_refused(stack, xapi, vm, ('OUT_OF_SPACE',))
            reads_go_on(xapi, vm)
            stack.xenops_cli('guest', xapi.call('VM.get_uuid', ends), 'poweroff')
            eventually(lambda: not domains.living(stack))
            assert stack.json().call('VM.get_name_label', vm), 'somebody must get in to make room'
            daemons.kill(stack, 'xapi-core')
            daemons.wait_serving(stack, 'xapi-core')
            xapi = stack.json()
            writes_are_refused(stack, xapi, vm, ('OUT_OF_SPACE',))
            reads_go_on(xapi, vm)
            xapi.call('session.logout')
            expect_error('SESSION_INVALID', xapi.call, 'VM.get_all')
        xapi = stack.json()
        xapi.wait_for('VM', ends, lambda r: r['power_state'] == 'Halted')
        all_is_well(stack, xapi, vm)


def test_full_disk_of_everybody():
    """Domains, disks, journals and logs, too."""
    with stack_with(disks.tmpfs) as (stack, disk):
        if not stack:
            return
        xapi = stack.json()
        vm, running = (xapi.make_vm(name, 1, 0, SMALL) for name in ('on a full disk', 'runs on a full disk'))
        xapi.call('VM.start', running, False, False)
        domid = xapi.call('VM.get_domid', running)
        with disks.full(disk):
            for method, *parameters in (('VM.start', vm, False, False), ('VM.clone', vm, 'more'),
                                        ('VM.set_name_label', vm, 'x')):
                error = refusal(xapi, method, *parameters)
                assert error.code in REASONS, error
            reads_go_on(xapi, vm)
            assert (xapi.call('VM.get_power_state', running), xapi.call('VM.get_domid', running)) == ('Running', domid)
        assert (xapi.call('VM.get_power_state', running), xapi.call('VM.get_domid', running)) == ('Running', domid)
        all_is_well(stack, xapi, vm)
        xapi.call('VM.hard_shutdown', running)


def test_killed_on_a_full_disk():
    """A store that cannot be written serves its readers also after a restart, or comes back once there is room."""
    with stack_with(disks.tmpfs, 'xapi-core') as (stack, disk):
        if not stack:
            return
        client = Client(stack)
        vm = client.xapi().make_vm('kept', template=SMALL)
        with disks.full(disk):
            stack.kill('xapi-core')
        assert client.sure('VM.get_name_label', vm) == 'kept'
        write(client.xapi(), vm, 'room again')
        # Where there is no room to start, it ends, and the supervisor starts it again.
        stack.expected_deaths.update(pid for name, pid, _ in DEATH.findall(stack.log('supervisor'))
                                     if name == 'xapi-core')


def test_read_only_disk():
    with stack_with(disks.ext4, 'xapi-core') as (stack, disk):
        if not stack:
            return
        xapi = stack.json()
        vm = xapi.make_vm('on a read-only disk', template=SMALL)
        write(xapi, vm, 'acknowledged')
        with contextlib.ExitStack() as undo:
            try:
                undo.enter_context(disks.read_only(disk))
            except disks.Impossible as error:
                print(f'     passed over: {error}', flush=True)
                return
            writes_are_refused(stack, xapi, vm, REASONS)
            reads_go_on(xapi, vm)
            assert xapi.call('VM.get_name_description', vm) == 'acknowledged'


def test_stalled_disk():
    """The commit takes as long as the disk stalls; nothing else does."""
    with stack_with(disks.ext4, 'xapi-core') as (stack, disk):
        if not stack:
            return
        xapi, writer = stack.json(), stack.json()
        vm = xapi.make_vm('on a stalled disk', template=SMALL)
        write(xapi, vm, 'before')
        done = []
        thread = threading.Thread(target=lambda: (write(writer, vm, 'after'), done.append(True)))
        try:
            with disks.frozen(disk):
                thread.start()
                seconds = reads_go_on(xapi, vm)
                assert xapi.call('VM.get_name_description', vm) == 'before', 'seen before it was durable'
                assert not done, 'acknowledged before it was durable'
        except disks.Impossible as error:
            print(f'     passed over: {error}', flush=True)
            return
        thread.join()
        assert done and xapi.call('VM.get_name_description', vm) == 'after'
        tell('VM.get_record while the disk stalls', **milliseconds(seconds))
        all_is_well(stack, xapi, vm)


def test_failing_disk(fresh):
    """Needs no mount: from now on the kernel lets this process write nothing into a file."""
    xapi = fresh.json()
    vm = xapi.make_vm('on a failing disk', template=SMALL)
    pid = fresh.pid('xapi-core')
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    writes_are_refused(fresh, xapi, vm, REASONS)
    reads_go_on(xapi, vm)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert fresh.pid('xapi-core') == pid
    all_is_well(fresh, xapi, vm)


def test_task_that_cannot_be_written_down(fresh):
    """An operation that ends while the disk refuses writes does not leave its task pending for ever."""
    xapi = fresh.json()
    vm = xapi.make_vm('ends while nothing can be written', template=SMALL)
    xapi.call('VM.start', vm, False, False)
    pid = fresh.pid('xapi-core')
    task = xapi.call('Async.VM.clean_shutdown', vm)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    eventually(lambda: not domains.living(fresh))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert xapi.wait_task(task)['status'] != 'pending'
    all_is_well(fresh, xapi, vm)
