# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `tests/run` does once everything that it needs is installed."""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import runner                          # noqa: E402
from harness.stack import SOURCE                    # noqa: E402

TESTS = SOURCE / 'tests'
FOLDERS = ('tree', 'packaging', 'integration', 'clients', 'conformance')
JOBS = os.cpu_count() or 2
SANITIZERS = {'asan': 'address,undefined', 'tsan': 'thread'}
SANITIZER_OPTIONS = {
    'ASAN_OPTIONS': 'detect_stack_use_after_return=1:strict_string_checks=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'LSAN_OPTIONS': f'suppressions={TESTS}/harness/lsan.supp:print_suppressions=0',
    'TSAN_OPTIONS': f'second_deadlock_stack=1:suppressions={TESTS}/harness/tsan.supp',
    'G_SLICE': 'always-malloc',     # GLib's own allocator hides from them what belongs to which thread
}


def arguments():
    parser = argparse.ArgumentParser(prog='tests/run', description='Builds, and runs the tests; the last line is '
                                     '`N passed, N failed`.')
    parser.add_argument('--quick', action='store_true', help='unit tests and a short smoke: under two minutes')
    parser.add_argument('--xen', action='store_true', help='only those on real Xen, in an emulated machine')
    parser.add_argument('--long', action='store_true', help='those that take long, too')
    parser.add_argument('--only', metavar='TEXT', default='', help='only tests with this in their name; '
                        'no unit tests, no sanitizers')
    parser.add_argument('--sanitizer', choices=SANITIZERS, help='only this part')
    return parser.parse_args()


def build(folder, *options):
    """Configures and builds; a failure ends everything."""
    if not (folder / 'build.ninja').exists():
        # Not with sanitizers, whose checks make the compiler warn of what cannot happen.
        werror = ['-Dwerror=true'] if os.environ.get('CI') and not options else []
        subprocess.run(['meson', 'setup', folder, SOURCE, *werror, *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', folder], check=True, stdout=subprocess.DEVNULL)


def unit_tests(folder, prefix=''):
    """meson's, each program a test."""
    log = folder / 'meson-logs/testlog.json'
    log.unlink(missing_ok=True)
    subprocess.run(['meson', 'test', '-C', folder, '--no-rebuild', '--quiet', '--timeout-multiplier', '4',
                    '--print-errorlogs'], stdin=subprocess.DEVNULL)
    outcomes = []
    for line in log.read_text().splitlines() if log.exists() else ():
        test = json.loads(line)
        passed = test['result'] in ('OK', 'EXPECTEDFAIL', 'SKIP')
        name = test['name'].partition(':')[2].replace(' / ', '/')
        outcomes.append(runner.Outcome(f'{prefix}unit/{name}', test['duration'],
                                       '' if passed else f'{test["result"]}, see above'))
        runner.show(outcomes[-1])
    return outcomes


def files():
    return [path for folder in FOLDERS for path in sorted((TESTS / folder).glob('test_*.py'))]


def faults():
    """Those of tests/faults, in their short form; one at a time, for they are about load."""
    return sorted((TESTS / 'fault_parts').glob('test_*.py'))


def xen(options):
    """-> the files of tests/xen, once the machine is ready in which they run; none where it cannot be had."""
    paths = [path for path in sorted((TESTS / 'xen').glob('test_*.py'))
             if (options.long or not getattr(runner.load(path), 'LONG', False)) and
             any(options.only in runner.label(path, name) for name, _ in runner.tests_of(runner.load(path)))]
    if not paths:
        return []
    installed = subprocess.run([SOURCE / 'packaging/install-dependencies', 'package', 'xen'], stdin=subprocess.DEVNULL)
    if installed.returncode:
        assert not options.xen, 'what tests/xen needs is not there, see above'
        print('     tests/xen are left out: what they need is not there, see above', flush=True)
        return []
    from xen.box import states
    states.prepare()
    return paths


def marked(mark):
    return [path for path in files() + faults() if getattr(runner.load(path), mark, False)]


def use_build(sanitizer=None):
    """Builds, and has stacks started from there -> the build folder."""
    folder = SOURCE / (f'build-{sanitizer}' if sanitizer else 'build')
    if sanitizer:
        os.environ.update(SANITIZER_OPTIONS)
        build(folder, f'-Db_sanitize={SANITIZERS[sanitizer]}', '-Db_lundef=false')
    else:
        build(folder)
    os.environ['XAPI_BUILD'] = str(folder)
    return folder


def sanitized(name):
    folder = use_build(name)
    return unit_tests(folder, f'{name}: ') + runner.run(marked('SANITIZED'), '', JOBS, f'{name}: ')


def chosen(options):
    if options.sanitizer:
        return sanitized(options.sanitizer)
    if options.xen:
        return runner.run(xen(options), options.only, JOBS)
    folder = use_build()
    if options.only:
        return (runner.run(files(), options.only, JOBS) + runner.run(faults(), options.only, 1) +
                runner.run(xen(options), options.only, JOBS))
    if options.quick:
        return unit_tests(folder) + runner.run(marked('QUICK'), '', JOBS)
    return (unit_tests(folder) + runner.run(files(), '', JOBS) + runner.run(faults(), '', 1) +
            runner.run(xen(options), '', JOBS) + sanitized('asan') + sanitized('tsan'))


def conclude(choose, *arguments):
    """Runs what gives the outcomes, and prints how they were -> the exit status."""
    start = time.monotonic()
    try:
        outcomes = choose(*arguments)
    except (subprocess.CalledProcessError, AssertionError, RuntimeError) as error:
        outcomes = [runner.Outcome('build', 0, str(error))]
        runner.show(outcomes[0])
    failed = [outcome for outcome in outcomes if outcome.failure]
    print(f'\n{time.monotonic() - start:.0f} s' + ''.join(f'\nFAIL {outcome.name}' for outcome in failed))
    print(f'{len(outcomes) - len(failed)} passed, {len(failed)} failed', flush=True)
    return 1 if failed or not outcomes else 0


if __name__ == '__main__':
    sys.exit(conclude(chosen, arguments()))
