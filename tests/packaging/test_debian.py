# SPDX-License-Identifier: LGPL-2.1-or-later
"""packaging/debian says the same as the rest of the tree; that the packages work is tests/xen's to find out."""
import fnmatch
import re

from harness.stack import SOURCE

QUICK = True
DEBIAN = SOURCE / 'packaging/debian'
ONLY_FOR_PACKAGES = {'debhelper-compat', 'dh-sequence-installsysusers'}
BUILD_ESSENTIAL = {'gcc'}                       # which every package may take for granted
ALSO_RUN = {'python3'}                          # which the build needs, too


def control():
    """-> the paragraphs of debian/control, as {field: text}."""
    text = re.sub(r'^#.*\n', '', (DEBIAN / 'control').read_text(), flags=re.M)
    return [dict(re.findall(r'^(\S+?):((?:.*\n)(?:[ \t].*\n)*)', paragraph + '\n', re.M))
            for paragraph in text.strip().split('\n\n')]


def words(field):
    return {re.sub(r'[ (].*', '', word.strip()) for word in field.split(',') if word.strip()}


def group(name):
    text = (SOURCE / 'packaging/dependencies').read_text()
    return {word for line in re.findall(rf'^{name} (.*)$', text, re.M) for word in line.split()}


def patterns():
    """-> {pattern: package} of all that packages take."""
    found = {}
    for path in DEBIAN.glob('*.install'):
        for line in path.read_text().split():
            assert line not in found, line
            found[line] = path.stem
    return found


def as_packaged(path):
    """Where debian/rules has what `meson install` puts there."""
    path = path.replace('usr/local/', 'usr/')
    path = path.replace('usr/lib/systemd/system/', 'lib/systemd/system/')
    return path.replace('usr/share/doc/xapi/', 'usr/share/doc/xapi-core/')


def test_every_installed_file_is_in_one_package():
    taken = patterns()
    for line in (SOURCE / 'tests/packaging/installed-files').read_text().split():
        path = as_packaged(line)
        owners = {package for pattern, package in taken.items()
                  if fnmatch.fnmatch(path, pattern) or path.startswith(pattern + '/')}
        assert len(owners) == 1, f'{path}: say in packaging/debian/PACKAGE.install whose it is; now: {owners}'


def test_packages_take_what_there_is():
    installed = [as_packaged(line) for line in (SOURCE / 'tests/packaging/installed-files').read_text().split()]
    for pattern in patterns():
        assert any(fnmatch.fnmatch(path, pattern) or path.startswith(pattern + '/') for path in installed), pattern


def test_build_dependencies_are_the_same():
    assert words(control()[0]['Build-Depends']) - ONLY_FOR_PACKAGES == (group('build') | ALSO_RUN) - BUILD_ESSENTIAL


def test_what_packages_depend_on_is_what_a_host_gets():
    """So that the packages can be installed where packaging/dependencies' run and dom0 are."""
    ours = {paragraph['Package'].strip() for paragraph in control()[1:]}
    for paragraph in control()[1:]:
        needed = {word.partition(':')[0] for word in words(paragraph['Depends']) if not word.startswith('$')}
        assert needed - ours <= group('run') | group('dom0'), paragraph['Package']
