#!/usr/bin/env python3
"""Backends over DoH that do what a backend must not, in HTTP and below: counted by reason, bounded, others are served."""
import re
import struct
import time
import time

import h2_help as h2
from bad_help import GOOD, LATE, LATE_REASON, SOON, Bed, run
from fake import CLOSE, Fake
from harness import SLOW, answer_to, equal, free_port, main, query, test, true, udp_ask, until
from tls_fake import Goaway, Page, Reset, TlsFake
from tls_help import Authority, need_cryptography, server_context

DNS = "application/dns-message"


def portal(conn, wire):
    return Page(200, "text/html", b"<html>please pay</html>", ())


def send(data):
    return lambda conn: conn.send(data)


def doh(script, **more):
    return dict(script=script, **more)


@test
def doh_statuses(scene):
    status, kind = "backend answered with an HTTP error", "backend answered with another content type (a captive portal?)"
    cases = [("status %d" % n, SOON, status, doh(lambda c, w, n=n: Page(n, "text/plain", b"no\n",
                                                                        (("location", "https://x.test/"),)), most=1))
             for n in (301, 302, 307, 400, 403, 404, 429, 500, 502, 503)]
    run(cases + [
        ("status 204", SOON, status, doh(lambda c, w: Page(204, None, b"", ()), most=1)),
        ("a DNS answer with status 500", SOON, status, doh(lambda c, w: Page(500, DNS, answer_to(w), ()), most=1)),
        ("a captive portal", SOON, kind, doh(portal, most=1)),
        ("no content type", SOON, kind, doh(lambda c, w: Page(200, None, answer_to(w), ()), most=1)),
        ("a content type that begins alike", SOON, kind, doh(lambda c, w: Page(200, DNS + "2", answer_to(w), ()), most=1)),
        ("a content type with parameters", GOOD, None, doh(lambda c, w: Page(200, DNS + "; x=y", answer_to(w), ()), most=1)),
    ], True)


@test
def doh_bodies(scene):
    def continued(conn, wire):
        conn.send(h2.frame(h2.HEADERS, h2.END_HEADERS, conn.stream, h2.fields((":status", "103"), ("link", "x"))))
        return answer_to(wire)

    def bytewise(conn, wire):
        out = answer_to(wire)
        conn.send(h2.frame(h2.HEADERS, h2.END_HEADERS, conn.stream, h2.fields((":status", "200"), ("content-type", DNS))))
        for i in range(len(out)):
            conn.send(h2.frame(h2.DATA, h2.END_STREAM if i == len(out) - 1 else 0, conn.stream, out[i:i + 1]))
            time.sleep(0.003)

    def half(conn, wire):
        conn.send(h2.frame(h2.HEADERS, h2.END_HEADERS, conn.stream, h2.fields((":status", "200"), ("content-type", DNS))) +
                  h2.frame(h2.DATA, 0, conn.stream, answer_to(wire)[:20]))
    run((
        ("an empty body", SOON, "reply shorter than a header", doh(lambda c, w: Page(200, DNS, b"", ()), most=1)),
        ("a short body", SOON, "reply shorter than a header", doh(lambda c, w: Page(200, DNS, b"12345678901", ()), most=1)),
        ("a megabyte", SOON, "reply larger than accepted", doh(lambda c, w: Page(200, DNS, bytes(1 << 20), ()), most=12)),
        ("a 103 before the answer", GOOD, None, doh(continued, most=1)),
        ("byte by byte", GOOD, None, doh(bytewise, most=1)),
        ("half an answer", LATE, LATE_REASON, doh(half)),
        ("never answers", LATE, LATE_REASON, doh(lambda c, w: None)),
        ("a wrong id", GOOD, None, doh(lambda c, w: b"\x12\x34" + answer_to(w)[2:], most=1)),
        ("a wrong question", SOON, "reply to another question",
         doh(lambda c, w: w[:2] + answer_to(query("other.example.test."))[2:], most=1)),
    ), True)


@test
def doh_streams(scene):
    gave_up, broke = "the backend gave an HTTP request up", "the backend broke the rules of HTTP/2"
    first = {}

    def refuse_first(conn, wire):
        if wire not in first:
            first[wire] = True
            return Reset(h2.REFUSED_STREAM)
        return answer_to(wire)

    def leave(conn, wire):  # says GOAWAY and has not looked at the query, on each odd connection
        if conn.number % 2:
            return [Goaway(0, h2.NO_ERROR), CLOSE]
        return answer_to(wire)
    run((
        ("RST_STREAM: cancelled", SOON, gave_up, doh(lambda c, w: Reset(h2.CANCEL))),
        ("RST_STREAM: internal error", SOON, gave_up, doh(lambda c, w: Reset(h2.INTERNAL_ERROR))),
        ("RST_STREAM: refused once", GOOD, None, doh(refuse_first)),
        ("RST_STREAM: refused always", SOON, gave_up, doh(lambda c, w: Reset(h2.REFUSED_STREAM), most=60)),
        ("GOAWAY after each answer", GOOD, None, doh(lambda c, w: [answer_to(w), Goaway(c.stream, 0)])),
        ("GOAWAY, and the answer behind it", GOOD, None, doh(lambda c, w: [Goaway(c.stream, 0), answer_to(w)])),
        ("GOAWAY instead of an answer", GOOD, None, doh(leave)),
        ("GOAWAY always", SOON, None, doh(lambda c, w: [Goaway(0, h2.ENHANCE_YOUR_CALM), CLOSE], most=60)),
        ("DATA without HEADERS", SOON, None, doh(lambda c, w: send(h2.frame(h2.DATA, 1, c.stream, answer_to(w))), most=60)),
        ("broken HPACK", SOON, broke, doh(lambda c, w: send(h2.frame(h2.HEADERS, 5, c.stream, b"\xff" * 40)), most=60)),
        ("PUSH_PROMISE", SOON, broke, doh(lambda c, w: send(h2.frame(h2.PUSH_PROMISE, 4, c.stream,
                                                                     b"\0\0\0\2" + h2.fields((":path", "/")))), most=60)),
        ("a frame of 16 MB", SOON, broke, doh(lambda c, w: send(b"\xff\xff\xff\0\0\0\0\0\1" + bytes(100000)), most=60)),
        ("a head that never ends", SOON, None, doh(lambda c, w: send(h2.frame(h2.HEADERS, 0, c.stream,
                                                                              h2.fields((":status", "200"))) + b"".join(
            h2.frame(h2.CONTINUATION, 0, c.stream, h2.fields(("x", "y" * 8000))) for _ in range(100))), most=60)),
        ("50 PINGs and the answer", GOOD, None, doh(lambda c, w: [send(h2.frame(h2.PING, 0, 0, bytes(8)) * 50),
                                                                  answer_to(w)], most=1)),
        ("a flood of PINGs", SOON, broke, doh(lambda c, w: send(h2.frame(h2.PING, 0, 0, bytes(8)) * 5000), most=60)),
    ), True)


@test
def doh_settings(scene):
    def setting(number, value):
        return struct.pack("!HI", number, value)

    run((
        ("one stream at a time", GOOD, None, dict(settings=setting(3, 1), most=1)),
        ("a window of ten bytes", GOOD, None, dict(settings=setting(4, 10), most=1)),
        ("a table of 0 bytes", GOOD, None, dict(settings=setting(1, 0), most=1)),
        ("no stream, said too late for the first", GOOD, None, dict(settings=setting(3, 0))),
        ("a wrong setting", SOON, "the backend broke the rules of HTTP/2", dict(settings=setting(4, 1 << 31), most=60)),
    ), True)
    b = Bed(scene, doh=True, settings=setting(3, 5))
    got = b.many(100)
    equal([i for i in range(100) if i not in got or got[i].rcode], [],
          "queries without an answer where five streams are allowed")


@test
def speaks_http1_only(scene):
    """A server of HTTP/1.1 behind TLS, with and without ALPN."""
    ca = Authority(scene.folder)
    for alpn in ("http/1.1", None):
        b = Bed(scene, doh=True)
        b.fake.context = server_context(ca.issue("dns.test"), alpn)
        b.d.stop()
        config = open(b.d.config).read()
        b.d = scene.daemon(re.sub(r'caStore="[^"]*"', 'caStore="%s"' % ca.file, config))
        b.ask("ALPN %s" % alpn, LATE)
        b.others("ALPN %s" % alpn)
        true("backend peer" in b.d.log(), "the log says why:\n%s", b.d.log())


def beside(scene, script, options):
    """The peer, then another that answers: the first is asked first."""
    back, other, port = [free_port() for _ in range(3)]
    ca = Authority(scene.folder)
    f = scene.keep(TlsFake(back, ca.issue("dns.test"), doh=True, script=script))
    g = scene.keep(Fake(other))
    scene.daemon("""
setLocal("127.0.0.1:%d")
setServerPolicy(firstAvailable)
newServer({address="127.0.0.1:%d", name="peer", order=1, tls="openssl", caStore="%s", subjectName="dns.test",
  dohPath="/dns-query", %s})
newServer({address="127.0.0.1:%d", name="other", order=2, healthCheckMode="up"})
""" % (port, back, ca.file, options, other))
    return f, g, port


@test
def goes_and_leaves_nobody(scene):
    """GOAWAY, the connection stays, and nobody listens any more: the other one is asked."""
    peer = []

    def last(conn, wire):
        if b"\x04last" not in wire:
            return answer_to(wire)
        peer[0].leave()
        return [answer_to(wire), Goaway(conn.stream, 0)]
    f, g, port = beside(scene, last, 'healthCheckMode="up"')
    peer.append(f)
    for name in ("a.test.", "last.test."):
        equal(udp_ask(port, query(name)).rcode, 0, name)
    equal(len(g.seen), 0, "queries at the other one before")
    time.sleep(0.3)
    for i in range(3):
        reply = udp_ask(port, query("x%d.test." % i), timeout=3 * SLOW)
        equal(reply and reply.rcode, 0, "query %d after" % i)
    equal(len(g.seen), 3, "queries at the other one")


@test
def lazy_check_learns(scene):
    """A peer that only says 500 fails its lazy checks: the other one is asked first."""
    f, g, port = beside(scene, lambda c, w: Page(500, "text/plain", b"no\n", ()),
                        'healthCheckMode="lazy", checkTimeout=300')

    def passed_over():
        before = len(f.seen)
        equal(udp_ask(port, query("q%f.test." % time.monotonic())).rcode, 0, "the other one answers")
        return not [w for w in f.seen[before:] if b"\x04test" in w]
    until(passed_over, "it is not asked any more", 10)


need_cryptography()
main()
