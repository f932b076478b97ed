"""A daemon between clients and a backend over DoT or DoH that misbehaves, next to one that does not.

run() takes a table of cases, each (what, what the client gets, the reason that is counted or None, arguments of the
fake server), and works on a few of them at a time: most wait."""
import concurrent.futures
import threading
import time

from fake import Fake
from harness import (SERVFAIL, SLOW, Message, Scene, equal, fail, frame, free_port, query, tcp_connect, tcp_read, true,
                     udp_ask,
                     within)
from lua_help import reasons
from tls_fake import TlsFake
from tls_help import Authority

DEADLINE = 1.2
GOOD, LATE, SOON = "good", "at the deadline", "soon"
LATE_REASON = "the backend did not answer in time"
CONFIG = """
setLocal("127.0.0.1:%d")
addLocal("127.0.0.1:%d", {maxInFlight=200})
setServFailOnTimeout(true)
setServFailWhenNoServer(true)
setQueryDeadline(%d)
newServer({address="127.0.0.1:%d", name="peer", healthCheckMode="up", tls="openssl", caStore="%s", subjectName="dns.test"%s})
newServer({address="127.0.0.1:%d", name="other", healthCheckMode="up", pool="other"})
addAction("other.test.", PoolAction("other"))
"""
ports = threading.Lock()


class Bed:
    def __init__(self, scene, options="", doh=False, **how):
        with ports:
            back, other, self.port, self.tcp_port = [free_port() for _ in range(4)]
        ca = Authority(scene.folder)
        self.fake = scene.keep(TlsFake(back, ca.issue("dns.test"), doh=doh, **how))
        scene.keep(Fake(other))
        options = (', dohPath="/dns-query"' if doh else "") + (", " + options if options else "")
        self.d = scene.daemon(CONFIG % (self.port, self.tcp_port, DEADLINE * SLOW * 1000, back, ca.file, options, other))

    def others(self, what):
        started = time.monotonic()
        reply = udp_ask(self.port, query("n%f.other.test." % time.monotonic()))
        true(reply and reply.addresses() == ["192.0.2.1"], "others are served: " + what)
        true(time.monotonic() - started < 0.5 * SLOW, "at once: " + what)

    def ask(self, what, want, name="q.test."):
        started = time.monotonic()
        reply = udp_ask(self.port, query(name), timeout=5)
        took = time.monotonic() - started
        if want == GOOD:
            true(reply and reply.addresses() == ["192.0.2.1"], "%s: an answer, not %s; the log:\n%s", what,
                 reply and reply.rcode,
                 self.d.log()[-1000:])
            true(took < 1.0 * SLOW, "%s: %.2f s", what, took)
            return
        equal(reply and reply.rcode, SERVFAIL, what)
        if want == LATE:
            within(took, DEADLINE * 0.9, (DEADLINE + 0.6) * SLOW, "%s: seconds" % what)
        else:
            true(took < 2 * SLOW, "%s: soon, not after %.2f s", what, took)

    def many(self, n):
        """|n| queries on one connection of ours; the answers by id."""
        with tcp_connect(self.tcp_port, timeout=5) as s:
            s.sendall(b"".join(frame(query("m%d.test." % i, qid=i)) for i in range(n)))
            out = {}
            for _ in range(n):
                body = tcp_read(s)
                if body is None:
                    break
                m = Message(body)
                out[m.id] = m
            return out


def one(scene, what, want, reason, how, doh):
    most = how.get("most", 12)
    b = Bed(scene, doh=doh, **{k: v for k, v in how.items() if k != "most"})
    rss = b.d.rss_kb()
    times = 1 if want == LATE or most > 12 else 3
    for i in range(times):
        b.ask(what, want, "q%d.test." % i)
        b.others(what)
    if reason:
        r = reasons(b.d)
        true(r.get(reason, 0) >= 1, "%s: %r is counted in %s", what, reason, r)
    true(b.fake.connections <= most * SLOW, "%s: %d connections for %d queries", what, b.fake.connections, times)
    within(b.d.rss_kb() - rss, -5000, 4000 * SLOW, "%s: kB of growth" % what)


def run_case(case, doh):
    what, want, reason, how = case
    scene = Scene("case")
    try:
        one(scene, what, want, reason, how, doh)
    finally:
        errors = scene.end()
    if errors:
        fail("%s: %s", what, "\n".join(errors))


def run(cases, doh=False):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run_case, case, doh) for case in cases]:
            done.result()
