#!/usr/bin/env python3
"""Backends over streams that take seconds for an answer: it counts, whichever connection it comes on."""
import concurrent.futures
import time

from fake import Fake, Late
from harness import SLOW, answer_to, equal, free_port, main, opt_rr, query, test, true, udp_ask, udp_socket, within
from tls_fake import TlsFake
from tls_help import Authority, need_cryptography

CONFIG = """
setLocal("127.0.0.1:%d")
setWorkerLayout("%s", 2)
newServer({address="127.0.0.1:%d", name="slow", healthCheckMode="up", %s})
"""


def ask(port, seconds, what):
    started = time.monotonic()
    reply = udp_ask(port, query("a.test."), timeout=5)
    took = time.monotonic() - started
    equal(reply and reply.addresses(), ["192.0.2.1"], what)
    within(took, seconds - 0.1, seconds + 0.4 * SLOW, "%s: seconds" % what)


def plain(scene, layout, seconds, options, **how):
    back, port = free_port(), free_port()
    fake = scene.keep(Fake(back, script=lambda wire, via: Late(seconds, answer_to(wire)), **how))
    return fake, scene.daemon(CONFIG % (port, layout, back, options)), port


def at_once(cases):
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        for f in [pool.submit(ask, port, seconds, what) for port, seconds, what in cases]:
            f.result()


@test
def over_tcp(scene):
    cases = []
    for layout in ("collapsed", "sharded", "split"):
        for seconds in (1.5, 2.5, 4.0):
            _, _, port = plain(scene, layout, seconds, "tcpOnly=true")
            cases.append((port, seconds, "%s, %.1f s" % (layout, seconds)))
    at_once(cases)


@test
def one_query_each(scene):
    """With a PROXY header a connection is for one client."""
    fake, d, port = plain(scene, "collapsed", 2.5, "tcpOnly=true, useProxyProtocol=true", prefix=True)
    ask(port, 2.5, "with a PROXY header")
    true(len(fake.seen) <= 2, "asked twice at most, not %d times", len(fake.seen))
    ask(port, 2.5, "and again")
    true(len(fake.seen) <= 3, "it is known to be slow: %d queries", len(fake.seen))
    equal(d.alive(), True, "alive")


@test
def encrypted(scene):
    ca = Authority(scene.folder)
    cases = []
    for doh in (False, True):
        def late(conn, wire):
            time.sleep(2.5)
            return answer_to(wire)
        back, port = free_port(), free_port()
        scene.keep(TlsFake(back, ca.issue("dns.test"), doh=doh, script=late))
        scene.daemon(CONFIG % (port, "collapsed", back, 'tls="openssl", caStore="%s", subjectName="dns.test"%s' %
                               (ca.file, ', dohPath="/dns-query"' if doh else "")))
        cases.append((port, 2.5, "DoH" if doh else "DoT"))
    at_once(cases)


@test
def other_key(scene):
    """A late answer is not taken for that of a later query which asks for more."""
    back, port = free_port(), free_port()

    def say(wire, via):
        if b"\x05quick" in wire:
            return answer_to(wire)
        return Late(0.8, answer_to(wire, address="192.0.2.22" if len(wire) > 40 else "192.0.2.11"))
    scene.keep(Fake(back, script=say))
    scene.daemon("""
setLocal("127.0.0.1:%d")
setWorkerLayout("collapsed")
setQueryDeadline(600)
newServer({address="127.0.0.1:%d", name="slow", healthCheckMode="up", tcpOnly=true})
getPool(""):setCache(newPacketCache(100))
""" % (port, back))
    with_do = query("a.example.", extra=opt_rr(1232, 0x8000), extras=1)
    with udp_socket(port) as s:
        s.send(query("a.example."))
        time.sleep(0.1)
        true(udp_ask(port, query("quick.example.")), "the connection is fine")
        time.sleep(0.55)
    equal(udp_ask(port, with_do, timeout=1.0), None, "and this one, too")
    equal(udp_ask(port, with_do, timeout=0.3), None, "nothing of it in the cache")


need_cryptography()
main()
