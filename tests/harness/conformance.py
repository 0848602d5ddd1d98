# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorded scenarios of tests/xapidiff against a stack, and the list of steps that differ.

Run as a program it prints the list as it would have to be now: `python3 tests/harness/conformance.py >
tests/xapidiff-differences`. Reasons that were there are kept; new ones are guessed where the server says itself that
a message is not written, and are otherwise left for a person to write: a line whose reason begins with neither
`not written yet: ` nor `meant: ` is refused by the test."""
import json
import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / 'xapidiff')]
from harness.stack import PASSWORD, Stack                   # noqa: E402
from xdiff import compare, dsl                              # noqa: E402
from xdiff.run import Runner, Server                        # noqa: E402
from xdiff.wire import Target                               # noqa: E402

LIST = TESTS / 'xapidiff-differences'
REASONS = ('not written yet: ', 'meant: ')
TRANSPORT = 'jsonrpc2'          # of the recorded answers, where a scenario fixes none
SOURCE_SHOWN = 60


@dataclass
class Step:
    index: int                  # from 1
    source: str
    got: dict
    differences: list           # lines; empty: agrees

    def shown(self):
        return ' '.join(self.source.split())[:SOURCE_SHOWN].strip()


def scenarios():
    return dsl.load(str(TESTS / 'xapidiff/scenarios'))


def server(stack):
    return Server(Target(stack.url, None, True), 'root', PASSWORD)


def prepare(stack):
    """What the scenarios start from: a host, a pool and a control domain, nothing else. So the repository, the
    interface and the templates that a new pool has are taken away, by the API."""
    s = server(stack)
    for vm, record in s.must('VM.get_all_records', s.session).items():
        if not record['is_control_domain']:
            s.must('VM.set_is_default_template', s.session, vm, False)
            s.must('VM.destroy', s.session, vm)
    for pbd in s.must('PBD.get_all', s.session):
        s.must('PBD.unplug', s.session, pbd)
    for sr in s.must('SR.get_all', s.session):
        s.must('SR.forget', s.session, sr)
    if not s.must('PIF.get_all', s.session):
        s.must('PIF.scan', s.session, s.must('host.get_all', s.session)[0])
    for pif in s.must('PIF.get_all', s.session):
        s.must('PIF.forget', s.session, pif)


def run(server, scenario):
    """-> the scenario's steps, each with what differs from the recorded answer."""
    transport = scenario.options.get('transport', TRANSPORT)
    golden = TESTS / 'xapidiff/golden' / transport / scenario.group / f'{scenario.name}.json'
    want = json.loads(golden.read_text())['steps']
    got = json.loads(json.dumps(Runner(server, scenario, transport).run()))
    assert [s['step'] for s in want] == [s['step'] for s in got], f'{golden} was recorded from another scenario'
    return [Step(n, g['step'], g, [line for _, lines in compare.steps([w], [g]) for line in lines
                                   if not of_this_machine(line)])
            for n, (w, g) in enumerate(zip(want, got), 1)]


def of_this_machine(line):
    """The answers were recorded on one with PCI devices; a container may show none."""
    return '.PCIs:' in line and not any(Path('/sys/bus/pci/devices').glob('*'))


def read_list():
    """-> {scenario: {step: reason}}; a line is scenario, step, source, reason, with tabs between."""
    listed = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith('#'):
            scenario, step, _, reason = line.split('\t')
            listed.setdefault(scenario, {})[int(step)] = reason
    return listed


def guess(step):
    """A reason for a new line, where the server gives one."""
    for error in (step.got.get('error'), step.got.get('task', {}).get('error_info')):
        if error and error[0] == 'NOT_IMPLEMENTED':
            return 'not written yet: ' + (error[1] if len(error) > 1 else step.shown())
    return '? ' + '; '.join(step.differences)[:200]


def main():
    listed, stack = read_list() if LIST.exists() else {}, Stack()
    print('# SPDX-License-Identifier: LGPL-2.1-or-later')
    print('# Recorded steps whose answers differ, and why: scenario, step, its source, reason; tabs between.')
    try:
        prepare(stack)
        for scenario in scenarios():
            kept = listed.get(scenario.id, {})
            for step in run(server(stack), scenario):
                if step.differences:
                    print(scenario.id, step.index, step.shown(), kept.get(step.index) or guess(step), sep='\t')
    finally:
        stack.down()


if __name__ == '__main__':
    main()
