#!/usr/bin/env python3
"""Counters, rings and the inspection words, called from Lua's maintenance()."""
import re
import time

from fake import Fake, by_name
from harness import NXDOMAIN, SERVFAIL, answer_to, equal, free_port, main, query, tcp_ask, test, true, udp_ask, until
from lua_help import Lua

CONFIG = """
setLocal("127.0.0.1:%d")
setUDPTimeout(1)
newServer({address="127.0.0.1:%d", healthCheckMode="up", name="one"})
addAction("refused.test.", RCodeAction(DNSRCode.REFUSED), {name="refuser"})
addAction("nx.test.", RCodeAction(DNSRCode.NXDOMAIN))
addAction("drop.test.", DropAction())
addAction("spoof.test.", SpoofAction("192.0.2.9"))
pc = newPacketCache(100)
getPool(""):setCache(pc)
"""


class Box:
    """A daemon whose Lua can be asked."""

    def __init__(self, scene, script=None):
        self.back, self.port = free_port(), free_port()
        self.fake = scene.keep(Fake(self.back, script=script) if script else Fake(self.back))
        self.ask = Lua(scene)
        self.d = scene.daemon(CONFIG % (self.port, self.back) + self.ask.hook)

    def lua(self, code):
        """What |code| returns, or what it wrote, which goes to the log."""
        return self.ask(self.d, code)


@test
def counters(scene):
    b = Box(scene, by_name({"bad": lambda q, v: answer_to(q, rcode=SERVFAIL), "none": lambda q, v: answer_to(q, rcode=NXDOMAIN),
                            "mute": lambda q, v: None}))
    for name, n in (("a.test.", 3), ("refused.test.", 2), ("nx.test.", 1), ("spoof.test.", 4), ("bad.test.", 1), ("none.test.", 1)):
        for _ in range(n):
            true(udp_ask(b.port, query(name)), name)
    equal(udp_ask(b.port, query("drop.test."), timeout=0.2), None, "drop.test.")
    equal(udp_ask(b.port, query("mute.test."), timeout=1.6), None, "mute.test.")
    true(tcp_ask(b.port, query("tcp.test.", flags=0)), "tcp.test.")
    udp_ask(b.port, b"short", timeout=0.1)
    s = b.d.stats()
    want = {"queries": 16, "rule-drop": 1, "rule-refused": 2, "rule-nxdomain": 1, "self-answered": 7,
            "downstream-timeouts": 1, "servfail-responses": 1, "noncompliant-queries": 1, "rdqueries": 14,
            "cache-hits": 2, "cache-misses": 5, "frontend-nxdomain": 2, "frontend-servfail": 1, "frontend-noerror": 8,
            "acl-drops": 0, "tcp-accepted": 1}
    got = {k: s[k] for k in want}
    equal(got, want, "counters")
    equal(s["responses"], 4 + 2 + 7, "responses")
    equal(sum(s[k] for k in s if k.startswith("latency") and "avg" not in k and k not in ("latency-sum", "latency-count")),
          s["latency-count"], "the histogram's sum")
    text = b.lua("return tostring(getStatisticsCounters().queries)")
    equal(text, "16", "getStatisticsCounters()")


@test
def rings(scene):
    b = Box(scene)
    for i in range(5):
        for _ in range(5 - i):
            true(udp_ask(b.port, query("top%d.example.test." % i), source="127.0.0.%d" % (10 + i)), "an answer")
    cases = (
        ("topQueries(3)", (r"1 +top0\.example\.test\. +5 ", r"2 +top1\.example\.test\. +4 ", r"3 +top2\.example\.test\. +3 ")),
        ("topQueries(3, 2)", (r"1 +example\.test\. +15 +100",)),
        ("topClients(2)", (r"1 +127\.0\.0\.10 +5 ",)),
        ("topResponses(5, 0)", (r"top0\.example\.test\. +5 ",)),
        ('grepq("top1.example.test.")', (r"127\.0\.0\.11.*top1\.example\.test\.",)),
        ('grepq("127.0.0.12/32")', (r"top2\.example\.test\.",)),
        ("topBandwidth(5)", (r"127\.0\.0\.10",)),
        ("topSlow(5, 0)", ()),
        ("showServers()", (r"one +127\.0\.0\.1:%d +UP" % b.back,)),
        ("showRules()", (r"refused\.test\.", "drop")),
        ("showRules({showUUIDs=true})", ("[0-9a-f]{8}-[0-9a-f]{4}-",)),
        ("showPools()", ("leastOutstanding",)),
        ("showBinds()", (r"127\.0\.0\.1:%d +UDP" % b.port, r"127\.0\.0\.1:%d +TCP" % b.port)),
        ("showACL()", (r"127\.0\.0\.0/8",)),
        ("pc:printStats()", ("Entries: 5/100", "Hits: 10", "Misses: 5")),
        ("showVersion()", (r"\d+\.\d+\.\d+",)),
        ("dumpStats()", (r"queries +15", "uptime")),
        ("topRules(5)", (r"refused\.test\.",)),
        ("showTCPStats()", (r"worker 0: 0 clients connected, 0 connections to backends, 0 queries waiting",)),
        ("showResponseLatency()", ("ms",)),
    )
    log = b.lua("\n".join(code for code, _ in cases))
    for code, patterns in cases:
        for pattern in patterns:
            true(re.search(pattern, log), "%s: /%s/ is in\n%s", code, pattern, log)


@test
def changes_at_run_time(scene):
    """Rules and servers that Lua changes while queries come."""
    b = Box(scene)
    equal(udp_ask(b.port, query("new.test.")).addresses(), ["192.0.2.1"], "before")
    b.lua('addAction("new.test.", SpoofAction("192.0.2.55"))')
    until(lambda: udp_ask(b.port, query("new.test.")).addresses() == ["192.0.2.55"], "the new rule")
    b.lua("rmRule(4)")
    until(lambda: udp_ask(b.port, query("new.test.")).addresses() == ["192.0.2.1"], "without it")
    b.lua("getServer(0):setDown()")
    until(lambda: udp_ask(b.port, query("x.test."), timeout=0.2) is None, "no server")
    b.lua("getServer(0):setUp()")
    until(lambda: udp_ask(b.port, query("x.test."), timeout=0.2), "a server")
    true(udp_ask(b.port, query("flush.test.")), "an answer")
    n = len(b.fake.seen)
    true(udp_ask(b.port, query("flush.test.")), "an answer from the cache")
    equal(len(b.fake.seen), n, "queries at the backend")
    b.lua('pc:expungeByName(newDNSName("flush.test."))')
    true(udp_ask(b.port, query("flush.test.")), "an answer")
    equal(len(b.fake.seen), n + 1, "queries at the backend after expungeByName()")


@test
def error_in_maintenance(scene):
    """A failing maintenance() is logged and hurts nobody."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
function maintenance() error("not today") end
""" % (port, back))
    d.wait_log("not today", 4)
    time.sleep(1.2)
    true(udp_ask(port, query()), "an answer")
    true(d.log().count("not today") <= 4, "not said too often:\n%s", d.log())


main()
