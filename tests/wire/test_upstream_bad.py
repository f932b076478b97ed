#!/usr/bin/env python3
"""Backends over DoT that do what a backend must not: counted by reason, bounded, others are served."""
import os
import socket
import struct
import time

from bad_help import GOOD, LATE, LATE_REASON, SOON, Bed, run
from fake import CLOSE, Fake
from harness import (NXDOMAIN, SERVFAIL, answer_to, equal, frame, free_port, main, query, test, true, txt_records,
                     udp_ask, until,
                     within)
from lua_help import reasons
from tls_fake import TlsFake
from tls_help import Authority, need_cryptography


# ---- answers and connections ----
def half(conn, wire):
    conn.send(frame(answer_to(wire))[:20])


def half_and_end(conn, wire):
    half(conn, wire)
    return CLOSE


def drip(conn, wire):
    for byte in frame(answer_to(wire)):
        conn.send(bytes([byte]))
        time.sleep(0.004)


def megabyte(conn, wire):
    """Answers of 65 535 bytes that nobody asked for, then the right one."""
    for i in range(16):
        out = bytearray(answer_to(wire, records=txt_records(65000)))
        out[0] ^= 0x40
        conn.say(bytes(out))
    conn.say(answer_to(wire))


def noise(conn, wire):
    for _ in range(64):
        conn.send(os.urandom(16384))


def twice(conn, wire):
    return [answer_to(wire), answer_to(wire, address="192.0.2.66")]


def wrong_id(conn, wire):
    return bytes([wire[0] ^ 0x55]) + answer_to(wire)[1:]


def wrong_question(conn, wire):
    return wire[:2] + answer_to(query("other.example.test."))[2:]


def no_answer_bit(conn, wire):
    return [wire, answer_to(wire)]


def shorts(conn, wire):
    return [b"", b"\0", wire[:11], answer_to(wire)]


def reset(s, number):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    return False


def never(s, number):
    while s.recv(4096):
        pass
    return False


def page(s, number):
    s.recv(4096)
    s.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello")
    never(s, number)
    return False


def mid_handshake(s, number):
    s.recv(4096)
    return False


def half_hello(s, number):
    s.recv(4096)
    s.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + os.urandom(20))
    time.sleep(0.02)
    return False


def alert(s, number):
    s.recv(4096)
    s.sendall(b"\x15\x03\x03\x00\x02\x02\x28")
    time.sleep(0.05)
    return False


BROKE = "the connection to the backend broke"


@test
def dot_answers(scene):
    run((
        ("never answers", LATE, LATE_REASON, dict(script=lambda c, w: None)),
        ("half an answer", LATE, LATE_REASON, dict(script=half)),
        ("half an answer, then the end", SOON, BROKE, dict(script=half_and_end, most=20)),
        ("closes without an answer", SOON, BROKE, dict(script=lambda c, w: CLOSE, most=20)),
        ("byte by byte", GOOD, None, dict(script=drip, most=1)),
        ("twice", GOOD, "reply with an id that nobody waits for", dict(script=twice, most=1)),
        ("a wrong id", LATE, "reply with an id that nobody waits for", dict(script=wrong_id)),
        ("a wrong question", LATE, "reply to another question", dict(script=wrong_question)),
        ("a query instead", GOOD, "reply with QR clear", dict(script=no_answer_bit, most=1)),
    ))


@test
def dot_bytes(scene):
    run((
        ("a megabyte", GOOD, "reply with an id that nobody waits for", dict(script=megabyte, most=1)),
        ("a megabyte of noise", LATE, None, dict(script=noise)),
        ("messages that are too short", SOON, "reply shorter than a header", dict(script=shorts)),
        ("closes after each answer", GOOD, None, dict(script=lambda c, w: [answer_to(w), CLOSE])),
    ))


@test
def dot_handshakes(scene):
    tls = "TLS with the backend failed"
    run((  # the next attempt may find it in order, so they are made until the deadline
        ("resets each connection", LATE, "no connection to the backend", dict(raw=reset)),
        ("closes at once", LATE, tls, dict(raw=lambda s, n: False)),
        ("closes in the handshake", LATE, tls, dict(raw=mid_handshake)),
        ("half a ServerHello", LATE, tls, dict(raw=half_hello)),
        ("an alert", LATE, tls, dict(raw=alert)),
        ("speaks HTTP", LATE, tls, dict(raw=page)),
        ("never says a word", LATE, LATE_REASON, dict(raw=never)),
    ))


@test
def dot_recovers(scene):
    """A backend that was bad for a while: the first query after is answered."""
    state = {"bad": True}
    b = Bed(scene, raw=lambda s, n: not state["bad"])
    b.ask("closes in the handshake", LATE, "a.test.")
    b.others("closes in the handshake")
    state["bad"] = False
    b.ask("in order again", GOOD, "b.test.")
    b.fake.script = lambda c, w: None
    b.ask("now silent", LATE, "c.test.")
    b.fake.script = lambda c, w: answer_to(w)
    b.fake.drop()
    b.ask("back", GOOD, "d.test.")


@test
def dot_orders(scene):
    """Answers in reverse; some never; all at the end; the connection that ends within: none is lost or mixed up."""
    held = []

    def reverse(conn, wire):
        held.append(wire)
        if len(held) == 50:
            out = [answer_to(w, address="192.0.2.%d" % (len(w) % 200)) for w in reversed(held)]
            held.clear()
            return out
        return None
    b = Bed(scene, script=reverse)
    got = b.many(50)
    equal(sorted(got), list(range(50)), "ids of answers")
    equal([i for i, m in got.items() if m.question[0] != "m%d.test." % i or not m.addresses()], [],
          "answers to other questions")
    equal(b.fake.connections, 1, "connections")
    b.d.stop()

    def some(conn, wire):  # the tenth query of each of the first connections ends it
        return CLOSE if conn.queries == 10 and conn.number <= 4 else answer_to(wire)
    b = Bed(scene, script=some)
    got = b.many(100)
    equal([i for i in range(100) if i not in got or got[i].rcode], [],
          "queries without an answer where connections end within")
    equal([i for i, m in got.items() if m.question[0] != "m%d.test." % i], [], "answers to other questions")


# ---- names ----
@test
def names(scene):
    """A backend by name: that resolves to nothing, to ourselves, later to something."""
    ca = Authority(scene.folder)
    back, stub, port, plain = [free_port() for _ in range(4)]
    answers = {"to": None}

    def resolve(wire, via):
        if answers["to"] is None:
            return answer_to(wire, rcode=NXDOMAIN)
        return answer_to(wire, address=answers["to"], ttl=1)
    scene.keep(Fake(stub, script=resolve))
    scene.keep(Fake(plain))
    f = scene.keep(TlsFake(back, ca.issue("dns.test")))
    config = """
setLocal("127.0.0.1:%d")
setServFailOnTimeout(true)
setServFailWhenNoServer(true)
setQueryDeadline(1500)
newServer({address="backend.test:%d", name="peer", healthCheckMode="up", tls="openssl", caStore="%s", subjectName="dns.test",
  bootstrap={"127.0.0.1:%d"}})
newServer({address="127.0.0.1:%d", name="other", healthCheckMode="up", pool="other"})
addAction("other.test.", PoolAction("other"))
"""
    d = scene.daemon(config % (port, back, ca.file, stub, plain))
    reply = udp_ask(port, query("a.test."), timeout=4)
    equal(reply and reply.rcode, SERVFAIL, "a name that resolves to nothing")
    equal(udp_ask(port, query("x.other.test.")).rcode, 0, "others are served")
    until(lambda: "does not resolve" in d.log(), "said in the log", 5)
    true(reasons(d).get("the backend's name has no address yet",
                        0) + reasons(d).get("the backend did not answer in time", 0) >= 1,
         "reasons %s", reasons(d))
    answers["to"] = "127.0.0.1"
    until(lambda: udp_ask(port, query("b.test."), timeout=3).rcode == 0, "answers when the name resolves", 15)
    equal(f.connections >= 1, True, "connections")
    d.stop()
    d = scene.daemon(config % (port, port, ca.file, stub, plain))
    reply = udp_ask(port, query("c.test."), timeout=4)
    equal(reply and reply.rcode, SERVFAIL, "a name that resolves to ourselves")
    until(lambda: "resolves to ourselves" in d.log(), "said in the log", 5)
    equal(udp_ask(port, query("y.other.test.")).rcode, 0, "others are served")
    within(d.stats()["queries"], 2, 4, "queries: none comes back to us")


need_cryptography()
main()
