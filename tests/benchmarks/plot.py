# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws curves, both axes logarithmic, as one SVG; and as PNG where a program for that is installed."""
import math
import shutil
import subprocess
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 400                        # of one chart
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 40, 50
COLOURS = ('#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#17becf', '#8c564b', '#7f7f7f')
CONVERTERS = (('rsvg-convert', '-o', '{png}', '{svg}'), ('inkscape', '-o', '{png}', '{svg}'),
              ('magick', '{svg}', '{png}'), ('convert', '{svg}', '{png}'))


class Axis:
    """From values to places, on decades."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def place(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def text(x, y, words, anchor='middle', size=12, turn=''):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
            f'{f" transform={turn!r}" if turn else ""}>{escape(words)}</text>')


def grid(x, y, curve):
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for value in x.ticks():
        parts += [f'<path d="M{x.place(value):.1f} {TOP}V{bottom}" stroke="#ddd"/>',
                  text(x.place(value), bottom + 18, f'{value:g}')]
    for value in y.ticks():
        parts += [f'<path d="M{LEFT} {y.place(value):.1f}H{right}" stroke="#ddd"/>',
                  text(LEFT - 6, y.place(value) + 4, f'{value:g}', 'end')]
    middle = (TOP + bottom) / 2
    return parts + [text((LEFT + right) / 2, HEIGHT - 12, curve['x']),
                    text(16, middle, curve['y'], turn=f'rotate(-90 16 {middle:.0f})')]


def chart(title, curve, offset):
    points = [point for line in curve['lines'].values() for point in line]
    x = Axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP)
    parts = [f'<g transform="translate(0 {offset})">', text(LEFT, 24, title, 'start', 15), *grid(x, y, curve)]
    for number, (name, line) in enumerate(curve['lines'].items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [(x.place(a), y.place(b)) for a, b in line]
        path = 'M' + 'L'.join(f'{a:.1f} {b:.1f}' for a, b in places)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        height = TOP + 12 + 18 * number
        parts += [f'<circle cx="{WIDTH - RIGHT + 14}" cy="{height - 4}" r="4" fill="{colour}"/>',
                  text(WIDTH - RIGHT + 24, height, name, 'start')]
    return parts + ['</g>']


def draw(curves, path):
    """-> the files that were written."""
    parts = [part for number, (title, curve) in enumerate(curves.items())
             for part in chart(title, curve, number * HEIGHT)]
    height = HEIGHT * len(curves)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">'
                    '<rect width="100%" height="100%" fill="white"/>\n' + '\n'.join(parts) + '\n</svg>\n')
    png = path.with_suffix('.png')
    for command in CONVERTERS:
        if shutil.which(command[0]):
            done = subprocess.run([word.format(svg=path, png=png) for word in command], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
            if done.returncode == 0 and png.exists():
                return [path, png]
    return [path]
