#!/usr/bin/env python3
"""Plain DNS over UDP and TCP: listeners, sizes, truncation, addresses that answers come from."""
from fake import Fake, by_name
from harness import (A, NOERROR, RD, TXT, Message, Nsd, answer_to, big_txt, equal, free_port, has_ipv6, kdig, main,
                     need_ipv6, query, tcp_ask, test, true, txt_records, udp_ask, udp_socket)

CONFIG = """
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
"""


@test
def kdig_udp_and_tcp(scene):
    back, port = free_port(), free_port()
    Nsd(scene, back)
    scene.daemon(CONFIG % (port, back))
    for args in ([], ["+tcp"], ["+noedns"], ["+bufsize=512"], ["+dnssec"], ["+cookie"]):
        out = kdig("@127.0.0.1", "-p", str(port), "www.example.test", "A", *args)
        true("status: NOERROR" in out and "192.0.2.1" in out, "kdig %s: %s", args, out)
        true("WARNING" not in out, "kdig %s warns: %s", args, out)
    out = kdig("@127.0.0.1", "-p", str(port), "nothing.example.test", "A")
    true("NXDOMAIN" in out and "SOA" in out, "NXDOMAIN with its SOA: %s", out)
    out = kdig("@127.0.0.1", "-p", str(port), "+tcp", "example.test", "AXFR")
    true(out.count("SOA") >= 2 and "alias.example.test" in out, "a zone transfer ends with its SOA: %s", out)


@test
def ipv6(scene):
    need_ipv6()
    back, port = free_port(), free_port()
    scene.keep(Fake(back, "::1"))
    scene.daemon("""
setLocal("[::1]:%d")
newServer({address="[::1]:%d", healthCheckMode="up"})
""" % (port, back))
    for ask in (udp_ask, tcp_ask):
        reply = ask(port, query(), "::1")
        true(reply, "no answer from %s", ask.__name__)
        equal(reply.addresses(), ["192.0.2.1"], "addresses")
    equal(udp_ask(port, query(), "127.0.0.1", 0.3), None, "an IPv6 listener on IPv4")


@test
def truncation(scene):
    """An answer above the client's size is cut over UDP and whole over TCP."""
    back, port = free_port(), free_port()
    Nsd(scene, back, zone=big_txt("big", 1800))
    scene.daemon(CONFIG % (port, back))
    big = "big.example.test."
    for edns, limit in ((None, 512), (512, 512), (100, 512), (1232, 1232), (1400, 1400)):
        reply = udp_ask(port, query(big, TXT, edns=edns))
        true(reply and reply.tc, "size %s: truncated", edns)
        true(len(reply.wire) <= limit, "size %s: %d bytes", edns, len(reply.wire))
        equal(reply.question, (big, TXT, 1), "question of the truncated answer")
        equal(reply.opt is not None, edns is not None, "OPT when the query had one (%s)" % edns)
    reply = tcp_ask(port, query(big, TXT))
    true(reply and not reply.tc and len(reply.answer) == 1800 // 213, "whole over TCP")
    out = kdig("@127.0.0.1", "-p", str(port), big, "TXT", "+noedns")
    equal(out.count("IN\tTXT") + out.count("IN TXT"), 1800 // 213 + out.count(";; big"), "kdig falls back to TCP:\n" + out)


@test
def cut_by_us(scene):
    """A backend that ignores the client's size: we cut."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=lambda q, via: answer_to(q, records=txt_records(1300), edns=1232 if q[11] else None)))
    scene.daemon(CONFIG % (port, back))
    for edns, cut in ((None, True), (512, True), (1232, True), (4096, False)):
        reply = udp_ask(port, query("cut.example.test.", TXT, edns=edns))
        true(reply, "size %s: an answer", edns)
        equal(reply.tc, cut, "size %s: truncated" % edns)
        if cut:
            equal(reply.answer, [], "records in a truncated answer")
            equal(reply.opt is not None, edns is not None, "OPT of a truncated answer")
        equal(reply.rcode, NOERROR, "rcode")


@test
def large_over_tcp(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=lambda q, via: answer_to(q, records=txt_records(60000))))
    scene.daemon("""
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", healthCheckMode="up", tcpOnly=true})
""" % (port, back))
    for _ in range(3):
        reply = tcp_ask(port, query("large.example.test.", TXT))
        true(reply and not reply.tc, "an answer")
        true(len(reply.wire) > 59000, "of %d bytes", len(reply.wire))
    reply = udp_ask(port, query("large.example.test.", TXT, edns=4096))
    true(reply and reply.tc and len(reply.wire) <= 4096, "cut over UDP")


@test
def wildcard(scene):
    """A listener on every address answers from the address that was asked."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    v6 = 'addLocal("[::]:%d")' % port if has_ipv6() else ""
    scene.daemon("""
setLocal("0.0.0.0:%d")
%s
addAction("spoofed.test.", SpoofAction("192.0.2.99"))
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (port, v6, back))
    for address in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] + (["::1"] if has_ipv6() else []):
        for name, expected in (("www.example.test.", "192.0.2.1"), ("spoofed.test.", "192.0.2.99")):
            for ask in (udp_ask, tcp_ask):  # the UDP socket is connected: an answer from elsewhere is not seen
                reply = ask(port, query(name), address)
                true(reply, "%s of %s at %s: no answer from that address", ask.__name__, name, address)
                equal(reply.addresses(), [expected], "answer at " + address)


@test
def several_listeners(scene):
    back, ports = free_port(), [free_port() for _ in range(5)]
    scene.keep(Fake(back))
    scene.daemon("""
addLocal("127.0.0.1:%d")
setLocal("127.0.0.1:%d")
addLocal("127.0.0.3:%d", {interface="lo"})
addLocal("127.0.0.1:%d", {reusePort=true, tcpListenQueueSize=10})
addLocal("127.0.0.1:%d", {additionalAddresses={"127.0.0.4:%d"}})
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (ports[0], ports[1], ports[2], ports[3], ports[4], ports[4], back))
    equal(udp_ask(ports[0], query(), timeout=0.3), None, "a listener from before setLocal")
    for address, port in (("127.0.0.1", ports[1]), ("127.0.0.3", ports[2]), ("127.0.0.1", ports[3]),
                          ("127.0.0.1", ports[4]), ("127.0.0.4", ports[4])):
        reply = udp_ask(port, query(), address)
        true(reply and reply.addresses() == ["192.0.2.1"], "UDP at %s:%d", address, port)
        reply = tcp_ask(port, query(), address)
        true(reply and reply.addresses() == ["192.0.2.1"], "TCP at %s:%d", address, port)


@test
def reuse_port_twice(scene):
    """The same address several times with reusePort: all answer, none takes another's clients away for good."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    scene.daemon("""
setLocal("127.0.0.1:%d", {reusePort=true})
addLocal("127.0.0.1:%d", {reusePort=true})
addLocal("127.0.0.1:%d", {reusePort=true})
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (port, port, port, back))
    for i in range(60):
        true(udp_ask(port, query(qid=i)), "query %d over UDP", i)
    for i in range(20):
        true(tcp_ask(port, query(qid=i)), "query %d over TCP", i)


@test
def no_such_address(scene):
    """An address that is not ours: the start fails and says which."""
    d = scene.daemon('setLocal("192.0.2.55:5353")\n', ready=False)
    equal(d.process.wait(5), 1, "exit status")
    true("192.0.2.55:5353" in d.log(), "the address is named: %s", d.log())
    d.stopped = True


@test
def ids_and_case(scene):
    """Clients with the same id, and names in mixed case, get their own back."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=by_name({"a": lambda q, v: answer_to(q, address="192.0.2.10"),
                                          "b": lambda q, v: answer_to(q, address="192.0.2.11")})))
    scene.daemon(CONFIG % (port, back))
    sockets = [udp_socket(port) for _ in range(40)]
    for i, s in enumerate(sockets):
        s.send(query(("aAa%d.Example.TEST." if i % 2 else "bBb%d.Example.TEST.") % i, qid=7, flags=RD))
    for i, s in enumerate(sockets):
        reply = Message(s.recv(4096))
        equal(reply.id, 7, "id")
        equal(reply.question, (("aAa%d.Example.TEST." if i % 2 else "bBb%d.Example.TEST.") % i, A, 1), "question")
        equal(reply.addresses(), ["192.0.2.10" if i % 2 else "192.0.2.11"], "answer")
        s.close()


@test
def acl(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
setACL({"127.0.0.1/32"})
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (port, back))
    true(udp_ask(port, query()), "127.0.0.1 is let in")
    equal(udp_ask(port, query(), source="127.0.0.9", timeout=0.3), None, "127.0.0.9 over UDP")
    equal(tcp_ask(port, query(), source="127.0.0.9"), None, "127.0.0.9 over TCP")
    equal(d.stats()["acl-drops"], 2, "acl-drops")


main()
