# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with the real Xen hypervisor, emulated: what tests/xen runs in."""
