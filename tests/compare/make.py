#!/usr/bin/env python3
"""Writes the capture files of this folder: small ones, of each form and link type that `compare` reads."""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def query(text, rtype=1, rclass=1, bits=0x0100):
    return struct.pack("!6H", 7, bits, 1, 0, 0, 0) + name(text) + struct.pack("!2H", rtype, rclass)


def udp(payload, port=53):
    return 17, struct.pack("!4H", 40000, port, 8 + len(payload), 0) + payload


def tcp(payload, port=53):
    return 6, struct.pack("!2H2I4H", 40000, port, 1, 1, 0x5018, 1024, 0, 0) + payload


def framed(message):
    return struct.pack("!H", len(message)) + message


def ipv4(segment):
    protocol, data = segment
    head = struct.pack("!2B3H2BH", 0x45, 0, 20 + len(data), 1, 0, 64, protocol, 0)
    return head + bytes([10, 0, 0, 9, 10, 0, 0, 2]) + data


def ipv6(segment):
    protocol, data = segment
    return struct.pack("!IH2B", 6 << 28, len(data), protocol, 64) + bytes(15) + b"\1" + bytes(15) + b"\2" + data


def ethernet(packet, protocol=0x0800, vlan=None):
    tag = b"" if vlan is None else struct.pack("!2H", 0x8100, vlan)
    return bytes(12) + tag + struct.pack("!H", protocol) + packet


def sll(packet, protocol=0x0800):
    return struct.pack("!3H8sH", 0, 1, 6, bytes(8), protocol) + packet


def sll2(packet, protocol=0x0800):
    return struct.pack("!2HIH2B8s", protocol, 0, 2, 1, 0, 6, bytes(8)) + packet


def pcap(file, link, packets, order="<", magic=0xA1B2C3D4):
    with open(os.path.join(HERE, file), "wb") as out:
        out.write(struct.pack(order + "I2HiI2I", magic, 2, 4, 0, 0, 65535, link))
        for packet in packets:
            captured, length = packet if isinstance(packet, tuple) else (packet, len(packet))
            out.write(struct.pack(order + "4I", 1763800000, 0, len(captured), length) + captured)


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "I2Hq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link, order="<"):
    return block(1, struct.pack(order + "2HI", link, 0, 0), order)


def enhanced(interface, packet, order="<"):
    head = struct.pack(order + "5I", interface, 0, 0, len(packet), len(packet))
    return block(6, head + packet + bytes(-len(packet) % 4) + struct.pack(order + "2H", 0, 0), order)


def simple(packet, order="<"):
    return block(3, struct.pack(order + "I", len(packet)) + packet, order)


long = ethernet(ipv4(udp(query("cut.example.com"))))
pcap("ethernet.pcap", 1, [
    ethernet(ipv4(udp(query("www.example.com")))),
    ethernet(ipv4(udp(query("WWW.example.com")))),
    ethernet(ipv4(udp(query("www.example.com", bits=0x8180)))),
    ethernet(ipv6(udp(query("six.example.com", 28))), 0x86DD, vlan=7),
    ethernet(ipv4(tcp(framed(query("one.example.com", 15)) + framed(query("two.example.com", 16))))),
    ethernet(ipv4(tcp(framed(query("half.example.com"))[:-3]))),
    ethernet(ipv4(tcp(b""))),
    ethernet(ipv4(udp(query("other.port.example.com"), port=5300))),
    ethernet(ipv4(udp(query("version.bind", 16, 3)))),
    ethernet(ipv4(udp(b"\0\0no message at all"))),
    ethernet(b"\0" * 28, 0x0806),
    (long[:50], len(long)),
])
pcap("sll.pcap", 113, [sll(ipv4(udp(query("cooked.example.com"))))], ">", 0xA1B23C4D)
pcap("sll2.pcap", 276, [sll2(ipv6(udp(query("cooked2.example.com"))), 0x86DD)])
pcap("loopback.pcap", 0, [struct.pack("<I", 2) + ipv4(udp(query("loopback.example.com")))])
pcap("raw.pcap", 101, [ipv4(udp(query("raw4.example.com"))), ipv6(udp(query("raw6.example.com")))])
with open(os.path.join(HERE, "mixed.pcapng"), "wb") as out:
    out.write(section() + interface(1) + interface(101))
    out.write(enhanced(1, ipv4(udp(query("second.example.com")))))
    out.write(block(0x0BAD, b"what nobody knows"))
    out.write(simple(ethernet(ipv4(udp(query("first.example.com"))))))
    out.write(enhanced(9, ipv4(udp(query("no.such.interface.example.com")))))
    out.write(section(">") + interface(101, ">"))
    out.write(enhanced(0, ipv4(udp(query("large.endian.example.com"))), ">"))
with open(os.path.join(HERE, "cut.pcapng"), "wb") as out:
    out.write(section() + interface(101) + enhanced(0, ipv4(udp(query("whole.example.com")))))
    out.write(enhanced(0, ipv4(udp(query("lost.example.com"))))[:40])
