# SPDX-License-Identifier: LGPL-2.1-or-later
"""What generate-bus.py refuses, and where it says the mistake is."""

import os
import tempfile
import unittest

from generator.bus_model import Model
from generator.bus_text import Interface, Mistake

ERROR = 'error Error\n  Internal_error string !internal\n'

REFUSED = {
    'no error block': ('method a()', 1),
    'not understood: nonsense here': (ERROR + 'nonsense here', 3),
    'an indented line belongs to nothing': ('queue q\n  a string\n' + ERROR, 2),
    'A is there twice': (ERROR + 'enum A\n  X\nenum A\n  Y', 5),
    'unknown type Missing': (ERROR + 'record A\n  a [Missing?]', 3),
    'A contains itself': (ERROR + 'record A\n  b B\nrecord B\n  a [A]', 3),
    'A: a tag of an enum carries nothing': (ERROR + 'enum A\n  X string', 3),
    'not a member: a': (ERROR + 'record A\n  a', 4),
    'not a tag: A string int': (ERROR + 'variant V\n  A string int', 4),
    'not a method: method a(': (ERROR + 'method a(b c d', 3),
    'parameter b has no type': (ERROR + 'method a(b)', 3),
    'not a parameter: b c d': (ERROR + 'method a(b c d)', 3),
    'test_a_stat would be in C twice': (ERROR + 'method a.stat()\nmethod a_stat()', 4),
    'test_volume_dup would be in C twice': (ERROR + 'record Volume\n  a int\nmethod Volume.dup()', 5),
    'x: "a" is no int': (ERROR + 'record A\n  x int = "a"', 3),
    'x: "C" is no [E]?': (ERROR + 'enum E\n  A\nrecord R\n  x [E]? = "C"', 5),
    'x: ["C"] is no [E]?': (ERROR + 'enum E\n  A\nrecord R\n  x [E]? = ["C"]', 5),
    'no JSON: {': (ERROR + 'record A\n  x int = {', 4),
    'a: a script gives no descriptor': ('transport script\n' + ERROR + 'method a() -> string with fd', 4),
    'a: who runs a script ends it': ('transport script\n' + ERROR + 'method a() cancellable', 4),
    'not a method: method a() with': (ERROR + 'method a() with', 3),
    'A is empty': (ERROR + 'record A', 3),
    'a second error block': (ERROR + ERROR.replace('Error', 'Other'), 3),
}


class Refused(unittest.TestCase):
    def test_refused(self):
        for what, (text, line) in REFUSED.items():
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, 'test.idl')
                with open(path, 'w', encoding='utf-8') as f:
                    f.write(text + '\n')
                with self.assertRaises(Mistake) as caught:
                    Model(Interface(path))
                self.assertIn(f'test.idl:{line}: {what}', str(caught.exception))


if __name__ == '__main__':
    unittest.main()
