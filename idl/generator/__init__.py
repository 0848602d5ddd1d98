# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads idl/xenapi and writes what the other folders build on."""
