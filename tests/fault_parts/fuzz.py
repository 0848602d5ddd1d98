# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fuzzers, one after another, each for so long; what they learn can be kept as the corpora that `tests/run` replays."""
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import runner
from harness.stack import SOURCE

CORPORA = SOURCE / 'tests/fuzz'
BUILD = SOURCE / 'build-fuzz'
KEPT_BYTES_MAX = 4096           # of an input that is kept
SLOW_SEC = 25                   # one input may take no longer
SHOWN_BYTES = 3000
LEARNED = re.compile(r'[0-9a-f]{40}')       # libFuzzer names an input after its SHA-1


def targets():
    return sorted(path.name for path in CORPORA.iterdir() if path.is_dir())


def build():
    if not (BUILD / 'build.ninja').exists():
        subprocess.run(['meson', 'setup', BUILD, SOURCE, '-Dfuzz=true'], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, 'CC': 'clang'})
    subprocess.run(['ninja', '-C', BUILD, *(f'tests/fuzz/fuzz-{name}' for name in targets())], check=True,
                   stdout=subprocess.DEVNULL)


def program(name):
    return str(BUILD / f'tests/fuzz/fuzz-{name}')


def fuzz(name, seconds, folder):
    """-> what went wrong; empty: nothing."""
    done = subprocess.run([program(name), f'-max_total_time={seconds}', f'-timeout={SLOW_SEC}', '-rss_limit_mb=4096',
                           '-print_final_stats=1', f'-artifact_prefix={folder}/found-', folder / 'corpus', CORPORA / name],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)
    text = done.stdout.decode(errors='replace')
    for line in text.splitlines():
        if line.startswith(('stat::number_of_executed_units', 'stat::new_units_added')):
            print('     ' + line.removeprefix('stat::'), flush=True)
    if done.returncode == 0:
        return ''
    found = [f'{path.name}: {path.read_bytes().hex()}' for path in folder.glob('found-*')]
    return '\n'.join([text[-SHOWN_BYTES:], *found])


def keep(name, folder):
    """The smallest set of inputs that reaches all that was reached, in place of the corpus but for what was put there by
    hand, under a name that says what it is."""
    smallest = folder / 'smallest'
    smallest.mkdir()
    subprocess.run([program(name), '-merge=1', f'-max_len={KEPT_BYTES_MAX}', smallest, folder / 'corpus', CORPORA / name],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in (CORPORA / name).iterdir():
        if LEARNED.fullmatch(path.name):
            path.unlink()
    shutil.copytree(smallest, CORPORA / name, dirs_exist_ok=True)


def run(seconds, only, keeps):
    build()
    outcomes = []
    for name in targets():
        if only not in f'fuzz/{name}':
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix='xapi-fuzz-') as folder:
            (Path(folder) / 'corpus').mkdir()
            failure = fuzz(name, seconds, Path(folder))
            if keeps and not failure:
                keep(name, Path(folder))
        outcomes.append(runner.Outcome(f'fuzz/{name}', time.monotonic() - start, failure))
        runner.show(outcomes[-1])
    return outcomes
