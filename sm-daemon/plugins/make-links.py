#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes FOLDER/METHOD for each METHOD, a link to EXECUTABLE: usage: make-links.py STAMP EXECUTABLE FOLDER METHOD..."""
import os
import sys
from pathlib import Path

stamp, executable, folder, *methods = sys.argv[1:]
folder = Path(folder)
folder.mkdir(parents=True, exist_ok=True)
target = os.path.relpath(os.path.abspath(executable), os.path.abspath(folder))
for method in methods:
    link = folder / method
    link.unlink(missing_ok=True)
    link.symlink_to(target)
Path(stamp).touch()
