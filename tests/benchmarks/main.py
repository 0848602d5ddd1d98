# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command tests/bench."""
import argparse
import os
import subprocess
import sys
from dataclasses import dataclass

from harness.stack import SOURCE

from . import results, switch

SUITES = {'switch': switch}


@dataclass
class Scale:
    rounds: int     # of each comparison
    msec: int       # that one figure is taken over


FULL, QUICK = Scale(9, 2000), Scale(3, 300)

DESCRIPTION = 'Measures the software beside its peers, in the same run, the sides taking turns; medians. Needs two processors.'


def arguments():
    parser = argparse.ArgumentParser(prog='tests/bench', description=DESCRIPTION)
    parser.add_argument('--quick', action='store_true', help='few and short rounds: shows that it works, no more')
    parser.add_argument('--only', metavar='NAME', action='append', choices=SUITES,
                        help='one of: ' + ', '.join(SUITES) + '; may be repeated')
    parser.add_argument('--no-build', action='store_true', help='what was built last, as it is')
    return parser.parse_args()


def prepare(build):
    """Installs and builds what is missing; XAPI_BUILD names the build folder afterwards."""
    folder = os.environ.setdefault('XAPI_BUILD', str(SOURCE / 'build-bench'))
    if not build:
        return
    # Debian starts services when it installs them, but not in runlevel 1.
    subprocess.run([SOURCE / 'packaging/install-dependencies', 'run', 'build', 'bench'], check=True,
                   env={**os.environ, 'RUNLEVEL': '1'})
    if not os.path.exists(f'{folder}/build.ninja'):
        subprocess.run(['meson', 'setup', folder, SOURCE], check=True, stdout=sys.stderr)
    subprocess.run(['meson', 'configure', folder, '-Dbench=true'], check=True)
    subprocess.run(['ninja', '-C', folder], check=True, stdout=sys.stderr)


def main():
    options = arguments()
    if os.cpu_count() < 2:
        sys.exit('tests/bench: two processors are needed, one for the servers and one for the load')
    try:
        prepare(not options.no_build)
    except subprocess.CalledProcessError as error:
        sys.exit(f'tests/bench: {error}')
    rows, curves = [], {}
    for name in options.only or SUITES:
        print(f'{name} ...', file=sys.stderr, flush=True)
        new, more = SUITES[name].measure(QUICK if options.quick else FULL)
        print(results.table(new) + '\n', flush=True)
        rows += new
        curves.update(more)
    print(f'stored in {results.store(rows, curves)}')
    return 0
