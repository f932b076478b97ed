#!/usr/bin/env python3
"""Health checks against a backend whose health is set by the test."""
import time

from fake import Fake, Late, good
from harness import (NOERROR, NXDOMAIN, REFUSED, SERVFAIL, SLOW, answer_to, equal, free_port, main, query, test, true,
                     udp_ask, until, within)

CHECK = 'checkName="health.test.", checkInterval=1, checkTimeout=300'


class Patient(Fake):
    """|sick|: says nothing; |check_rcode|: of answers to health checks; |tcp_sick|: TCP only."""

    def __init__(self, port, address="127.0.0.1", answer="192.0.2.1", **how):
        self.sick = self.tcp_sick = False
        self.check_rcode = NOERROR
        self.answer = answer
        super().__init__(port, address, self.say, **how)

    def say(self, wire, via):
        if self.sick or (self.tcp_sick and via == "tcp"):
            return None
        check = b"\x06health" in wire
        return answer_to(wire, rcode=self.check_rcode if check else NOERROR, address=self.answer)

    def checks(self):
        return [s for s in self.seen if s.name == "health.test."]

    def queries(self):
        return [s for s in self.seen if s.name != "health.test."]


def start(scene, server, extra="", **how):
    back, port = free_port(), free_port()
    p = scene.keep(Patient(back, **how))
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
setServFailWhenNoServer(true)
setUDPTimeout(1)
newServer({address="127.0.0.1:%d", name="one", %s})
%s
""" % (port, back, server, extra))
    return d, port, p


def rcode(port):
    reply = udp_ask(port, query())
    return reply.rcode if reply else None


@test
def last_resort(scene):
    """A backend that fails its checks but answers is asked, with expired answers allowed too; and not checked for each."""
    class Sick(Patient):
        def say(self, wire, via):
            if b"\x06health" in wire:
                return Late(0.03, answer_to(wire, rcode=SERVFAIL))
            return answer_to(wire)
    for extra in ("", "setStaleCacheEntriesTTL(60)"):
        back, port = free_port(), free_port()
        p = scene.keep(Sick(back))
        scene.daemon("""
setLocal("127.0.0.1:%d")
%s
newServer({address="127.0.0.1:%d", name="one", checkName="health.test.", checkInterval=10})
getPool(""):setCache(newPacketCache(1000))
""" % (port, extra, back)).wait_log("is down")
        checks, started = len(p.checks()), time.monotonic()
        for i in range(300):
            reply = udp_ask(port, query("q%d.test." % i))
            equal(reply and reply.rcode, NOERROR, "query %d, '%s'" % (i, extra))
            time.sleep(0.005)
        most = 2 + (time.monotonic() - started)
        true(len(p.checks()) - checks <= most, "%d checks, where %d are enough", len(p.checks()) - checks, most)


@test
def active(scene):
    d, port, p = start(scene, CHECK + ", maxCheckFailures=2, rise=2")
    until(lambda: rcode(port) == NOERROR, "up at the start: the first check decides")
    first = len(p.checks())
    true(first >= 1, "a check was made")
    equal(p.checks()[0].qtype, 1, "type of the check")
    p.sick = True
    started = time.monotonic()
    d.wait_log("is down", 8)
    within(time.monotonic() - started, 1.0, 4 * SLOW, "seconds until down: two failures")
    equal(rcode(port), SERVFAIL, "no server")
    p.sick = False
    started = time.monotonic()
    d.wait_log("is up", 8, after=d.log().index("is down"))
    within(time.monotonic() - started, 0.9, 4 * SLOW, "seconds until up: two good answers")
    equal(rcode(port), NOERROR, "up again")


@test
def servfail_over_streams(scene):
    """SERVFAIL at once, and one copy at a time finds out that the backend is back: refused, then silent."""
    back, port = free_port(), free_port()
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
setServFailWhenNoServer(true)
setServFailOnTimeout(true)
newServer({address="127.0.0.1:%d", name="one", tcpOnly=true, checkName="health.test.", checkInterval=20, checkTimeout=300})
""" % (port, back))
    d.wait_log("is down", 8)

    def told(what):
        for i in range(10):
            started = time.monotonic()
            reply = udp_ask(port, query("q%d.test." % i), timeout=8)
            equal(reply and reply.rcode, SERVFAIL, "query %d, %s" % (i, what))
            within(time.monotonic() - started, 0, 0.3 * SLOW, "%s: seconds until SERVFAIL" % what)
    told("refused")
    p = Patient(back)
    p.sick = True
    scene.keep(p)
    told("silent")
    until(p.queries, "a copy asks the backend")
    time.sleep(0.5)
    names = {s.name for s in p.queries()}
    equal(len(names), 1, "copies at a time: %s" % names)
    p.sick = False
    until(lambda: rcode(port) == NOERROR, "up again long before the next check", 8)


@test
def dead_at_start(scene):
    """Nobody listens: down at once, up when somebody does."""
    back, port = free_port(), free_port()
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
setServFailWhenNoServer(true)
newServer({address="127.0.0.1:%d", %s})
""" % (port, back, CHECK))
    until(lambda: rcode(port) == SERVFAIL, "down at the start", 2)
    scene.keep(Fake(back))
    until(lambda: rcode(port) == NOERROR, "up", 5)


@test
def rcodes(scene):
    """SERVFAIL is always sick; NXDOMAIN and REFUSED with mustResolve only."""
    d, port, p = start(scene, CHECK)
    q_port = free_port()
    strict = scene.daemon("""
setLocal("127.0.0.1:%d")
setServFailWhenNoServer(true)
newServer({address="127.0.0.1:%d", mustResolve=true, %s})
""" % (q_port, p.port, CHECK))
    until(lambda: rcode(port) == rcode(q_port) == NOERROR, "both up")
    for code, lax_up, strict_up in ((NXDOMAIN, True, False), (NOERROR, True, True), (REFUSED, True, False),
                                    (SERVFAIL, False, False)):
        p.check_rcode = code
        want = (NOERROR if lax_up else SERVFAIL, NOERROR if strict_up else SERVFAIL)
        until(lambda: (rcode(port), rcode(q_port)) == want, "after checks with rcode %d: %s" % (code, want), 6)
        time.sleep(1.2)
        equal((rcode(port), rcode(q_port)), want, "and so it stays with rcode %d" % code)


@test
def over_tcp(scene):
    d, port, p = start(scene, CHECK + ", checkTCP=true")
    until(lambda: rcode(port) == NOERROR, "up")
    equal({s.via for s in p.checks()}, {"tcp"}, "checks come over")
    equal({s.via for s in p.queries()}, {"udp"}, "queries come over")
    p.tcp_sick = True
    until(lambda: rcode(port) == SERVFAIL, "down when TCP is sick")
    p.tcp_sick = False
    until(lambda: rcode(port) == NOERROR, "up again")


@test
def tcp_only(scene):
    d, port, p = start(scene, CHECK + ", tcpOnly=true")
    until(lambda: rcode(port) == NOERROR, "up")
    equal({s.via for s in p.seen}, {"tcp"}, "all comes over")


@test
def lazy(scene):
    """No checks while queries are answered; failures bring checks, which decide."""
    d, port, p = start(scene, CHECK + """, healthCheckMode="lazy", lazyHealthCheckSampleSize=10, lazyHealthCheckMinSampleCount=2,
lazyHealthCheckThreshold=30, lazyHealthCheckFailedInterval=1, maxCheckFailures=2, rise=1""")
    for _ in range(10):
        equal(rcode(port), NOERROR, "answers before any check")
    time.sleep(1.3)
    equal(p.checks(), [], "checks while healthy")
    p.sick = True
    for i in range(10):
        udp_ask(port, query("lost%d.test." % i), timeout=0.01)
    until(p.checks, "a check after failures", 5)
    d.wait_log("is down", 8)
    equal(rcode(port), SERVFAIL, "down")
    p.sick = False
    until(lambda: rcode(port) == NOERROR, "up after a good check", 6)
    time.sleep(1.0)
    n = len(p.checks())
    time.sleep(1.5)
    equal(len(p.checks()), n, "checks once healthy again")


@test
def lazy_stays_up(scene):
    """Failures of queries alone do not take it out while checks succeed."""
    d, port, p = start(scene, CHECK + """, healthCheckMode="lazy", lazyHealthCheckMinSampleCount=1, maxCheckFailures=1""")
    script = p.script
    p.script = lambda w, v: script(w, v) if b"\x06health" in w else None
    for i in range(5):
        udp_ask(port, query("lost%d.test." % i), timeout=0.01)
    until(p.checks, "a check", 5)
    time.sleep(0.5)
    p.script = script
    equal(rcode(port), NOERROR, "still up")
    true("is down" not in d.log(), "never down:\n%s", d.log())


@test
def fixed_states(scene):
    """Modes up and down, and setUp(), setDown(), setAuto() in the configuration."""
    back = [free_port() for _ in range(4)]
    for p in back:
        scene.keep(Patient(p))
    port = free_port()
    scene.daemon("""
setLocal("127.0.0.1:%d")
setServFailWhenNoServer(true)
local check = {%s}
local function server(port, pool, mode)
  return newServer({address="127.0.0.1:" .. port, pool=pool, healthCheckMode=mode, checkName="health.test."})
end
server(%d, "up", "up")
server(%d, "down", "down")
server(%d, "setdown", "auto"):setDown()
local s = server(%d, "setup", "down")
s:setUp()
for _, pool in ipairs({"up", "down", "setdown", "setup"}) do
  addAction(pool .. ".test.", PoolAction(pool))
end
""" % (port, CHECK, *back))
    time.sleep(0.5)
    for pool, want in (("up", NOERROR), ("down", SERVFAIL), ("setdown", SERVFAIL), ("setup", NOERROR)):
        equal(udp_ask(port, query(pool + ".test.")).rcode, want, pool)


@test
def callback(scene):
    d, port, p = start(scene, CHECK, """
addServerStateChangeCallback(function(name, up) infolog("state of " .. name .. ": " .. tostring(up)) end)
""")
    until(lambda: rcode(port) == NOERROR, "up")
    p.sick = True
    d.wait_log(": false", 6)
    p.sick = False
    d.wait_log(": true", 6, after=d.log().index(": false"))
    true("state of one" in d.log(), "the callback gets the name:\n%s", d.log())


@test
def check_function(scene):
    d, port, p = start(scene, """checkInterval=1, checkTimeout=300, checkFunction=function(name, qtype, qclass, dh)
  return newDNSName("chosen.test."), DNSQType.AAAA, qclass end""")
    until(lambda: [s for s in p.seen if s.name == "chosen.test."], "the question that the function chose")
    equal([s.qtype for s in p.seen if s.name == "chosen.test."][0], 28, "its type")


@test
def failover(scene):
    """firstAvailable: the second server takes over when the first is down, and gives back."""
    ports, port = [free_port(), free_port()], free_port()
    first = scene.keep(Patient(ports[0], answer="192.0.2.10"))
    second = scene.keep(Patient(ports[1], answer="192.0.2.20"))
    scene.daemon("""
setLocal("127.0.0.1:%d")
setServerPolicy(firstAvailable)
newServer({address="127.0.0.1:%d", order=2, %s})
newServer({address="127.0.0.1:%d", order=1, %s})
""" % (port, ports[1], CHECK, ports[0], CHECK))

    def who():
        reply = udp_ask(port, query(), timeout=0.2)
        return reply and reply.addresses()[0]
    until(lambda: who() == "192.0.2.10", "the first by order")
    n = len(second.queries())
    for _ in range(20):
        equal(who(), "192.0.2.10", "all go to the first")
    equal(len(second.queries()), n, "queries at the second")
    first.sick = True
    started = time.monotonic()
    until(lambda: who() == "192.0.2.20", "the second takes over", 6)
    within(time.monotonic() - started, 0, 3 * SLOW, "seconds until then (interval 1 s, time-out 0.3 s)")
    first.sick = False
    until(lambda: who() == "192.0.2.10", "the first is back", 6)


@test
def reconnect_on_up(scene):
    """A backend that restarts: queries find the new one."""
    d, port, p = start(scene, CHECK + ", reconnectOnUp=true")
    until(lambda: rcode(port) == NOERROR, "up")
    p.stop()
    until(lambda: rcode(port) == SERVFAIL, "down", 6)
    scene.things.remove(p)
    scene.keep(Fake(p.port, script=good))
    until(lambda: rcode(port) == NOERROR, "up again", 6)


main()
