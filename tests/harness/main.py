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
FOLDERS = ('tree', 'packaging', 'integration', 'clients', 'conformance', 'fault_parts')
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
    parser.add_argument('--only', metavar='TEXT', default='', help='only tests with this in their name; '
                        'no unit tests, no sanitizers')
    parser.add_argument('--sanitizer', choices=SANITIZERS, help='only this part')
    return parser.parse_args()


def build(folder, *options):
    """Configures and builds; a failure ends everything."""
    if not (folder / 'build.ninja').exists():
        werror = ['-Dwerror=true'] if os.environ.get('CI') else []
        subprocess.run(['meson', 'setup', folder, SOURCE, *werror, *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', folder], check=True, stdout=subprocess.DEVNULL)
    (folder / '.complete').touch()


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


def files(quick=False, sanitized=False):
    found = [path for folder in FOLDERS for path in sorted((TESTS / folder).glob('test_*.py'))]
    return [path for path in found if not (quick or sanitized) or
            getattr(runner.load(path), 'QUICK' if quick else 'SANITIZED', False)]


def sanitized(name):
    folder = SOURCE / f'build-{name}'
    os.environ.update(SANITIZER_OPTIONS)
    # As needed, libcrypt would be left out: the sanitizers' own crypt_r, which calls it, hides that it is.
    build(folder, f'-Db_sanitize={SANITIZERS[name]}', '-Db_lundef=false', '-Db_asneeded=false')
    os.environ['XAPI_BUILD'] = str(folder)
    outcomes = unit_tests(folder, f'{name}: ')
    outcomes += runner.run(files(sanitized=True), '', JOBS, f'{name}: ')
    del os.environ['XAPI_BUILD']
    return outcomes


def chosen(options):
    folder = SOURCE / 'build'
    if options.sanitizer:
        return sanitized(options.sanitizer)
    build(folder)
    os.environ['XAPI_BUILD'] = str(folder)
    if options.only:
        return runner.run(files(), options.only, JOBS)
    outcomes = unit_tests(folder) + runner.run(files(quick=options.quick), '', JOBS)
    del os.environ['XAPI_BUILD']
    if not options.quick:
        outcomes += sanitized('asan') + sanitized('tsan')
    return outcomes


def main():
    options, start = arguments(), time.monotonic()
    try:
        outcomes = chosen(options)
    except subprocess.CalledProcessError as error:
        print(error)
        outcomes = [runner.Outcome('build', 0, str(error))]
    failed = [outcome for outcome in outcomes if outcome.failure]
    print(f'\n{time.monotonic() - start:.0f} s' + ''.join(f'\nFAIL {outcome.name}' for outcome in failed))
    print(f'{len(outcomes) - len(failed)} passed, {len(failed)} failed', flush=True)
    return 1 if failed or not outcomes else 0


if __name__ == '__main__':
    sys.exit(main())
