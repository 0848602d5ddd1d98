# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text of an .idl file as blocks: a head line and its indented attributes. ../README.md describes the format."""

import json
import pathlib
import re


class IdlError(Exception):
    pass


class Block:
    """One `kind rest` line and the attributes below it."""

    def __init__(self, where, kind, rest):
        self.where, self.kind, self.rest = where, kind, rest
        self.attributes = []

    def fail(self, text):
        raise IdlError(f'{self.where}: {text}')

    def take(self, name, default=None):
        """The one value of an attribute; a flag has the value ''."""
        found = [value for key, value in self.attributes if key == name]
        if len(found) > 1:
            self.fail(f'"{name}" is given twice')
        self.attributes = [a for a in self.attributes if a[0] != name]
        return found[0] if found else default

    def take_flag(self, name):
        value = self.take(name)
        if value:
            self.fail(f'"{name}" takes no value')
        return value is not None

    def take_all(self, name):
        found = [value for key, value in self.attributes if key == name]
        self.attributes = [a for a in self.attributes if a[0] != name]
        return found

    def finish(self):
        if self.attributes:
            self.fail(f'unknown attribute "{self.attributes[0][0]}"')


def read_blocks(path):
    blocks = []
    open_head = None
    for number, line in enumerate(pathlib.Path(path).read_text(encoding='utf-8').split('\n'), 1):
        where = f'{path}:{number}'
        text = line.strip()
        if not text or text.startswith('#'):
            continue
        if open_head:
            open_head.rest += ' ' + text
            if text.startswith(')'):
                open_head = None
        elif line[0] != ' ':
            kind, _, rest = text.partition(' ')
            blocks.append(Block(where, kind, rest))
            if rest.endswith('('):
                open_head = blocks[-1]
        elif not blocks:
            raise IdlError(f'{where}: an attribute without a block')
        else:
            key, _, value = text.partition(' ')
            blocks[-1].attributes.append((key, value))
    return blocks


def split_params(block, text):
    """'vm: VM ref, token: string = ""' as [(name, type text, has default, default)]."""
    params = []
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        match = re.match(r'(\w+): ([^=,]+?)\s*(=|,|$)\s*', text)
        if not match:
            block.fail(f'bad parameters at "{text}"')
        name, type_text, separator = match.groups()
        text = text[match.end():]
        default = None
        if separator == '=':
            default, end = decoder.raw_decode(text)
            text = text[end:].lstrip().removeprefix(',').lstrip()
        params.append((name, type_text, separator == '=', default))
    return params
