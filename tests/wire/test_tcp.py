#!/usr/bin/env python3
"""Clients over TCP, good and bad: pipelining, order, limits, slow readers and writers, floods."""
import resource
import socket
import struct
import time

from fake import Fake, Late, by_name
from harness import (SLOW, TXT, Message, Skip, answer_to, closed, equal, frame, free_port, main, query, tcp_ask, tcp_connect,
                     tcp_read, test, true, txt_records, udp_ask, until, within)

CONFIG = """
setLocal("127.0.0.1:%d"%s)
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
%s
"""


def start(scene, options="", settings="", script=None, **how):
    back, port = free_port(), free_port()
    f = scene.keep(Fake(back, script=script) if script else Fake(back))
    d = scene.daemon(CONFIG % (port, options, back, settings), **how)
    return d, port, f


def slow(seconds):
    return lambda q, via: Late(seconds, answer_to(q))


@test
def pipelining(scene):
    _, port, _ = start(scene)
    with tcp_connect(port) as s:
        s.sendall(b"".join(frame(query("p%d.test." % i, qid=i)) for i in range(500)))
        got = {Message(tcp_read(s)).id for _ in range(500)}
        equal(got, set(range(500)), "ids of 500 pipelined queries")


@test
def out_of_order(scene):
    """A slow query does not hold up a quick one behind it."""
    _, port, _ = start(scene, script=by_name({"slow": slow(0.5)}))
    with tcp_connect(port) as s:
        s.sendall(frame(query("slow.test.", qid=1)) + frame(query("quick.test.", qid=2)))
        equal([Message(tcp_read(s)).id for _ in range(2)], [2, 1], "order of the answers")


@test
def one_in_flight(scene):
    """maxInFlight=1: the next query is taken when the one before is answered."""
    _, port, f = start(scene, ", {maxInFlight=1}", script=by_name({"slow": slow(0.3)}))
    with tcp_connect(port) as s:
        s.sendall(frame(query("slow.test.", qid=1)) + frame(query("quick.test.", qid=2)))
        until(lambda: f.seen, "the first query reaches the backend")
        time.sleep(0.1)
        equal(f.names(), ["slow.test."], "queries at the backend meanwhile")
        equal([Message(tcp_read(s)).id for _ in range(2)], [1, 2], "order of the answers")


@test
def byte_by_byte(scene):
    """A client that sends one byte at a time is served, within its number of reads; beyond that it is banned."""
    d, port, _ = start(scene, settings="setMaxTCPReadIOsPerQuery(40)\nsetBanDurationForExceedingMaxReadIOsPerQuery(2)")
    with tcp_connect(port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = frame(query("a.test.", qid=9))
        for i in range(len(wire)):
            s.send(wire[i : i + 1])
            time.sleep(0.002)
        equal(Message(tcp_read(s)).id, 9, "answer to a query in %d pieces" % len(wire))
    with tcp_connect(port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = frame(query("a-longer-name-for-more-bytes.example.test.", qid=9) + b"\0" * 100)
        try:
            for i in range(100):
                s.send(wire[i : i + 1])
                time.sleep(0.002)
        except OSError:
            pass
        equal(closed(s), b"", "too many reads: closed without an answer")
    with tcp_connect(port) as s:
        try:
            s.sendall(frame(query()))
        except OSError:
            pass
        equal(closed(s), b"", "a banned client's next connection")
    true(udp_ask(port, query()), "UDP is not banned")
    until(lambda: tcp_ask_quietly(port), "the ban ends", 5)


def tcp_ask_quietly(port):
    try:
        return tcp_ask(port, query())
    except OSError:
        return None


@test
def lengths(scene):
    """Length 0 closes; 65535 bytes of rubbish with a good head are a query of that size."""
    d, port, _ = start(scene)
    with tcp_connect(port) as s:
        s.sendall(b"\0\0")
        equal(closed(s), b"", "length 0")
    with tcp_connect(port) as s:
        s.sendall(b"\0\x0b" + b"x" * 11)
        equal(closed(s), b"", "length 11")
    with tcp_connect(port) as s:
        wire = query("long.test.", qid=5)
        s.sendall(frame(wire + b"\0" * (65535 - len(wire))))
        s.sendall(frame(query("next.test.", qid=6)))
        ids = set()
        while 6 not in ids:
            body = tcp_read(s)
            true(body is not None, "the connection lives after a query of 65535 bytes")
            ids.add(Message(body).id)
    true(udp_ask(port, query()), "still there")


@test
def never_reads(scene):
    """A client that asks and never reads is closed after setTCPSendTimeout; memory stays bounded."""
    d, port, _ = start(scene, settings="setTCPSendTimeout(1)",
                       script=lambda q, v: answer_to(q, records=txt_records(30000 if v == "tcp" else 400)))
    before = d.rss_kb()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(0.5)
        s.connect(("127.0.0.1", port))
        wire = frame(query("n.test.", TXT, edns=512)) * 50
        sent, end = 0, time.monotonic() + 8 * SLOW
        gone = False
        while time.monotonic() < end and not gone:
            try:
                sent += s.send(wire)
                good = udp_ask(port, query("good.test.", TXT, edns=1232), timeout=1)
                true(good, "a good client is served meanwhile")
            except socket.timeout:
                pass
            except OSError:
                gone = True
        true(gone, "closed after the send timeout (%d bytes taken)", sent)
    within(d.rss_kb() - before, -1 << 20, 20000 * SLOW, "growth in kB")


@test
def idle_timeout(scene):
    _, port, _ = start(scene, settings="setTCPRecvTimeout(1)")
    for first in (b"", frame(query())[:7]):
        with tcp_connect(port) as s:
            s.sendall(first)
            started = time.monotonic()
            equal(closed(s, 4), b"", "%d bytes, then silence: closed" % len(first))
            within(time.monotonic() - started, 0.8, 2.5 * SLOW, "seconds until then")
    with tcp_connect(port) as s:
        for i in range(4):  # activity keeps it
            s.sendall(frame(query(qid=i)))
            equal(Message(tcp_read(s)).id, i, "id")
            time.sleep(0.5)
        equal(closed(s, 4), b"", "closed in the end")


@test
def slow_drip(scene):
    """A byte now and then does not keep a message open for ever."""
    _, port, _ = start(scene, settings="setTCPRecvTimeout(1)")
    with tcp_connect(port) as s:
        started = time.monotonic()
        wire = frame(query("drip.test."))
        gone = False
        for i in range(len(wire)):
            try:
                s.send(wire[i : i + 1])
                time.sleep(0.4)
            except OSError:
                gone = True
                break
            if time.monotonic() - started > 6 * SLOW:
                break
        true(gone, "a message that takes 6 s is not waited for")


@test
def per_client(scene):
    d, port, _ = start(scene, settings="setMaxTCPConnectionsPerClient(3)")
    kept = [tcp_connect(port) for _ in range(3)]
    for i, s in enumerate(kept):
        s.sendall(frame(query(qid=i)))
        equal(Message(tcp_read(s)).id, i, "connection %d" % i)
    with tcp_connect(port) as s:
        equal(closed(s), b"", "the fourth connection")
    true(tcp_ask(port, query(), source="127.0.0.8"), "another client is let in")
    kept.pop().close()
    until(lambda: tcp_ask_quietly(port), "room after one closed")
    for s in kept:
        s.close()


@test
def per_frontend(scene):
    """At the limit the longest idle makes room; when all are busy the new one is refused.  One worker: each looks
    at its own connections only."""
    d, port, _ = start(scene, ", {maxConcurrentTCPConnections=4}", 
                       'setWorkerLayout("collapsed")\nsetTCPConnectionsOverloadThreshold(100)\nsetTCPRecvTimeout(10)',
                       script=by_name({"slow": slow(1.5)}))
    busy = [tcp_connect(port) for _ in range(4)]
    for s in busy:
        s.sendall(frame(query("slow.test.")))
    time.sleep(0.3)
    with tcp_connect(port) as s:
        equal(closed(s, 1), b"", "the fifth, all busy")
    for s in busy:
        true(tcp_read(s), "the busy ones get their answers")
    time.sleep(0.2)
    with tcp_connect(port) as s:
        s.sendall(frame(query("quick.test.")))
        true(tcp_read(s), "the fifth takes the place of an idle one")
    for s in busy:
        s.close()


@test
def overload(scene):
    """Above the threshold of a frontend's connections each gets one query."""
    _, port, _ = start(scene, ", {maxConcurrentTCPConnections=4}", "setTCPConnectionsOverloadThreshold(50)")
    kept = [tcp_connect(port) for _ in range(3)]
    time.sleep(0.1)
    s = kept[2]
    s.sendall(frame(query(qid=1)) + frame(query(qid=2)))
    equal(Message(tcp_read(s)).id, 1, "the first query's answer")
    equal(closed(s), b"", "after it")
    for s in kept:
        s.close()


@test
def queries_per_connection(scene):
    _, port, _ = start(scene, settings="setMaxTCPQueriesPerConnection(3)")
    with tcp_connect(port) as s:
        s.sendall(b"".join(frame(query(qid=i)) for i in range(5)))
        got = {Message(tcp_read(s)).id for _ in range(3)}
        equal(got, {0, 1, 2}, "answers")
        equal(closed(s), b"", "after three queries")


@test
def duration(scene):
    _, port, _ = start(scene, settings="setMaxTCPConnectionDuration(2)")
    with tcp_connect(port) as s:
        started, n = time.monotonic(), 0
        while time.monotonic() - started < 8 * SLOW:
            try:
                s.sendall(frame(query()))
                if not tcp_read(s):
                    break
            except OSError:
                break
            n += 1
            time.sleep(0.2)
        within(time.monotonic() - started, 1.5, 4 * SLOW, "seconds of an active connection")
        true(n > 3, "%d queries before", n)


@test
def rate(scene):
    """setMaxTCPConnectionRatePerClient is an average over the interval."""
    d, port, _ = start(scene, settings="setMaxTCPConnectionRatePerClient(1)\nsetTCPConnectionRateInterval(1)\n"
                       "setBanDurationForExceedingTCPTLSRate(1)")
    for i in range(60):
        true(tcp_ask_quietly(port), "connection %d of 60 in the first minute", i)
    with tcp_connect(port) as s:
        equal(closed(s), b"", "the 61st")
    true(tcp_ask(port, query(), source="127.0.0.8"), "another client")


@test
def half_close(scene):
    """A client that shuts its sending side still gets its answers."""
    _, port, _ = start(scene, script=by_name({"slow": slow(0.3)}))
    with tcp_connect(port) as s:
        s.sendall(frame(query("slow.test.", qid=1)) + frame(query("quick.test.", qid=2)))
        s.shutdown(socket.SHUT_WR)
        equal({Message(tcp_read(s)).id for _ in range(2)}, {1, 2}, "answers")
        equal(closed(s), b"", "then the end")


@test
def leaves_before_answer(scene):
    """RST while a query is at the backend: its answer goes nowhere and hurts nobody."""
    d, port, f = start(scene, script=by_name({"slow": slow(0.2)}))
    for i in range(50):
        s = tcp_connect(port)
        s.sendall(frame(query("slow%d.test." % i)) * 3 + b"\0\x20half")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if i % 2:
            until(lambda: any(n == "slow%d.test." % i for n in f.names()), "the query reaches the backend")
        s.close()
    time.sleep(0.4)
    true(tcp_ask(port, query()), "a good client")
    base = d.fds()
    until(lambda: d.fds() <= base, "descriptors are given back")


@test
def many(scene):
    """2000 connections at once, each asks twice."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 5000:
        raise Skip("no 5000 file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (5000, hard))
    d, port, _ = start(scene, settings="setTCPRecvTimeout(20)")
    before = d.rss_kb()
    conns = [tcp_connect(port, source="127.0.0.%d" % (1 + i % 200)) for i in range(2000)]
    for turn in range(2):
        for i, s in enumerate(conns):
            s.sendall(frame(query("m%d.test." % i, qid=i)))
        for i, s in enumerate(conns):
            body = tcp_read(s)
            true(body, "answer %d on connection %d", turn, i)
            equal(Message(body).id, i, "id")
    grown = d.rss_kb() - before
    within(grown, -1 << 20, 9000 * SLOW if SLOW > 1 else 6000, "kB for 2000 idle connections")
    for s in conns:
        s.close()
    until(lambda: d.fds() < 100, "descriptors are given back")


@test
def connect_flood(scene):
    """Thousands of connections that close at once; a good client is served all the while."""
    d, port, _ = start(scene)
    for i in range(3000):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        if i % 3 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        if i % 100 == 0:
            true(udp_ask(port, query()), "UDP during the flood, at %d", i)
    true(tcp_ask(port, query()), "TCP after the flood")
    until(lambda: d.fds() < 100, "descriptors are given back")


@test
def dripping_without_ban(scene):
    """A message has its deadline however many bytes keep coming, also when reads are not counted."""
    _, port, _ = start(scene, settings="setMaxTCPReadIOsPerQuery(0)\nsetTCPRecvTimeout(1)")
    wire = frame(query("drips.example.test."))
    began = time.monotonic()
    with tcp_connect(port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for i in range(len(wire) - 1):
                s.send(wire[i : i + 1])
                time.sleep(0.3)
        except OSError:
            pass
    within(time.monotonic() - began, 0.9, 4 * SLOW, "seconds until a dripping client is cut off")


@test
def grown_beyond_a_frame(scene):
    """A rule may not make a message longer than a stream can carry."""
    d, port, _ = start(scene, settings="""addAction(AllRule(), LuaAction(function(dq)
  dq:setTrailingData(string.rep("x", 400)) return DNSAction.None end))""")
    record = b"\0" + struct.pack("!HHIH", 65280, 1, 0, 65300) + b"y" * 65300
    with tcp_connect(port) as s:
        s.sendall(frame(query("full.test.", extra=record, extras=1)))
        true(tcp_read(s), "an answer")
    true(d.alive(), "alive")


main()
