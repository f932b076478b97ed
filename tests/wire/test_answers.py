#!/usr/bin/env python3
"""What a client gets back, field by field, where dnsdist's answers set the measure or a standard does."""
import struct

from fake import Fake
from harness import (AAAA, AD, ANY, CD, FORMERR, NOERROR, NOTIMP, QR, RA, RD, REFUSED, TXT, answer_to, equal,
                     free_port, main, name_wire, opt_rr, query, tcp_ask, test, true, udp_ask)

COOKIE = struct.pack("!HH", 10, 8) + b"clientck"


def start(scene, rules="", script=None, server="", cache=True):
    back, port = free_port(), free_port()
    f = scene.keep(Fake(back, script=script or (lambda q, v: answer_to(q, edns=1400 if q[11] else None))))
    scene.daemon("""
setLocal("127.0.0.1:%d")
setUDPTimeout(1)
newServer({address="127.0.0.1:%d", healthCheckMode="up"%s})
%s
%s
""" % (port, back, server, 'getPool(""):setCache(newPacketCache(1000))' if cache else "", rules))
    return port, f


@test
def flags_from_the_cache(scene):
    """RD and CD are those of the query at hand, whoever's query filled the cache."""
    port, f = start(scene, 'addAction("norec.test.", SetNoRecurseAction())\naddAction("cd.test.", SetDisableValidationAction())')
    for name, sets in (("norec.test.", (RD, 0, RD, RD | CD, CD)), ("cd.test.", (RD, RD | CD, RD, CD, 0))):
        for flags in sets:
            reply = udp_ask(port, query(name, flags=flags))
            equal(reply.flags & (RD | CD), flags, "%s: RD and CD of the answer to flags %04x" % (name, flags))


@test
def edns_from_the_cache(scene):
    """An OPT that we add towards the backend does not let clients with and without EDNS share an answer."""
    for server, rules in ((", useClientSubnet=true", ""), ("", 'addAction(AllRule(), SetEDNSOptionAction(65001, "abc"))')):
        port, f = start(scene, rules, server=server)
        for ask in (udp_ask, tcp_ask):
            for name, order in (("a.test.", (None, 1232, None, 512, 1232)), ("b.test.", (1232, None, 512, None))):
                for edns in order:
                    reply = ask(port, query(name, edns=edns))
                    equal(reply.opt is not None, edns is not None, "%s of %s with EDNS %s (%s): OPT in the answer" %
                          (ask.__name__, name, edns, server or rules))


@test
def spoof_from_lua(scene):
    """DNSAction.Spoof answers whatever the type: without data where the address is of the other kind."""
    port, f = start(scene, 'addAction("s.test.", LuaAction(function(dq) return DNSAction.Spoof, "192.0.2.9" end))')
    equal(udp_ask(port, query("s.test.")).addresses(), ["192.0.2.9"], "A")
    for qtype in (AAAA, TXT):
        reply = udp_ask(port, query("s.test.", qtype))
        equal((reply.rcode, reply.answer), (NOERROR, []), "type %d" % qtype)
    equal(f.seen, [], "queries at the backend")


@test
def header_modify(scene):
    """An answer that Lua makes of the query's header has an OPT of ours, not the client's with its options."""
    port, f = start(scene, """addAction("h.test.", LuaAction(function(dq)
  dq.rcode = DNSRCode.YXDOMAIN dq.dh:setQR(true) return DNSAction.HeaderModify, "" end))""")
    for options in (b"", COOKIE):
        reply = udp_ask(port, query("h.test.", extra=opt_rr(4096, 0x8000, options), extras=1))
        equal((reply.rcode, reply.opt), (6, (1232, 0x8000, b"")), "rcode and OPT")


@test
def own_answers(scene):
    """Answers of rules: question kept, RA as RD, no AA and AD, an OPT when the query had one."""
    port, f = start(scene, """
addAction("r.test.", RCodeAction(DNSRCode.REFUSED))
addAction("s.test.", SpoofAction("192.0.2.9"))
addAction("f.test.", RCodeAction(DNSRCode.NOERROR, {aa=true, ad=true, ra=false}))
""")
    for flags in (RD, 0, RD | CD | AD):
        reply = udp_ask(port, query("R.test.", flags=flags, extra=opt_rr(4096, 0x8000, COOKIE), extras=1))
        equal(reply.flags, QR | flags & (RD | CD) | (RA if flags & RD else 0) | REFUSED, "flags %04x" % flags)
        equal((reply.question[0], reply.opt), ("R.test.", (1232, 0x8000, b"")), "question and OPT")
    equal(udp_ask(port, query("r.test.")).opt, None, "OPT without one in the query")
    reply = udp_ask(port, query("s.test."))
    equal([(r[1], r[2]) for r in reply.answer], [(1, 60)], "type and TTL of a spoofed address")
    equal(udp_ask(port, query("s.test.", ANY)).addresses(), ["192.0.2.9"], "ANY")
    true(udp_ask(port, query("f.test.")).flags & 0x0420 == 0x0420, "AA and AD as asked for")


@test
def odd_queries(scene):
    """Queries that are not quite right are answered where the standard has an answer."""
    port, f = start(scene)
    reply = udp_ask(port, struct.pack("!6H", 7, RD, 0, 0, 0, 0))
    equal((reply.rcode, reply.id), (NOTIMP, 7), "no question")
    reply = udp_ask(port, struct.pack("!6H", 7, RD, 2, 0, 0, 0) + query()[12:] * 2)
    equal(reply.rcode, FORMERR, "two questions (RFC 9619)")
    for wire in (b"", query()[:11], query(flags=QR), query()[:-2], query()[:12] + b"\xc0\x0c\0\1\0\1",
                 query()[:12] + b"\x41a\0\0\1\0\1", query()[:12] + (b"\x3f" + b"a" * 63) * 4 + b"\3abc\0\0\1\0\1"):
        equal(udp_ask(port, wire, timeout=0.1), None, "an answer to %s" % wire.hex())
    for wire in (query("x.test.", 65535), query("x.test.", qclass=255), query("."), query("a" * 63 + ".test."),
                 query("x.test.") + b"trailing", query("x.test.", extra=opt_rr(0), extras=1)):
        true(udp_ask(port, wire), "no answer to %s", wire.hex())


@test
def two_opts(scene):
    """RFC 6891 6.1.1: FORMERR."""
    port, f = start(scene)
    for extra in (opt_rr() + opt_rr(), name_wire("x.") + opt_rr()[1:] + opt_rr()):
        reply = udp_ask(port, query(extra=extra, extras=2), timeout=0.5)
        true(reply, "silence")
        equal(reply.rcode, FORMERR, "rcode")


main()
