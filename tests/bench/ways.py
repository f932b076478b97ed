"""The router's set-up (cpe.lua.in) at work: every way in, every way out, answers told apart by their last byte."""
import os
import socket
import struct

import common
import perf

EACH = 50
# What answers over DoT and DoH; the responder answers 192.0.2.1 over Do53.
UPSTREAM = perf.UPSTREAM.replace('addAction(AllRule()', 'addAction(DSTPortRule(@UPDOT@), SpoofAction("192.0.2.2"))\n'
                                 'addAction(AllRule()').replace('"192.0.2.1"', '"192.0.2.3"')
OUT = {1: "Do53", 2: "DoT", 3: "DoH"}


def config():
    with open(os.path.join(common.HERE, "cpe.lua.in")) as f:
        return f.read()


def ask_tcp(names):
    """The last bytes of the answers over one connection."""
    last = []
    with socket.create_connection(("127.0.0.1", common.DNS_PORT), 5) as s:
        for name in names:
            q = common.query(name)
            s.sendall(struct.pack(">H", len(q)) + q)
            answer = s.recv(struct.unpack(">H", s.recv(2, socket.MSG_WAITALL))[0], socket.MSG_WAITALL)
            if answer[3] & 15 == 0:
                last.append(answer[-1])
    return last


def ask_all(folder):
    """Asks EACH names over each way in: [(what, how many over each way out)], and whether every query was answered and
    every way out was used by every way in."""
    rows, ok = [], True
    got = {"UDP": common.ask_udp(["u%d.test" % i for i in range(EACH)], 1),
           "TCP": ask_tcp(["t%d.test" % i for i in range(EACH)])}
    counts = {way: {b: last.count(b) for b in set(last)} for way, last in got.items()}
    counts["DoT"] = common.client(folder, "dot", common.DOT_PORT, EACH, names=EACH, last=True)
    counts["DoH"] = common.client(folder, "doh", common.DOH_PORT, EACH, names=EACH, first=EACH, last=True)
    for way, by in counts.items():
        ok = ok and sum(by.values()) == EACH and all(by.get(b) for b in OUT)
        rows.append(("%s in: answered of %d" % (way, EACH), "%d (%s)" % (
            sum(by.values()), ", ".join("%s out %d" % (word, by.get(b, 0)) for b, word in OUT.items()))))
    return rows, ok
