# SPDX-License-Identifier: LGPL-2.1-or-later
"""A build folder in which each daemon is a script that runs the real one under valgrind."""
import shlex
import sys

from harness.stack import SOURCE

sys.path.insert(0, str(SOURCE / 'packaging'))
from trying.stack import DAEMONS, MARK                      # noqa: E402

REPORT = 'Valgrind report'      # what the harness looks for in the daemons' logs
OPTIONS = ['--leak-check=full', '--show-leak-kinds=definite,indirect', '--errors-for-leak-kinds=definite,indirect',
           f'--error-markers={REPORT},', '--child-silent-after-fork=yes', '--num-callers=30', '--fair-sched=yes']
PRELOADED = {'sm-daemon': 'tests/pidfd.so'}      # it needs a system call that valgrind does not have
SCRIPT = """#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Made by tests/fault_parts/valgrind.py.
export {environment}
exec valgrind {options} --log-file="${mark}/log/valgrind-{name}-%p.log" \\
        {program} "$@"
"""


def wrap(build):
    """-> the folder, beside the real one."""
    folder = build.with_name(build.name + '-valgrind')
    for name, path in DAEMONS.items():
        environment = ['G_SLICE=always-malloc', 'G_DEBUG=gc-friendly']
        environment += [f'LD_PRELOAD={build / PRELOADED[name]}'] if name in PRELOADED else []
        script = folder / path
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(SCRIPT.format(environment=shlex.join(environment), options=shlex.join(OPTIONS), mark=MARK, name=name,
                                        program=shlex.quote(str((build / path).resolve()))))
        script.chmod(0o755)
    return folder
