#!/usr/bin/env python3
"""Backends, good and bad: NSD and Unbound under load, and a fake one that does all that a backend must not do."""
import socket
import struct
import time

from fake import CLOSE, Fake, Late, by_name, good, wrong_id, wrong_question
from harness import (A, RD, REFUSED, SERVFAIL, SLOW, Nsd, Unbound, answer_to, dnsperf, equal, frame, free_port, has_ipv6, main,
                     query, tcp_ask, tcp_connect, tcp_read, test, true, udp_ask, udp_socket, until, within, Message)

CONFIG = """
setLocal("127.0.0.1:%d")
setServFailOnTimeout(true)
setServFailWhenNoServer(true)
setUDPTimeout(1)
newServer({address="127.0.0.1:%d", healthCheckMode="up"%s})
%s
"""


def start(scene, options="", settings="", **how):
    back, port = free_port(), free_port()
    f = scene.keep(Fake(back, **how))
    d = scene.daemon(CONFIG % (port, back, options, settings))
    return d, port, f


# ---- load ----
def load(scene, port, what, *args):
    sent, completed, lost, codes, out = dnsperf(scene, port, queries=20000, args=args)
    equal(lost, 0, "lost of %d: %s\n%s" % (sent, what, out))
    equal(codes, {"NOERROR": sent}, "answers: " + what)


@test
def nsd_under_load(scene):
    back, port, tcp_port = free_port(), free_port(), free_port()
    Nsd(scene, back)
    d = scene.daemon(CONFIG % (port, back, "", ""))
    load(scene, port, "UDP to NSD", "-c", "4", "-q", "50")
    load(scene, port, "TCP to NSD", "-m", "tcp", "-c", "4", "-q", "50")
    s = d.stats()
    equal(s["queries"], 40000, "queries")
    equal(s["responses"], 40000, "responses")
    equal(s["downstream-timeouts"], 0, "timeouts")
    t = scene.daemon(CONFIG % (tcp_port, back, ", tcpOnly=true", ""))
    load(scene, tcp_port, "UDP in, TCP to NSD", "-c", "4", "-q", "50")
    load(scene, tcp_port, "TCP in, TCP to NSD", "-m", "tcp", "-c", "4", "-q", "50")
    s = t.stats()
    equal((s["queries"], s["responses"]), (40000, 40000), "queries and responses")


@test
def unbound_under_load(scene):
    back, port, tcp_port = free_port(), free_port(), free_port()
    Unbound(scene, back)
    names = ["www.example.test A", "txt.example.test TXT"] * 100
    scene.daemon(CONFIG % (port, back, ", sockets=4", ""))
    for how in ((), ("-m", "tcp")):
        sent, _, lost, codes, out = dnsperf(scene, port, names=names, queries=10000, args=("-c", "4", "-q", "50", *how))
        equal((lost, codes), (0, {"NOERROR": sent}), "Unbound %s: %s" % (how, out))
    scene.daemon(CONFIG % (tcp_port, back, ", tcpOnly=true, maxInFlight=100", ""))
    sent, _, lost, codes, out = dnsperf(scene, tcp_port, names=names, queries=10000, args=("-c", "4", "-q", "50"))
    equal((lost, codes), (0, {"NOERROR": sent}), "Unbound, tcpOnly: " + out)


# ---- a backend over TCP that misbehaves ----
@test
def closes_after_each_answer(scene):
    d, port, f = start(scene, ", tcpOnly=true, maxInFlight=20", close_each=True)
    for i in range(30):
        reply = udp_ask(port, query("c%d.test." % i))
        true(reply and reply.addresses() == ["192.0.2.1"], "query %d, one at a time: %s", i, reply and reply.rcode)
    true(f.connections >= 30, "%d connections for 30 queries", f.connections)
    with tcp_connect(port) as s:  # many at once: those behind the first are asked again
        s.sendall(b"".join(frame(query("d%d.test." % i, qid=i)) for i in range(3)))
        replies = [Message(tcp_read(s)) for _ in range(3)]
        equal([r.rcode for r in replies], [0] * 3, "rcodes of three at once")


@test
def closes_without_answer(scene):
    d, port, f = start(scene, ", tcpOnly=true, retries=3", script=lambda q, v: CLOSE)
    started = time.monotonic()
    reply = udp_ask(port, query(), timeout=8)
    true(reply is None or reply.rcode == SERVFAIL, "no good answer")
    within(f.connections, 1, 6, "connections tried")
    true(time.monotonic() - started < 8 * SLOW, "in time")


@test
def connection_refused(scene):
    port, back = free_port(), free_port()
    d = scene.daemon(CONFIG % (port, back, ", tcpOnly=true, retries=2", ""))
    reply = udp_ask(port, query(), timeout=5)
    true(reply is None or reply.rcode == SERVFAIL, "nobody there: no good answer")
    true(d.stats()["downstream-send-errors"] >= 1, "downstream-send-errors")
    true("connect" in d.log(), "the log says why:\n%s", d.log()[-500:])
    scene.keep(Fake(back))
    until(lambda: (lambda r: r and r.rcode == 0)(udp_ask(port, query())), "answers when the backend is there")


@test
def tcp_backend_never_answers(scene):
    d, port, f = start(scene, ", tcpOnly=true, tcpRecvTimeout=1, retries=1", script=by_name({"mute": lambda q, v: None}))
    started = time.monotonic()
    reply = udp_ask(port, query("mute.test."), timeout=6)
    true(reply and reply.rcode == SERVFAIL, "SERVFAIL, got %s", reply and reply.rcode)
    within(time.monotonic() - started, 0.5, 5 * SLOW, "seconds until then")
    reply = udp_ask(port, query("fine.test."))
    true(reply and reply.rcode == 0, "the next query is answered")


# ---- a backend over UDP that misbehaves ----
@test
def never_answers(scene):
    d, port, f = start(scene, script=lambda q, v: None)
    started = time.monotonic()
    reply = udp_ask(port, query("mute.test.", qid=77, edns=1232), timeout=4)
    true(reply, "an answer")
    equal((reply.rcode, reply.id, reply.question), (SERVFAIL, 77, ("mute.test.", A, 1)), "the answer")
    true(reply.opt, "with OPT")
    within(time.monotonic() - started, 0.9, 2.5 * SLOW, "seconds until then")
    equal(d.stats()["downstream-timeouts"], 1, "downstream-timeouts")
    d2_port = free_port()
    scene.daemon('setLocal("127.0.0.1:%d")\nsetUDPTimeout(1)\nnewServer({address="127.0.0.1:%d", healthCheckMode="up"})'
                 % (d2_port, f.port))
    equal(udp_ask(d2_port, query(), timeout=1.8), None, "silence when the option is not set")


@test
def answers_late(scene):
    """An answer after the deadline goes nowhere; an id is not taken for another's."""
    d, port, f = start(scene, script=by_name({"late": lambda q, v: Late(1.5, answer_to(q))}))
    with udp_socket(port) as s:
        s.send(query("late.test.", qid=1))
        equal(Message(s.recv(4096)).rcode, SERVFAIL, "rcode")
        s.settimeout(1.0)
        try:
            s.recv(4096)
            true(False, "a second answer came")
        except socket.timeout:
            pass
    equal(d.stats()["noncompliant-responses"], 1, "noncompliant-responses")


@test
def answers_twice(scene):
    d, port, f = start(scene, script=lambda q, v: [answer_to(q), answer_to(q, address="192.0.2.66")])
    with udp_socket(port) as s:
        for i in range(20):
            s.send(query("t%d.test." % i, qid=i))
            reply = Message(s.recv(4096))
            equal((reply.id, reply.addresses()), (i, ["192.0.2.1"]), "answer %d" % i)
        s.settimeout(0.2)
        try:
            true(False, "a second answer: %s" % s.recv(4096))
        except socket.timeout:
            pass
    equal(d.stats()["noncompliant-responses"], 20, "noncompliant-responses")
    reply = tcp_ask(port, query("tcp.test."))
    equal(reply.addresses(), ["192.0.2.1"], "over TCP")


@test
def wrong_answers(scene):
    """Wrong id, wrong question, garbage: ignored, and the right answer behind them is taken."""
    bad = {
        "id": wrong_id,
        "question": wrong_question,
        "class": lambda q, v: answer_to(q)[:12] + q[12:].replace(b"\0\1\0\1", b"\0\1\0\3"),
        "qr": lambda q, v: q,
        "short": lambda q, v: q[:7],
        "empty": lambda q, v: b"",
        "cut": lambda q, v: answer_to(q)[:20],
        "noquestion": lambda q, v: q[:2] + struct.pack("!5H", 0x8180, 0, 0, 0, 0),
        "long": lambda q, v: answer_to(q)[:12] + b"\x3f" * 1400,
        "pointer": lambda q, v: answer_to(q)[:12] + b"\xc0\x0c\0\1\0\1",
    }
    table = {k: (lambda q, v, k=k: [bad[k](q, v), answer_to(q)]) for k in bad}
    table.update({"only-" + k: bad[k] for k in bad})
    d, port, f = start(scene, script=by_name(table))
    for k in bad:
        reply = udp_ask(port, query("%s.test." % k))
        true(reply, "%s: no answer", k)
        equal((reply.rcode, reply.addresses()), (0, ["192.0.2.1"]), "%s, then a right one" % k)
    sockets = {}
    for k in bad:
        sockets[k] = udp_socket(port)
        sockets[k].send(query("only-%s.test." % k))
    for k, s in sockets.items():
        equal(Message(s.recv(4096)).rcode, SERVFAIL, "only %s" % k)
        s.close()
    within(d.stats()["noncompliant-responses"], 16, 20, "noncompliant-responses")


@test
def broken_records(scene):
    """Answers whose records are broken reach nobody as a crash; the daemon goes on."""
    def broken(q, v):
        kind = int(q[13 + 1 : 13 + 3].decode())
        whole = answer_to(q, edns=1232)
        end = len(q) - (11 if q[11] else 0)
        return [whole[: end + 5], whole[:-11] + b"\0\0\x29", whole[:6] + b"\xff\xff" + whole[8:],
                whole[:end] + b"\xc0" + bytes([end]) + whole[end + 2 :], whole + b"trailing", whole[:-2] + b"\xff\xff",
                whole[:11] + b"\x09" + whole[12:], whole[: end + 10] + b"\xff\xff" + whole[end + 12 :]][kind % 8]
    d, port, f = start(scene, settings='getPool(""):setCache(newPacketCache(100))', script=by_name({"x": broken}))
    for kind in range(8):
        for turn in range(2):
            with udp_socket(port, timeout=1.5) as s:
                s.send(query("x%02d.test." % kind, edns=1232))
                try:
                    s.recv(65535)
                except socket.timeout:
                    pass
    reply = udp_ask(port, query("fine.test."))
    true(reply and reply.rcode == 0, "a good answer afterwards")


@test
def flood(scene):
    """A backend that sends thousands of messages that nobody asked for: clients lose nothing."""
    def much(q, v):
        return [wrong_id(q, v)] * 200 + [answer_to(q)]
    d, port, f = start(scene, script=by_name({"flood": much}))
    for i in range(50):
        reply = udp_ask(port, query("flood%d.test." % i))
        true(reply and reply.rcode == 0, "query %d: %s", i, reply)
    true(d.stats()["noncompliant-responses"] > 5000, "they are counted")


# ---- options ----
@test
def sockets(scene):
    d, port, f = start(scene, ", sockets=4", 'setWorkerLayout("collapsed")')
    for i in range(100):
        true(udp_ask(port, query(qid=i)), "query %d", i)
    equal(len({s.source for s in f.seen}), 4, "source ports")
    ids = [struct.unpack_from("!H", s.wire)[0] for s in f.seen]
    true(len(set(ids)) > 90 and max(ids) > 30000, "ids are random: %s", ids[:10])


@test
def source(scene):
    d, port, f = start(scene, ', source="127.0.0.77"')
    true(udp_ask(port, query()) and tcp_ask(port, query()), "answers")
    equal({s.source[0] for s in f.seen}, {"127.0.0.77"}, "source addresses at the backend")
    d, port, f = start(scene, ', source="lo"')
    true(udp_ask(port, query()), "answers over the interface lo")
    d, port, f = start(scene, ', source="127.0.0.78@lo", tcpOnly=true')
    true(udp_ask(port, query()), "answers from an address on an interface")
    equal({s.source[0] for s in f.seen}, {"127.0.0.78"}, "source address at the backend")


@test
def host_name(scene):
    """A backend given by name."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    if has_ipv6():
        scene.keep(Fake(back, "::1"))
    scene.daemon('setLocal("127.0.0.1:%d")\nnewServer({address="localhost:%d", healthCheckMode="up"})' % (port, back))
    until(lambda: udp_ask(port, query(), timeout=0.3), "an answer from localhost")
    true(tcp_ask(port, query()), "over TCP")


@test
def udp_timeout_of_one(scene):
    d, port, f = start(scene, ", udpTimeout=2", script=lambda q, v: None)
    started = time.monotonic()
    udp_ask(port, query(), timeout=5)
    within(time.monotonic() - started, 1.8, 3.5 * SLOW, "seconds with udpTimeout=2")


@test
def outstanding_full(scene):
    """setMaxUDPOutstanding: what does not fit gets SERVFAIL at once or silence, the rest its answer."""
    d, port, f = start(scene, settings='setMaxUDPOutstanding(10)\nsetWorkerLayout("collapsed")',
                       script=by_name({"mute": lambda q, v: None}))
    with udp_socket(port) as s:
        for i in range(30):
            s.send(query("mute%d.test." % i, qid=i))
        until(lambda: len(f.seen) >= 10, "ten queries at the backend")
        time.sleep(0.1)
        equal(len(f.seen), 10, "queries in flight")
        time.sleep(1.3)
    reply = udp_ask(port, query("fine.test."))
    true(reply and reply.rcode == 0, "room again after the time-outs")


# ---- PROXY protocol ----
def v2(command=1, family=0x11, source=("192.0.2.200", 1111), to=("192.0.2.201", 53), tail=b""):
    body = b""
    if family:
        body = socket.inet_aton(source[0]) + socket.inet_aton(to[0]) + struct.pack("!HH", source[1], to[1])
    body += tail
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


@test
def proxy_to_backend(scene):
    d, port, f = start(scene, ", useProxyProtocol=true", prefix=True)
    for ask, family in ((udp_ask, 0x12), (tcp_ask, 0x11)):
        f.seen.clear()
        reply = ask(port, query(), source="127.0.0.5")
        true(reply and reply.rcode == 0, "%s: an answer", ask.__name__)
        prefix = f.seen[0].prefix
        equal(prefix[:13], b"\r\n\r\n\0\r\nQUIT\n\x21", "signature, version 2, PROXY")
        equal(prefix[13], family, "family and transport (%s)" % ask.__name__)
        equal((socket.inet_ntoa(prefix[16:20]), socket.inet_ntoa(prefix[20:24])), ("127.0.0.5", "127.0.0.1"),
              "source and destination")
        equal(struct.unpack("!H", prefix[26:28])[0], port, "destination port")


@test
def proxy_from_client(scene):
    d, port, f = start(scene, settings="""
setProxyProtocolACL({"127.0.0.1/32"})
addAction("192.0.2.0/24", SpoofAction("192.0.2.42"))
addAction(NetmaskGroupRule({"127.0.0.0/8"}), SpoofAction("192.0.2.43"))
""")
    for head, expected in ((v2(family=0x12), "192.0.2.42"), (v2(0, 0), "192.0.2.43"),
                           (v2(family=0x12, tail=b"\xe0\0\3abc"), "192.0.2.42")):
        reply = udp_ask(port, head + query())
        true(reply, "UDP: an answer behind %s", head)
        equal(reply.addresses(), [expected], "UDP: who the client is")
        with tcp_connect(port) as s:
            s.sendall(head.replace(b"\x21\x12", b"\x21\x11") + frame(query(qid=1)) + frame(query(qid=2)))
            for i in (1, 2):
                reply = Message(tcp_read(s))
                equal((reply.id, reply.addresses()), (i, [expected]), "TCP: who the client is")
    with tcp_connect(port) as s:
        wire = v2() + frame(query(qid=3))
        for i in range(0, len(wire), 2):  # in fewer pieces than setMaxTCPReadIOsPerQuery
            s.send(wire[i : i + 2])
            time.sleep(0.001)
        equal(Message(tcp_read(s)).id, 3, "TCP: a header in pieces")
    equal(udp_ask(port, query(), timeout=0.3), None, "UDP without the header")
    with tcp_connect(port) as s:
        s.sendall(frame(query()))
        true(tcp_read(s) is None, "TCP without the header")
    equal(udp_ask(port, v2(tail=b"x" * 600) + query(), timeout=0.3), None, "a header larger than allowed")
    reply = udp_ask(port, query(), source="127.0.0.6")
    equal(reply.addresses(), ["192.0.2.43"], "a client outside the ACL needs none")
    within(d.stats()["proxy-protocol-invalid"], 3, 3, "proxy-protocol-invalid")


@test
def proxy_acl_inner(scene):
    d, port, f = start(scene, settings="""
setProxyProtocolACL({"127.0.0.1/32"})
setProxyProtocolApplyACLToProxiedClients(true)
setACL({"127.0.0.0/8", "198.51.100.0/24"})
""")
    true(udp_ask(port, v2(family=0x12, source=("198.51.100.7", 9)) + query()), "an inner client in the ACL")
    equal(udp_ask(port, v2(family=0x12) + query(), timeout=0.3), None, "an inner client outside the ACL")


@test
def proxy_chain(scene):
    """Two of us, one behind the other: the second knows the first's client, over UDP and TCP."""
    inner_port, outer_port, back = free_port(), free_port(), free_port()
    scene.keep(Fake(back))
    scene.daemon("""
setLocal("127.0.0.1:%d")
setProxyProtocolACL({"127.0.0.1/32"})
addAction("127.0.0.9/32", SpoofAction("192.0.2.9"))
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (inner_port, back))
    scene.daemon("""
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", useProxyProtocol=true})
""" % (outer_port, inner_port))
    for ask in (udp_ask, tcp_ask):
        reply = until(lambda: ask(outer_port, query(), source="127.0.0.9"), "an answer")
        equal(reply.addresses(), ["192.0.2.9"], "%s of 127.0.0.9" % ask.__name__)
        equal(ask(outer_port, query(), source="127.0.0.10").addresses(), ["192.0.2.1"], "%s of another" % ask.__name__)


@test
def restart_within_a_read(scene):
    """Replies read together from one connection: one that makes its query go out with a PROXY header spoils no other."""
    first, second, port = free_port(), free_port(), free_port()
    scene.keep(Fake(first, script=by_name({"again": lambda wire, via: answer_to(wire, rcode=REFUSED)})))
    scene.keep(Fake(second, prefix=True))
    d = scene.daemon('''
setWorkerLayout("collapsed")
setLocal("127.0.0.1:%d")
newServer{address="127.0.0.1:%d", healthCheckMode="up", tcpOnly=true}
newServer{address="127.0.0.1:%d", healthCheckMode="up", pool="b", useProxyProtocol=true}
addAction(AllRule(), LuaAction(function(dq) dq:setRestartable() return DNSAction.None end))
addAction(TagRule("again"), PoolAction("b"))
addResponseAction(AndRule({RCodeRule(DNSRCode.REFUSED), NotRule(TagRule("again"))}), LuaResponseAction(function(dr)
  dr:setTag("again", "1")
  dr:restart()
  return DNSResponseAction.None
end))
''' % (port, first, second))
    with udp_socket(port) as s:
        for i in range(400):
            s.send(query("again.test." if i % 4 == 0 else "n%d.test." % i, qid=i))
            if i % 20 == 19:
                for _ in range(20):
                    s.recv(4096)
    stats = d.stats()
    equal([stats[k] for k in ("downstream-send-errors", "noncompliant-responses")], [0, 0], "errors of backends")


main()
