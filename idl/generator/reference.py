# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenapi-reference.html: the API for readers, on one page that needs nothing else."""

import re
from html import escape

from .model import role_names, state

STYLE = '''body{font:15px/1.5 sans-serif;margin:0 auto;max-width:60em;padding:1em}
nav{columns:4;font-size:13px}h2{border-top:2px solid #888;padding-top:.5em}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.2em .5em;text-align:left;
vertical-align:top}code{font-size:13px}.s{color:#777;font-size:12px}.old{opacity:.6}
@media(max-width:40em){nav{columns:2}}'''


def write_reference(model, out):
    version = '.'.join(map(str, model.api_version))
    out.write('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>XenAPI reference</title>'
              '<meta name="viewport" content="width=device-width,initial-scale=1">'
              f'<style>{STYLE}</style></head><body>\n<h1>XenAPI {version}</h1>\n')
    out.write('<p>Every class has a reference type, <code>CLASS ref</code>. A call is <code>CLASS.message</code>; its '
              'first parameter is the session where not said otherwise. Messages marked async also exist as '
              '<code>Async.CLASS.message</code>, which returns a task.</p>\n<h2>Classes</h2>\n<nav>')
    for c in model.classes.values():
        out.write(f'<a href="#class-{c.name}">{c.name}</a><br>')
    out.write('<a href="#enums">enums</a><br><a href="#errors">errors</a><br><a href="#http">HTTP</a></nav>\n')
    for c in model.classes.values():
        write_class(model, c, out)
    write_enums(model, out)
    write_errors(model, out)
    write_http(model, out)
    out.write('</body></html>\n')


def linked(text):
    """A type with links to its class and enum."""
    text = escape(text)
    text = re.sub(r'enum (\w+)', r'enum <a href="#enum-\1">\1</a>', text)
    return re.sub(r'(\w+) (ref|record)\b', r'<a href="#class-\1">\1</a> \2', text)


def history(thing):
    return '<span class="s">' + escape(', '.join(' '.join(step) for step in thing.lifecycle)) + '</span>'


def shade(thing):
    return ' class="old"' if state(thing.lifecycle) in ('removed', 'deprecated') else ''


def write_class(model, c, out):
    out.write(f'<h2 id="class-{c.name}">{c.name}</h2>\n<p>{escape(c.about)}. {history(c)}</p>\n')
    fields = [f for f in c.fields.values() if not f.internal]
    if fields:
        out.write('<table><tr><th>Field</th><th>Type</th><th></th><th>Meaning</th></tr>\n')
        for f in fields:
            default = '' if f.default is None else f'; default <code>{escape(f.default)}</code>'
            out.write(f'<tr{shade(f)}><td><code>{f.name}</code></td><td><code>{linked(f.type.text)}</code></td>'
                      f'<td>{f.qualifier}</td><td>{escape(f.about)}{default} {history(f)}</td></tr>\n')
        out.write('</table>\n')
    messages = [m for m in c.messages.values() if not m.hidden]
    if messages:
        out.write('<table><tr><th>Message</th><th>Meaning</th></tr>\n')
        for m in messages:
            write_message(model, c, m, out)
        out.write('</table>\n')


def write_message(model, c, m, out):
    params = ', '.join(f'{p.name}: {linked(p.type.text)}' for p in m.params)
    role = (role_names(model, m.role) or [m.role])[-1] if '+' not in m.role else m.role
    notes = [f'needs {role}'] + ['async'] * m.is_async + ['no session'] * (not m.session)
    errors = ''
    if m.errors:
        links = ', '.join(f'<a href="#error-{e}">{e}</a>' for e in dict.fromkeys(m.errors))
        errors = f'<br><span class="s">Errors: {links}</span>'
    out.write(f'<tr{shade(m)} id="message-{c.name}.{m.name}"><td><code>{m.name}({params}): {linked(m.result.text)}'
              f'</code></td><td>{escape(m.about)} <span class="s">{", ".join(notes)};</span> {history(m)}{errors}'
              '</td></tr>\n')


def write_enums(model, out):
    out.write('<h2 id="enums">Enums</h2>\n<table>\n')
    for e in model.enums.values():
        values = ', '.join(escape(v) for v in e.values)
        out.write(f'<tr id="enum-{e.name}"><td><code>{e.name}</code></td><td>{escape(e.about)}: <code>{values}</code>'
                  '</td></tr>\n')
    out.write('</table>\n')


def write_errors(model, out):
    out.write('<h2 id="errors">Errors</h2>\n<table>\n')
    for e in model.errors.values():
        params = escape(', '.join(e.params or []))
        out.write(f'<tr id="error-{e.name}"><td><code>{e.name}</code><br><span class="s">{params}</span></td>'
                  f'<td>{escape(e.about)}</td></tr>\n')
    out.write('</table>\n')


def write_http(model, out):
    out.write('<h2 id="http">HTTP</h2>\n<table>\n')
    for a in model.http.values():
        args = escape(', '.join(a.args or []))
        out.write(f'<tr><td><code>{a.method} {escape(a.uri)}</code></td><td>{a.role or ""}</td><td>{args}</td></tr>\n')
    out.write('</table>\n')
