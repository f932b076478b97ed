#!/usr/bin/env python3
"""When something runs out: descriptors, memory, room for queries; and under packets that make no sense."""
import random
import resource
import socket
import time

from fake import Fake, by_name
from harness import (SERVFAIL, SLOW, Message, answer_to, equal, fail, frame, free_port, main, opt_rr, query, tcp_ask, tcp_connect, tcp_read,
                     test, true, udp_ask, udp_socket, until, within)

CONFIG = """
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
%s
"""


@test
def no_descriptors(scene):
    """Accepting rests without burning CPU; UDP goes on; it recovers."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (port, back, "setTCPRecvTimeout(30)"),
                     preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    true(udp_ask(port, query()), "an answer before")
    conns = []
    for i in range(150):
        s = tcp_connect(port)
        s.sendall(frame(query("slow%d.test." % i)))  # each has just been busy: none is idle long enough to be closed
        conns.append(s)
    time.sleep(0.3)
    cpu, began = d.cpu(), time.monotonic()
    for i in range(40):
        true(udp_ask(port, query(qid=i)), "UDP, query %d", i)
        time.sleep(0.05)
    used = (d.cpu() - cpu) / (time.monotonic() - began)
    true(used < 0.3, "CPU while out of descriptors: %.0f %%", used * 100)
    true("accept: " in d.log() and len(d.log()) < 5000, "the log says so, a few times:\n%s", d.log())
    for s in conns:
        s.close()
    until(lambda: quiet(port), "TCP is served again")
    d.reload()
    true(udp_ask(port, query()), "an answer after a reload")


def quiet(port):
    try:
        return tcp_ask(port, query(), timeout=0.5)
    except OSError:
        return None


@test
def idle_makes_room(scene):
    """Without descriptors the connection that was silent longest goes for a new client."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon('setWorkerLayout("collapsed")' + CONFIG % (port, back, "setTCPRecvTimeout(30)"),
                     preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
    conns = []
    for i in range(60):
        s = tcp_connect(port)
        conns.append(s)
        time.sleep(0.01)
    time.sleep(0.3)
    for i in range(5):
        until(lambda: quiet(port), "a new client is served")
    within(d.fds(), 1, 40, "descriptors")
    for s in conns:
        s.close()


@test
def no_descriptors_for_backends(scene):
    """A backend whose sockets cannot be opened: the query fails, the daemon does not."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    pools = "".join('newServer({address="127.0.0.1:%d", healthCheckMode="up", pool="p%d", sockets=8})\n'
                    'addAction("p%d.test.", PoolAction("p%d"))\n' % (back, i, i, i) for i in range(10))
    scene.daemon(CONFIG % (port, back, pools + "setServFailOnTimeout(true)\nsetUDPTimeout(1)"),
                 preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (45, 45)))
    codes = []
    for i in range(10):
        reply = udp_ask(port, query("p%d.test." % i))
        codes.append(reply and reply.rcode)
    true(0 in codes, "some pools work: %s", codes)
    true(any(c in (SERVFAIL, None) for c in codes), "some do not: %s", codes)


@test
def drips_behind_a_proxy(scene):
    """A client behind a trusted proxy that costs too many reads loses its connection; the proxy is not banned for it."""
    port = free_port()
    scene.daemon("""
setProxyProtocolACL({"127.0.0.1/32"})
addLocal("127.0.0.1:%d")
addAction(AllRule(), SpoofAction("192.0.2.1"))
""" % port)

    def come(last):
        s = tcp_connect(port)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((127, 0, 0, last, 127, 0, 0, 1, 4, 210, 0, 53)))
        return s

    def ask():
        with come(7) as s:
            s.sendall(frame(query()))
            return tcp_read(s)
    true(ask(), "an answer")
    with come(8) as s:
        try:
            for _ in range(60):
                s.sendall(b"\1")
                time.sleep(0.005)
            fail("60 reads and no end")
        except (ConnectionResetError, BrokenPipeError):
            pass
    true(ask(), "an answer to another client of the proxy")


def mutate(rng, wire):
    b = bytearray(wire)
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(0, 200))
    if kind == 1:
        return bytes(b[: rng.randrange(len(b))])
    if kind == 2:
        return bytes(b) + rng.randbytes(rng.randrange(1, 400))
    if kind == 3:
        for _ in range(3):
            b[rng.randrange(len(b))] = rng.randrange(256)
        return bytes(b)
    if kind == 4:
        b[rng.randrange(2, 12)] ^= 1 << rng.randrange(8)
        return bytes(b)
    at = rng.randrange(12, len(b))
    return bytes(b[:at]) + rng.randbytes(rng.randrange(8)) + bytes(b[at:])


@test
def nonsense(scene):
    """20 000 random and mutated packets; a good client beside them loses nothing; memory stays."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=by_name({}, lambda q, v: None if b"good" not in q else answer_to(q))))
    d = scene.daemon(CONFIG % (port, back, """
getPool(""):setCache(newPacketCache(1000))
setUDPTimeout(1)
addAction(QNameSuffixRule("blocked.test."), SpoofAction("192.0.2.9"))
addAction(EDNSOptionRule(8), NoneAction())
addAction(RegexRule("^x"), LuaAction(function(dq) dq:getEDNSOptions() dq:getTag("a") return DNSAction.None, "" end))
"""))
    rng = random.Random(5)
    ecs = b"\0\x08\0\x07\0\1\x18\0\xc0\0\x02"
    seeds = [query(), query("x.example.test.", edns=1232), query("blocked.test.", 28),
             query("x.long-label-for-a-test." * 8, extra=opt_rr(4096, 0x8000, ecs), extras=1),
             query(".", 2), query("x.test.", 250, extra=b"\0\0\xfa\0\xff\0\0\0\0\0\0", extras=1)]
    with udp_socket(port, timeout=3) as bad, udp_socket(port, timeout=3) as good:
        bad.setblocking(False)
        warm = None
        for i in range(20000):
            try:
                bad.send(mutate(rng, rng.choice(seeds)))
            except OSError:
                pass
            if i % 20 == 0:
                good.send(query("good%d.test." % (i % 400), qid=i))
                reply = Message(good.recv(4096))
                equal((reply.id, reply.rcode), (i, 0), "the good client's answer")
                try:
                    while True:
                        bad.recv(65535)
                except OSError:
                    pass
            if i == 10000:
                warm = d.rss_kb()
    within(d.rss_kb() - warm, -1 << 20, 6000 * SLOW * SLOW, "growth in kB over the second half")
    for i in range(300):  # the same over TCP, each on its own connection
        with tcp_connect(port) as s:
            body = mutate(rng, rng.choice(seeds))
            try:
                s.sendall(frame(body) if i % 3 else body)
            except OSError:
                pass
    with tcp_connect(port) as s:
        s.sendall(frame(query("good.test.", qid=1)))
        equal(Message(tcp_read(s)).id, 1, "TCP afterwards")
    true(d.stats()["noncompliant-queries"] > 1000, "noncompliant-queries")


@test
def many_waiting(scene):
    """More queries than the backend answers: memory is bounded and all is over after the time-out."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=by_name({"mute": lambda q, v: None})))
    d = scene.daemon(CONFIG % (port, back, "setUDPTimeout(1)\nsetMaxUDPOutstanding(2000)"))
    before = d.rss_kb()
    with udp_socket(port) as s:
        s.setblocking(False)
        for i in range(30000):
            try:
                s.send(query("mute%d.test." % i, qid=i & 0xffff))
            except OSError:
                time.sleep(0.001)
    within(d.rss_kb() - before, -1 << 20, 60000 * SLOW, "growth in kB")
    until(lambda: (lambda r: r and r.rcode == 0)(udp_ask(port, query("fine.test."), timeout=0.5)), "room again")


@test
def many_names(scene):
    """A cache keeps to its size under names that never come twice."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (port, back, 'getPool(""):setCache(newPacketCache(500))'))
    grown = []
    with udp_socket(port, timeout=3) as s:
        for turn in range(4):
            for i in range(2000):
                s.send(query("n%d-%d.test." % (turn, i), qid=i))
                s.recv(4096)
            grown.append(d.rss_kb())
    within(grown[3] - grown[1], -1 << 20, 1500 * SLOW * SLOW, "growth in kB after the cache is full: %s" % grown)


main()
