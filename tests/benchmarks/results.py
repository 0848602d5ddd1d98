# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures: taken in rounds, reduced to medians, shown in a table, kept as JSON."""
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field

from harness.stack import SOURCE, build_folder


@dataclass
class Row:
    """One figure. With a peer, `value` is ours / peer's, the median of the rounds' ratios."""
    what: str
    value: float
    unit: str                       # of ours and the peer's; of value, where there is no peer
    at_least: float = None
    aim: float = None
    ours: float = None
    peer: float = None
    peer_name: str = ''
    less_is_better: bool = False
    rounds: list = field(default_factory=list)      # each {side: figure}
    note: str = ''

    def verdict(self):
        for target, word in ((self.aim, 'aim'), (self.at_least, 'at least')):
            if target is not None and (self.value <= target if self.less_is_better else self.value >= target):
                return word
        return '' if self.at_least is None else 'short'


def rounds(count, sides):
    """Each side once a round, in turn from another beginning -> [{name: figure}]. `sides`: {name: function -> figure}."""
    names, taken = list(sides), []
    for number in range(count):
        order = names[number % len(names):] + names[:number % len(names)]
        figures = {name: sides[name]() for name in order}
        taken.append({name: figures[name] for name in names})
    return taken


def median(taken, name):
    return statistics.median(figures[name] for figures in taken)


def ratio(taken, name, peer):
    return statistics.median(figures[name] / figures[peer] for figures in taken)


def compare(what, unit, taken, ours, peer, at_least=None, aim=None, note=''):
    return Row(what, ratio(taken, ours, peer), unit, at_least, aim, median(taken, ours), median(taken, peer), peer,
               rounds=taken, note=note)


def shown(value):
    if value is None:
        return ''
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


HEAD = ('what', 'ours', 'peer', '', 'unit', 'ratio', 'at least', 'aim', '')


def cells(row):
    alone = row.peer is None
    return (row.what, shown(row.value if alone else row.ours), shown(row.peer), row.peer_name, row.unit,
            '' if alone else f'{row.value:.2f}', shown(row.at_least), shown(row.aim), row.verdict())


def table(rows):
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    numbers = {1, 2, 5, 6, 7}
    return '\n'.join('  '.join(cell.rjust(width) if column in numbers else cell.ljust(width)
                               for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def sync_usec():
    """What it costs to make a page durable where stacks have their folders: writes cannot be quicker."""
    taken = []
    with tempfile.NamedTemporaryFile(prefix='xapi-bench-') as file:
        for _ in range(50):
            os.pwrite(file.fileno(), os.urandom(4096), 0)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - start) * 1e6)
    return statistics.median(taken)


def notes(rows):
    return '\n'.join(f'  {row.what}: {row.note}' for row in rows if row.note)


def machine():
    with open('/proc/cpuinfo') as file:
        names = {line.partition(': ')[2].strip() for line in file if line.startswith('model name')}
    commit = subprocess.run(['git', '-c', f'safe.directory={SOURCE}', 'describe', '--always', '--dirty'], cwd=SOURCE,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return {'cpu': ', '.join(sorted(names)), 'cpus': os.cpu_count(), 'kernel': platform.release(), 'commit': commit,
            'load': os.getloadavg()[0], 'fdatasync_usec': round(sync_usec())}


def store(rows, curves):
    """-> the file; figures of earlier runs stay beside it."""
    folder = build_folder() / 'bench'
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime('%Y%m%dT%H%M%S.json')
    path.write_text(json.dumps({'machine': machine(), 'rows': [asdict(row) for row in rows], 'curves': curves},
                               indent=1) + '\n')
    return path
