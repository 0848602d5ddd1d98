#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generated views show what the store keeps. Argument: xenapi-schema.sql."""

import json
import sqlite3
import sys


def main():
    connection = sqlite3.connect(':memory:')
    connection.execute('CREATE TABLE object(id INTEGER PRIMARY KEY, class TEXT NOT NULL, ref TEXT NOT NULL,'
                       ' generation INTEGER NOT NULL, created INTEGER NOT NULL, record TEXT NOT NULL)')
    records = [('VM', 'OpaqueRef:1', {'name_label': "it's", 'is_a_template': True, 'tags': ['a']}),
               ('VM', 'OpaqueRef:2', {}), ('network', 'OpaqueRef:3', {'MTU': 9000})]
    connection.executemany('INSERT INTO object(class, ref, generation, created, record) VALUES(?, ?, 5, 4, ?)',
                           [(c, ref, json.dumps(record)) for c, ref, record in records])
    with open(sys.argv[1], encoding='utf-8') as file:
        connection.executescript(file.read())
    query = 'SELECT ref, name_label, is_a_template, tags, has_vendor_device, power_state, affinity FROM VM ORDER BY ref'
    rows = connection.execute(query).fetchall()
    assert rows == [('OpaqueRef:1', "it's", 1, '["a"]', 1, 'Halted', 'OpaqueRef:NULL'),
                    ('OpaqueRef:2', '', 0, '[]', 1, 'Halted', 'OpaqueRef:NULL')], rows
    assert connection.execute('SELECT MTU, generation FROM network').fetchall() == [(9000, 5)]
    # A view is compiled when it is used; one that names a column twice or badly fails here.
    for (view,) in connection.execute("SELECT name FROM sqlite_temp_master WHERE type = 'view'").fetchall():
        connection.execute(f'SELECT * FROM "{view}"').fetchall()


if __name__ == '__main__':
    main()
