# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` gives a packager, and that it works from where it is put."""
import json
import os
import re
import stat
import subprocess
from pathlib import Path

from harness.stack import PASSWORD, build_folder

LIST = Path(__file__).with_name('installed-files')
UP_SEC = 120
RUN_BY_OTHERS = {'xen-hotplug', 'sm-disk'}       # by libxl, by systemd
CALLS_ONE_DAEMON = {'networkd-cli', 'rrd-cli', 'sm-cli', 'squeezed-cli'}     # their options are parameters of methods


def install(folder):
    """-> the paths of the installed files under their prefix, as in the list."""
    subprocess.run(['meson', 'install', '-C', build_folder(), '--no-rebuild', '--quiet'], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, 'DESTDIR': str(folder)})
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*')
                  if not path.is_dir() or path.is_symlink())


def prefix(folder):
    return folder / 'usr/local'


def test_files_are_as_listed(folder):
    assert install(folder) == LIST.read_text().split()


def test_every_program_has_a_man_page(folder):
    install(folder)
    programs = {path.name for place in ('bin', 'libexec/xapi') for path in (prefix(folder) / place).iterdir()
                if path.is_file() and path.stat().st_mode & stat.S_IXUSR}
    pages = {path.name.split('.')[0] for path in prefix(folder).glob('share/man/man*/*')}
    assert programs and programs <= pages, programs - pages


def test_man_pages_name_every_option(folder):
    install(folder)
    pages = {path.name.split('.')[0]: path.read_text() for path in prefix(folder).glob('share/man/man*/*')}
    for place in ('bin', 'libexec/xapi'):
        for program in (prefix(folder) / place).iterdir():
            if program.is_file() and program.name not in CALLS_ONE_DAEMON:
                told = subprocess.run([program, '--help'], stdout=subprocess.PIPE, text=True, timeout=30).stdout
                page = pages[program.name] + pages['xapi-daemons']
                lacking = [word for word in re.findall(r'^ .*?--([a-z-]+)', told, re.M)
                           if f'Fl -{word}' not in page]
                assert not lacking, f'{program.name}: {lacking}'


def test_man_pages_are_clean(folder):
    install(folder)
    for page in prefix(folder).glob('share/man/man*/*'):
        done = subprocess.run(['man', '--warnings', '--local-file', '-Tutf8', '-Z', page], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env={**os.environ, 'MANROFFSEQ': '', 'LC_ALL': 'C.UTF-8'})
        assert done.returncode == 0 and not done.stderr, f'{page.name}: {done.stderr}'


def test_daemons_know_version_and_help(folder):
    install(folder)
    for program in (prefix(folder) / 'libexec/xapi').iterdir():
        if program.is_file() and program.name not in RUN_BY_OTHERS:
            for option in ('--version', '--help'):
                done = subprocess.run([program, option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, timeout=30)
                assert done.returncode == 0 and done.stdout, f'{program.name} {option}: {done.stdout}'


def test_xapi_try_runs_from_where_it_is_installed(folder):
    """With nothing of the source tree: no build folder named, another working folder."""
    install(folder)
    program, state = prefix(folder) / 'bin/xapi-try', folder / 's'
    environment = {'PATH': os.environ['PATH'], 'HOME': str(folder)}

    def run(*arguments):
        return subprocess.run([program, *arguments, '--state', state], cwd=folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=UP_SEC)
    try:
        up = run('up', '--detach', '--port', '0', '--password', PASSWORD)
        assert up.returncode == 0, up.stdout
        daemons = json.loads(run('status', '--json').stdout)['daemons']
        for name, pid in daemons.items():
            assert os.readlink(f'/proc/{pid}/exe').startswith(str(prefix(folder))), name
        demo = run('demo')
        assert demo.returncode == 0, demo.stdout
    finally:
        run('down')
