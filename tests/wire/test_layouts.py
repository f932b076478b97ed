#!/usr/bin/env python3
"""Each layout of workers: answers over UDP and TCP, with backends over UDP and TCP, under load, over reloads."""
import time

from fake import Fake, by_name
from harness import (SLOW, Message, Nsd, Skip, dnsperf, equal, frame, free_port, main, query, tcp_ask, tcp_connect, tcp_read, test,
                     true, udp_ask)

CONFIG = """
setWorkerLayout("%s"%s)
setLocal("127.0.0.1:%d")
setServFailOnTimeout(true)
setUDPTimeout(1)
newServer({address="127.0.0.1:%d", healthCheckMode="up", name="udp"})
newServer({address="127.0.0.1:%d", healthCheckMode="up", name="udp2", pool="p2", sockets=2})
newServer({address="127.0.0.1:%d", healthCheckMode="up", name="tcp", pool="p3", tcpOnly=true})
getPool("p2"):setCache(newPacketCache(1000))
addAction("p2.example.test.", PoolAction("p2"))
addAction("p3.example.test.", PoolAction("p3"))
addAction("spoof.test.", SpoofAction("192.0.2.99"))
"""


def layout(scene, name, workers, threads):
    back, mute, port = free_port(), free_port(), free_port()
    Nsd(scene, back, zone="*.p2 IN A 192.0.2.2\n*.p3 IN A 192.0.2.3\n")
    mute_fake = scene.keep(Fake(mute, script=by_name({"mute": lambda q, v: None})))
    count = ", %d" % workers if workers else ""
    text = CONFIG % (name, count, port, back, back, back) + """
newServer({address="127.0.0.1:%d", healthCheckMode="up", name="mute", pool="mute", tcpRecvTimeout=1})
addAction("mute.test.", PoolAction("mute"))
""" % mute
    d = scene.daemon(text, ready=False)
    try:
        d.wait_log("ready: layout %s" % name, 10)
    except AssertionError:
        if "not supported" in d.log():
            d.stopped = True
            raise Skip("the daemon says: " + d.log().strip())
        raise
    if SLOW == 1:  # a sanitizer may have threads of its own
        with open("/proc/%d/status" % d.pid) as f:
            equal(int(f.read().split("Threads:")[1].split()[0]), threads, "threads of " + name)
    for turn in range(3):
        for ask in (udp_ask, tcp_ask):
            for owner, want in (("www.example.test.", "192.0.2.1"), ("a.p2.example.test.", "192.0.2.2"),
                                ("a.p3.example.test.", "192.0.2.3"), ("spoof.test.", "192.0.2.99")):
                reply = ask(port, query(owner, qid=turn))
                true(reply, "%s, %s of %s: no answer", name, ask.__name__, owner)
                equal((reply.id, reply.addresses()), (turn, [want]), "%s, %s of %s" % (name, ask.__name__, owner))
        for ask in (udp_ask, tcp_ask):
            began = time.monotonic()
            reply = ask(port, query("mute.test."), timeout=8)
            true(reply and reply.rcode == 2, "%s, %s without an answer: %s after %.1f s", name, ask.__name__,
                 reply and reply.rcode, time.monotonic() - began)
        if turn == 0:
            d.reload(text + 'addAction("new.test.", SpoofAction("192.0.2.98"))')
        if turn == 1:
            equal(udp_ask(port, query("new.test.")).addresses(), ["192.0.2.98"], "the reloaded rule")
    names = [n % i for i in range(300) for n in ("n%d.wild.example.test A", "n%d.p2.example.test A", "n%d.p3.example.test A")]
    for mode in ("udp", "tcp"):
        sent, _, lost, codes, out = dnsperf(scene, port, names=names, queries=9000, args=("-m", mode, "-c", "8", "-q", "40"))
        equal((lost, codes), (0, {"NOERROR": sent}), "%s under load over %s: %s" % (name, mode, out))
    for i in range(20):  # clients that leave while workers talk about their queries
        s = tcp_connect(port)
        s.sendall(frame(query("www.example.test.", qid=i)) * 20 + frame(query("mute.test.", qid=i)) * 5)
        s.close()
    with tcp_connect(port) as s:
        s.sendall(b"".join(frame(query("z%d.p3.example.test." % i, qid=i)) for i in range(200)))
        equal({Message(tcp_read(s)).id for _ in range(200)}, set(range(200)), name + ": pipelined")
    time.sleep(0.2)
    s = d.stats()
    equal(s["noncompliant-responses"], 0, name + ": noncompliant-responses")
    true(len(mute_fake.seen) >= 6, "the mute backend was asked")


@test
def collapsed(scene):
    layout(scene, "collapsed", 0, 1)


@test
def sharded(scene):
    layout(scene, "sharded", 3, 3)


@test
def split(scene):
    layout(scene, "split", 0, 6)


@test
def unknown(scene):
    d = scene.daemon('setWorkerLayout("heap")\n', ready=False)
    equal(d.process.wait(5), 1, "exit status")
    true("heap" in d.log() and "setWorkerLayout" in d.log(), "named: %s", d.log())
    d.stopped = True


main()
