#!/usr/bin/env python3
"""SIGHUP: the new configuration works, nothing in between is lost, a broken file changes nothing."""
import socket
import threading
import time

from fake import Fake, Late, by_name
from harness import (REFUSED, SLOW, Message, Nsd, Skip, answer_to, dnsperf_end, dnsperf_start, equal, frame, free_port, main,
                     query, tcp_ask, tcp_connect, tcp_read, test, true, udp_ask, udp_socket, until)
from tls_help import Authority, tls_ask

CONFIG = """
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
%s
"""


@test
def new_rules(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (port, back, 'addAction("a.test.", SpoofAction("192.0.2.50"))'))
    equal(udp_ask(port, query("a.test.")).addresses(), ["192.0.2.50"], "before")
    for i in range(51, 56):
        d.reload(CONFIG % (port, back, 'addAction("a.test.", SpoofAction("192.0.2.%d"))' % i))
        equal(udp_ask(port, query("a.test.")).addresses(), ["192.0.2.%d" % i], "after")
    equal(d.stats()["reloads"], 5, "reloads")


@test
def broken_file(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    rule = 'addAction("a.test.", SpoofAction("192.0.2.50"))'
    d = scene.daemon(CONFIG % (port, back, rule))
    for text, line, what in (("addAction(\n", 6, "unexpected"), ("\n\nnoSuchWord(1)", 6, "noSuchWord"),
                             ('addAction(QNameRule(), DropAction())', 4, "QNameRule"),
                             ("error('stop here')", 4, "stop here")):
        said = d.reload(CONFIG % (port, back, text), "old configuration stays")
        true("%s:%d:" % (d.config, line) in said, "%s: the log names file and line %d:\n%s", what, line, said)
        true(what in said, "the log says what is wrong:\n%s", said)
        equal(udp_ask(port, query("a.test.")).addresses(), ["192.0.2.50"], "the old rule")
    equal(d.stats()["reload-errors"], 4, "reload-errors")
    d.reload(CONFIG % (port, back, ""))
    equal(udp_ask(port, query("a.test.")).addresses(), ["192.0.2.1"], "a good file afterwards")


@test
def bad_backend(scene):
    """A file with a backend that cannot be asked is refused, not served until its first query."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (port, back, ""))
    d.reload(CONFIG % (port, back, """setStructuredLogging(true, {backend="json", levelPrefix="how"}) setVerbose(true)
newServer({address="127.0.0.1:%d", pool="other", healthCheckMode="up",
  tls="openssl", subjectName="x.test", caStore="/no/such/store"})""" % back), "old configuration stays")
    true("/no/such/store" in d.log(), "the log names the CA store:\n%s", d.log())
    d.stats()
    true('"how"' not in d.log() and "{" not in d.log(), "the log is as it was:\n%s", d.log())
    equal(udp_ask(port, query("a.test.")).addresses(), ["192.0.2.1"], "the old backend")
    equal(d.stats()["reload-errors"], 1, "reload-errors")


@test
def refused_address(scene):
    """A file that fails only when its sockets are opened: what it says of the backends is not done either."""
    back, port, taken = free_port(), free_port(), socket.socket()
    scene.keep(Fake(back))
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    d = scene.daemon(CONFIG % (port, back, ""))
    d.reload(CONFIG % (port, back, 'getServer(0):setDown()\naddLocal("127.0.0.1:%d")' % taken.getsockname()[1]),
             "old configuration stays")
    equal(udp_ask(port, query("a.test.")).addresses(), ["192.0.2.1"], "the backend is still up")
    equal(d.stats()["reload-errors"], 1, "reload-errors")
    taken.close()


@test
def nothing_lost(scene):
    """Reloads under load: no query is lost, over UDP and TCP."""
    back, port = free_port(), free_port()
    Nsd(scene, back)
    config = CONFIG % (port, back, 'getPool(""):setCache(newPacketCache(1000))')
    d = scene.daemon(config)
    udp = dnsperf_start(scene, port, seconds=4, args=("-c", "2", "-q", "20", "-Q", "4000"))
    tcp = dnsperf_start(scene, port, seconds=4, args=("-m", "tcp", "-c", "2", "-q", "20", "-Q", "2000"))
    time.sleep(0.5)
    for i in range(10):
        d.reload(config + "-- %d\n" % i)
        time.sleep(0.1)
    for process, what in ((udp, "UDP"), (tcp, "TCP")):
        sent, _, lost, codes, out = dnsperf_end(process)
        true(sent > 3000, "%s: enough was sent: %s", what, out)
        equal(lost, 0, "%s: lost of %d\n%s" % (what, sent, out))
        equal(codes, {"NOERROR": sent}, what + ": answers")


@test
def in_flight(scene):
    """Queries at the backend when the signal comes are answered, also when the listener and the backend go."""
    back, port, other = free_port(), free_port(), free_port()
    scene.keep(Fake(back, script=by_name({"slow": lambda q, v: Late(0.8, answer_to(q))})))
    d = scene.daemon(CONFIG % (port, back, ""))
    with udp_socket(port) as u, tcp_connect(port) as t:
        u.send(query("slow.test.", qid=1))
        t.sendall(frame(query("slow.test.", qid=2)))
        time.sleep(0.2)
        d.reload(CONFIG % (port, back, "-- same listener"))
        equal(Message(u.recv(4096)).id, 1, "UDP")
        equal(Message(tcp_read(t)).id, 2, "TCP")
        u.send(query("slow.test.", qid=5))
        t.sendall(frame(query("slow.test.", qid=3)))
        time.sleep(0.2)
        d.reload(CONFIG % (other, back, "-- another listener"))
        equal(Message(tcp_read(t)).id, 3, "TCP, its listener gone")
        equal(Message(u.recv(4096)).id, 5, "UDP, its listener gone")
        t.sendall(frame(query("quick.test.", qid=4)))
        equal(Message(tcp_read(t)).id, 4, "the connection goes on")
    true(udp_ask(other, query()), "the new listener")


@test
def listeners(scene):
    back, one, two = free_port(), free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (one, back, ""))
    base = d.fds()
    for _ in range(3):
        d.reload(CONFIG % (one, back, 'addLocal("127.0.0.1:%d")' % two))
        for port in (one, two):
            true(udp_ask(port, query()) and tcp_ask(port, query()), "port %d with two listeners", port)
        d.reload(CONFIG % (two, back, ""))
        true(udp_ask(two, query()) and tcp_ask(two, query()), "the second alone")
        until(lambda: refused(one), "the first refuses connections")
        equal(udp_ask(one, query(), timeout=0.2), None, "the first over UDP")
        d.reload(CONFIG % (one, back, ""))
        true(udp_ask(one, query()) and tcp_ask(one, query()), "the first is back")
    until(lambda: d.fds() <= base + 4, "descriptors: %d, %d at the start" % (d.fds(), base))
    said = d.reload(CONFIG % (one, back, 'addLocal("192.0.2.77:5300")'), "old configuration stays")
    true("192.0.2.77:5300" in said, "an address that is not ours is named:\n%s", said)
    true(udp_ask(one, query()), "the old listener stays")


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return False
    except ConnectionRefusedError:
        return True


@test
def cache_and_counters_stay(scene):
    back, port = free_port(), free_port()
    f = scene.keep(Fake(back))
    config = CONFIG % (port, back, 'pc = newPacketCache(1000)\ngetPool(""):setCache(pc)\n')
    d = scene.daemon(config)
    for i in range(10):
        true(udp_ask(port, query("c%d.test." % i)), "query %d", i)
    before = d.stats()
    d.reload(config + 'addAction("never.test.", DropAction())')
    after = d.stats()
    equal(after["queries"], before["queries"], "queries")
    equal(after["cache-misses"], 10, "cache-misses")
    n = len(f.seen)
    for i in range(10):
        true(udp_ask(port, query("c%d.test." % i)), "query %d", i)
    equal(len(f.seen), n, "queries at the backend: all from the cache")
    equal(d.stats()["cache-hits"], 10, "cache-hits")


@test
def backends_change(scene):
    one, two, port = free_port(), free_port(), free_port()
    scene.keep(Fake(one))
    scene.keep(Fake(two, script=lambda q, v: answer_to(q, address="192.0.2.2")))
    d = scene.daemon(CONFIG % (port, one, ""))
    base = d.fds()
    for _ in range(5):
        for back, want in ((two, "192.0.2.2"), (one, "192.0.2.1")):
            d.reload(CONFIG % (port, back, ""))
            for ask in (udp_ask, tcp_ask):
                equal(ask(port, query()).addresses(), [want], "answer of %s after the change" % ask.__name__)
    more = 'newServer({address="127.0.0.1:%d", healthCheckMode="up"})\nsetServerPolicy(roundrobin)' % one
    d.reload(CONFIG % (port, two, more))
    equal({tuple(udp_ask(port, query()).addresses()) for _ in range(20)}, {("192.0.2.1",), ("192.0.2.2",)}, "both in turn")
    until(lambda: d.fds() < base + 12, "ways to backends that are gone are closed (%d descriptors at the start)" % base, 15)


@test
def settings_change(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=by_name({"mute": lambda q, v: None})))
    d = scene.daemon(CONFIG % (port, back, "setUDPTimeout(1)"))
    equal(udp_ask(port, query("mute.test."), timeout=1.5), None, "silence at first")
    d.reload(CONFIG % (port, back, 'setUDPTimeout(1)\nsetServFailOnTimeout(true)\nsetACL({"127.0.0.1/32"})'))
    equal(udp_ask(port, query("mute.test.")).rcode, 2, "SERVFAIL after the change")
    equal(udp_ask(port, query(), source="127.0.0.9", timeout=0.3), None, "the new ACL")
    d.reload(CONFIG % (port, back, "addAction(AllRule(), RCodeAction(DNSRCode.REFUSED))"))
    equal(udp_ask(port, query(), source="127.0.0.9").rcode, REFUSED, "the ACL is the default again")


@test
def changed_meanwhile(scene):
    """Lua code changes the configuration again and again while files with encrypted listeners are read."""
    pair = Authority(scene.folder).issue("dns.test")
    port, first = free_port(), free_port()
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
for i = 0, 39 do addTLSLocal("127.0.1." .. i .. ":%d", "%s", "%s", {ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", additionalAddresses={"127.0.2." .. i}}) end
addAction(AllRule(), LuaAction(function(dq)
  setUDPTimeout(math.random(1, 9))
  return DNSAction.Spoof, "192.0.2.1"
end))
""" % (port, first, pair.cert, pair.key))
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            udp_ask(port, query())
    askers = [threading.Thread(target=ask) for _ in range(2)]
    for t in askers:
        t.start()
    try:
        for _ in range(8):
            d.reload()
    finally:
        stop.set()
        for t in askers:
            t.join()
    equal(tls_ask(first, query(), address="127.0.1.7").addresses(), ["192.0.2.1"], "over TLS afterwards")
    equal(tls_ask(first, query(), address="127.0.2.7").addresses(), ["192.0.2.1"], "and at another address of it")


@test
def memory(scene):
    """Reloads do not grow the process."""
    if SLOW > 1:
        raise Skip("a sanitizer keeps freed memory")
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    rules = "\n".join('addAction("r%d.test.", SpoofAction("192.0.2.1"))' % i for i in range(300))
    config = CONFIG % (port, back, rules)
    d = scene.daemon(config)
    for _ in range(20):
        d.reload()
        udp_ask(port, query())
    before = d.rss_kb()
    for _ in range(60):
        d.reload()
        udp_ask(port, query())
    grown = d.rss_kb() - before
    true(grown < 2000, "grew by %d kB in 60 reloads", grown)


@test
def many_signals(scene):
    """Signals that come faster than reloads end."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (port, back, ""))
    d.write(CONFIG % (port, back, 'addAction("a.test.", SpoofAction("192.0.2.77"))'))
    for _ in range(50):
        d.signal(1)
        true(udp_ask(port, query("b.test.")), "answers meanwhile")
    until(lambda: udp_ask(port, query("a.test.")).addresses() == ["192.0.2.77"], "the last state of the file")


main()
