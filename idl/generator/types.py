# SPDX-License-Identifier: LGPL-2.1-or-later
"""Types as the .idl files write them: `(VDI ref -> string set) map`."""

import re

# A secretstring is a string that is never logged.
SCALARS = ('void', 'string', 'secretstring', 'int', 'float', 'bool', 'datetime')


class Type:
    def __init__(self, text, kind, name=None, key=None, element=None):
        self.text, self.kind, self.name, self.key, self.element = text, kind, name, key, element

    @property
    def symbol(self):
        """The C name of its table entry: type_VDI_ref_to_string_set_map."""
        if self.kind in SCALARS:
            return f'type_{self.kind}'
        if self.kind in ('set', 'option'):
            return f'{self.element.symbol}_{self.kind}'
        if self.kind == 'map':
            return f'{self.key.symbol}_to_{self.element.symbol.removeprefix("type_")}_map'
        if self.kind == 'enum':
            return f'type_enum_{self.name}'
        return f'type_{self.name or "any"}_{self.kind}'


class TypeTable:
    """Each type once, by its text, parts before wholes."""

    def __init__(self):
        self.by_text = {}

    def get(self, text):
        text = text.strip()
        if text not in self.by_text:
            parsed = self.parse(text)
            self.by_text[text] = parsed
        return self.by_text[text]

    def parse(self, text):
        if text in SCALARS:
            return Type(text, text)
        for suffix in ('set', 'option'):
            if text.endswith(' ' + suffix):
                return Type(text, suffix, element=self.get(text[:-len(suffix) - 1]))
        if text.startswith('(') and text.endswith(') map'):
            key, element = self.split_arrow(text[1:-5])
            return Type(text, 'map', key=self.get(key), element=self.get(element))
        match = re.fullmatch(r'enum (\w+)', text)
        if match:
            return Type(text, 'enum', name=match[1])
        match = re.fullmatch(r'(\w+|<class>) (ref|record)', text)
        if match:
            return Type(text, match[2], name=None if match[1] == '<class>' else match[1])
        raise ValueError(f'"{text}" is no type')

    @staticmethod
    def split_arrow(text):
        depth = 0
        for at, char in enumerate(text):
            depth += (char == '(') - (char == ')' and text[at - 1:at] != '-')
            if depth == 0 and text.startswith(' -> ', at):
                return text[:at], text[at + 4:]
        raise ValueError(f'"{text}" has no ->')
