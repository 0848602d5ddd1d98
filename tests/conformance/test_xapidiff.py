# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorded scenarios: every step agrees, or stands in the list of those that differ with its reason."""
from harness import conformance

WHOLE = ('10_wire', '11_sessions', '12_dispatch', '31_tasks', '32_events')

LOOKS_AT_START = '30_lifecycle/async'       # at its task, which must not have ended by then
START_SEC = 1


def case(scenario):
    def test(stack):
        reasons, faults = conformance.read_list().get(scenario.id, {}), []
        conformance.prepare(stack)
        if scenario.id == LOOKS_AT_START:
            stack.xenops_cli('inject', '--step', 'create', '--latency', START_SEC, '--count', 1)
        for step in conformance.run(conformance.server(stack), scenario):
            if step.differences and step.index not in reasons:
                faults.append(f'{step.index} {step.shown()}\n    ' + '\n    '.join(step.differences[:6]))
            elif step.index in reasons and not step.differences:
                faults.append(f'{step.index} {step.shown()}\n    agrees, and is in the list')
        assert not faults, '\n'.join(faults[:20]) + (f'\n{len(faults)} steps in all' if len(faults) > 20 else '')
    return test


SCENARIOS = {scenario.id: scenario for scenario in conformance.scenarios()}
for _scenario in SCENARIOS.values():
    _test = case(_scenario)
    _test.__name__ = 'test_' + _scenario.id.replace('/', '_')
    globals()[_test.__name__] = _test


def test_list_is_in_order():
    for name, reasons in conformance.read_list().items():
        assert name in SCENARIOS, name
        assert SCENARIOS[name].group not in WHOLE, f'{name}: its suite has to agree whole'
        assert len(set(reasons)) == len(reasons) and max(reasons) <= len(SCENARIOS[name].steps), name
        for step, reason in reasons.items():
            assert reason.startswith(conformance.REASONS), f'{name} {step}: {reason}'
