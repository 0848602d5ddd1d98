# SPDX-License-Identifier: LGPL-2.1-or-later
"""What holds of every file of the tree, and of everything that is built."""
import concurrent.futures
import json
import os
import re
import subprocess

from harness.stack import SOURCE, build_folder

NO_SPDX = {'COPYING', '.clang-format', '.gitignore', 'common', 'installed-files'}
NO_SPDX_IN = ('tests/xapidiff/', 'tests/fuzz/', 'tests/vectors/', 'packaging/debian/')  # data and text, in forms of their own
NO_SPDX_SUFFIXES = ('.md', '.json', '.jsonl', '.txt')


def tracked():
    names = subprocess.run(['git', '-c', f'safe.directory={SOURCE}', 'ls-files', '-z'], cwd=SOURCE, text=True,
                           stdout=subprocess.PIPE, check=True).stdout
    return [SOURCE / name for name in names.split('\0') if name and (SOURCE / name).is_file()]


def c_sources(*suffixes):
    return [path for path in tracked() if path.suffix in suffixes]


def many(function, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [answer for answer in pool.map(function, items) if answer]


def test_format():
    done = subprocess.run(['clang-format', '--dry-run', '-Werror', *c_sources('.c', '.h')], cwd=SOURCE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wrong = sorted(set(re.findall(r'^(/\S+?):\d+:\d+: error', done.stdout, re.M)))
    assert done.returncode == 0, 'clang-format -i changes these:\n' + '\n'.join(wrong or [done.stdout])


def test_licence_in_every_file():
    lacking = []
    for path in tracked():
        name = str(path.relative_to(SOURCE))
        if path.name in NO_SPDX or name.startswith(NO_SPDX_IN) or name.endswith(NO_SPDX_SUFFIXES):
            continue
        if b'SPDX-License-Identifier: LGPL-2.1-or-later' not in path.read_bytes()[:400]:
            lacking.append(name)
    assert not lacking, lacking


def include_options():
    """-> for each folder, those with which its C files are compiled."""
    options = {}
    for entry in json.loads((build_folder() / 'compile_commands.json').read_text()):
        folder = (build_folder() / entry['file']).resolve().parent
        words = re.findall(r'-(?:I|isystem|pthread)\S*', entry['command'])
        options.setdefault(folder, {}).update(dict.fromkeys(words))
    return options


def test_headers_compile_alone():
    options = include_options()

    def check(header):
        folder = next((f for f in (header.parent, *header.parents) if f in options), None)
        if not folder:                  # of tests/bench, which this build leaves out
            return None
        done = subprocess.run(['gcc', '-std=gnu17', '-D_GNU_SOURCE', '-fsyntax-only', '-x', 'c', *options[folder],
                               header], cwd=build_folder(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        return done.stderr if done.returncode else None
    faults = many(check, c_sources('.h'))
    assert not faults, '\n'.join(faults)[:4000]


def test_one_json_library_a_file():
    """jansson and json-c export the same names; where both are needed, one of them silently wins."""
    def needs_both(path):
        dynamic = subprocess.run(['readelf', '-d', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 text=True).stdout
        return path if 'libjansson' in dynamic and 'libjson-c' in dynamic else None
    built = [path for path in build_folder().rglob('*') if path.is_file() and not path.suffix == '.o' and
             path.read_bytes()[:4] == b'\x7fELF']
    assert built and not many(needs_both, built)
