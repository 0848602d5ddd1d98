# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command tests/bench."""
import argparse
import os
import subprocess
import sys
from dataclasses import dataclass

from harness.stack import SOURCE

from . import bulk, events, footprint, growth, https, plot, results, starts, switch, xen

SUITES = {'switch': switch, 'https': https, 'events': events, 'starts': starts, 'footprint': footprint,
          'growth': growth, 'bulk': bulk}
XEN = {'xen': xen}


@dataclass
class Scale:
    rounds: int     # of each comparison
    msec: int       # that one figure is taken over
    many: int       # VMs in the store, where many are asked for
    changes: int    # followed by events, a round
    storms: int     # rounds of starting VMs
    storm: int      # VMs started at once
    sizes: tuple    # VMs in the store, for the cost's growth
    curve: int      # points of a curve, at most


FULL = Scale(9, 1000, 5000, 200, 5, 1000, (100, 1000, 10000), 9)
QUICK = Scale(3, 300, 500, 30, 1, 100, (100, 1000), 2)

DESCRIPTION = '''Measures the software beside its peers: in the same run, the sides taking turns, the median of the
rounds. Installs the peers from Debian's packages (as root), and needs two processors, with nothing else on them.'''


def arguments():
    parser = argparse.ArgumentParser(prog='tests/bench', description=DESCRIPTION)
    parser.add_argument('--quick', action='store_true', help='few and short rounds: shows that it works, no more')
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--only', metavar='NAME', action='append', choices=SUITES,
                      help='one of ' + ', '.join(SUITES) + '; may be repeated')
    what.add_argument('--xen', action='store_true', help='only xenopsd beside xl, on real Xen in an emulated machine')
    parser.add_argument('--plot', action='store_true', help='draw how figures grow with VMs and clients (SVG, PNG)')
    parser.add_argument('--no-build', action='store_true', help='what was built last, as it is')
    return parser.parse_args()


def prepare(build):
    """Installs and builds what is missing; XAPI_BUILD names the build folder afterwards."""
    folder = os.environ.setdefault('XAPI_BUILD', str(SOURCE / 'build-bench'))
    os.environ['PATH'] += ':/usr/sbin'      # nginx and nats-server are there
    if not build:
        return
    # Debian starts services when it installs them, but not in runlevel 1.
    subprocess.run([SOURCE / 'packaging/install-dependencies', 'run', 'build', 'bench'], check=True,
                   env={**os.environ, 'RUNLEVEL': '1'})
    if not os.path.exists(f'{folder}/tests/benchmarks'):
        again = ['--reconfigure'] if os.path.exists(f'{folder}/build.ninja') else []
        subprocess.run(['meson', 'setup', *again, folder, SOURCE, '-Dbench=true'], check=True, stdout=sys.stderr)
    subprocess.run(['ninja', '-C', folder], check=True, stdout=sys.stderr)


def prepare_xen():
    os.environ.setdefault('XAPI_BUILD', str(SOURCE / 'build-bench'))
    subprocess.run([SOURCE / 'packaging/install-dependencies', 'xen'], check=True, stdin=subprocess.DEVNULL)


def main():
    options = arguments()
    if os.cpu_count() < 2:
        sys.exit('tests/bench: two processors are needed, one for the servers and one for the load')
    try:
        prepare_xen() if options.xen else prepare(not options.no_build)
    except subprocess.CalledProcessError as error:
        sys.exit(f'tests/bench: {error}')
    rows, curves = [], {}
    suites = XEN if options.xen else {name: SUITES[name] for name in options.only or SUITES}
    for name, suite in suites.items():
        print(f'{name} ...', file=sys.stderr, flush=True)
        new, more = suite.measure(QUICK if options.quick else FULL)
        print(results.table(new), results.notes(new), sep='\n', flush=True)
        rows += new
        curves.update(more)
    stored = results.store(rows, curves)
    print(f'stored in {stored}')
    if options.plot and curves:
        print('drawn in', *plot.draw(curves, stored.with_suffix('.svg')))
    return 0
