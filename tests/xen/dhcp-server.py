# SPDX-License-Identifier: LGPL-2.1-or-later
"""A DHCP server that gives everybody one address. Arguments: interface, its own address, the address to give."""
import socket
import struct
import sys

DISCOVER, OFFER, REQUEST, ACK, RELEASE = 1, 2, 3, 5, 7
COOKIE = b'\x63\x82\x53\x63'
LEASE_SEC = 600


def option(data, wanted):
    at = 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if data[at] == wanted:
            return data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return b''


def reply(data, kind, own, given):
    options = b''.join(bytes((code, len(value))) + value for code, value in (
        (53, bytes([kind])), (54, own), (51, struct.pack('>I', LEASE_SEC)), (1, bytes((255, 255, 255, 0))), (3, own), (6, own)))
    head = bytes((2, 1, 6, 0)) + data[4:8] + bytes(8) + given + own + bytes(4) + data[28:44] + bytes(192)
    return head + COOKIE + options + b'\xff'


def serve(interface, own, given):
    own, given = socket.inet_aton(own), socket.inet_aton(given)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    sock.bind(('', 67))
    while True:
        data = sock.recv(2048)
        kind = option(data, 53)[:1]
        print('heard', kind, flush=True)
        if kind in (bytes([DISCOVER]), bytes([REQUEST])):
            answer = OFFER if kind == bytes([DISCOVER]) else ACK
            sock.sendto(reply(data, answer, own, given), ('255.255.255.255', 68))


serve(*sys.argv[1:4])
