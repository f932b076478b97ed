#!/usr/bin/env python3
"""Where backends over DoH live: each layout, setOutgoingDoHWorkerThreads(), backends that come while the daemon runs."""
import os
import re

from fake import Fake
from harness import (SLOW, Message, dnsperf, equal, frame, free_port, main, query, tcp_connect, tcp_read, test, true, udp_ask,
                     until)
from lua_help import Lua
from tls_fake import TlsFake
from tls_help import Authority, need_cryptography

CONFIG = """
setLocal("127.0.0.1:%d")
setServFailOnTimeout(true)
for _, name in ipairs({"udp", "dot", "a", "b", "late", "new"}) do
  addAction(name .. ".test.", PoolAction(name))
end
newServer({address="127.0.0.1:%d", healthCheckMode="up", pool="udp"})
"""
LINE = re.compile(r"(udp|stream|back|doh|worker) (\d+): (\d+) clients connected, (\d+) connections to backends, (\d+) queries")


class Bed:
    """A daemon with a backend over UDP, and encrypted ones by name of their pools: |dot|, |doh|."""

    def __init__(self, scene, settings, doh=("a", "b"), dot=("dot",)):
        self.scene, self.ca, self.lua, self.fakes = scene, Authority(scene.folder), Lua(scene), {}
        self.identity = self.ca.issue("dns.test")
        self.port, back = free_port(), free_port()
        scene.keep(Fake(back))
        text = settings + "\n" + CONFIG % (self.port, back)
        for name in doh + dot:
            text += self.server(name, name in doh)
        self.d = scene.daemon(text + self.lua.hook)

    def server(self, name, doh=True):
        """A backend, as the file or the console gets it; it is checked each second."""
        port = free_port()
        self.fakes[name] = self.scene.keep(TlsFake(port, self.identity, doh=doh))
        return ('newServer({address="127.0.0.1:%d", pool="%s", tls="openssl", caStore="%s", subjectName="dns.test", '
                'checkInterval=1, checkName="check.%s.test."%s})\n'
                % (port, name, self.ca.file, name, ', dohPath="/dns-query"' if doh else ""))

    def ask(self, *pools):
        for pool in pools:
            reply = udp_ask(self.port, query("q.%s.test." % pool), timeout=5)
            true(reply and reply.addresses() == ["192.0.2.1"], "an answer of %s: %s", pool, reply and reply.rcode)

    def connections(self):
        """{"doh 4": connections to backends}, of workers that have some: one for each backend until a peer is slow."""
        found = LINE.findall(self.lua(self.d, "showTCPStats()"))
        equal([int(f[1]) for f in found], list(range(len(found))), "all workers")
        return {f[0] + " " + f[1]: int(f[3]) for f in found if f[3] != "0"}

    def threads(self, *names):
        """The daemon's threads have these names, its first that of the program."""
        base, want = "/proc/%d/task" % self.d.pid, sorted(("shrewd",) + names)

        def found():
            out = []
            for thread in os.listdir(base):
                with open("%s/%s/comm" % (base, thread)) as f:
                    out.append(f.read().strip())
            return sorted(out if SLOW == 1 else set(out))  # a sanitizer has threads of its own
        until(lambda: found() == want, "threads %s, not %s" % (want, found()))

    def load(self, *pools):
        """Many queries over UDP and TCP at once: none is lost."""
        names = ["n%d.%s.test A" % (i, pool) for i in range(200) for pool in pools]
        for mode in ("udp", "tcp"):
            sent, _, lost, codes, out = dnsperf(self.scene, self.port, names=names, queries=5 * len(names),
                                                args=("-m", mode, "-c", "8", "-q", "40"))
            equal((lost, codes), (0, {"NOERROR": sent}), "%s: %s" % (mode, out))
        for i in range(10):  # clients that leave while workers talk about their queries
            with tcp_connect(self.port) as s:
                s.sendall(b"".join(frame(query("x.%s.test." % pool, qid=i)) for pool in pools) * 10)
        with tcp_connect(self.port, timeout=5) as s:
            s.sendall(b"".join(frame(query("z%d.%s.test." % (i, pools[i % len(pools)]), qid=i)) for i in range(100)))
            equal({Message(tcp_read(s)).id for _ in range(100)}, set(range(100)), "pipelined")
        equal(self.d.stats()["noncompliant-responses"], 0, "noncompliant-responses")

    def checked(self, *names):
        for name in names:
            until(lambda: any(b"\x05check" in wire for wire in self.fakes[name].seen), "backend %s is checked" % name, 5)


SPLIT = "shrewd/stream1", "shrewd/back2", "shrewd/back3", "shrewd/back4", "shrewd/back5"


@test
def split(scene):
    b = Bed(scene, 'setWorkerLayout("split")\nsetOutgoingDoHWorkerThreads(2)')
    b.threads(*SPLIT, "shrewd/doh6", "shrewd/doh7")
    b.ask("udp", "a", "b", "dot")
    equal(b.connections(), {"stream 1": 1, "doh 6": 1, "doh 7": 1}, "connections")
    b.load("udp", "a", "b", "dot")
    equal(set(b.connections()), {"stream 1", "doh 6", "doh 7"}, "who has connections after many queries")
    b.lua(b.d, b.server("late"))  # while it runs
    b.ask("late", "a", "dot")
    b.checked("late")
    b.d.write(open(b.d.config).read() + b.server("new"))
    b.d.reload()  # the late one goes
    b.ask("new", "a", "b", "dot")
    b.load("new", "a", "b")
    equal(set(b.connections()), {"stream 1", "doh 6", "doh 7"}, "who has connections after a reload")
    b.checked("a", "b", "dot", "new")


@test
def split_as_it_is(scene):
    """One worker for DoH where the word is not used."""
    b = Bed(scene, 'setWorkerLayout("split")')
    b.threads(*SPLIT, "shrewd/doh6")
    b.ask("a", "b", "dot")
    equal(b.connections(), {"stream 1": 1, "doh 6": 2}, "connections")


@test
def split_without(scene):
    """None with 0, nor where the first backend over DoH comes later: they live with the other connections."""
    b = Bed(scene, 'setWorkerLayout("split")\nsetOutgoingDoHWorkerThreads(0)')
    b.threads(*SPLIT)
    b.ask("a", "b", "dot")
    equal(b.connections(), {"stream 1": 3}, "connections")
    b = Bed(scene, 'setWorkerLayout("split")', doh=())
    b.threads(*SPLIT[:3])
    b.lua(b.d, b.server("late"))
    b.ask("late")
    equal(b.connections(), {"stream 1": 1}, "the connection of one that came late")


@test
def sharded(scene):
    b = Bed(scene, 'setWorkerLayout("sharded", 3)\nsetOutgoingDoHWorkerThreads(1)', doh=("b", "a"))
    b.threads("shrewd/worker1", "shrewd/worker2")
    b.lua(b.d, b.server("late"))
    b.ask("a", "b", "late", "dot")
    equal(b.connections(), {"worker 0": 4}, "connections: three over DoH, and the fourth backend")
    b.load("a", "b", "late", "udp")
    equal(set(b.connections()), {"worker 0"}, "who has connections after many queries")


@test
def sharded_as_it_is(scene):
    b = Bed(scene, 'setWorkerLayout("sharded", 3)')
    b.ask("a", "b", "dot")
    equal(b.connections(), {"worker 1": 1, "worker 2": 1, "worker 0": 1}, "connections")
    b.load("a", "b", "dot")


@test
def collapsed(scene):
    b = Bed(scene, 'setWorkerLayout("collapsed")\nsetOutgoingDoHWorkerThreads(2)')
    b.threads()
    b.ask("a", "b", "dot")
    equal(b.connections(), {"worker 0": 3}, "connections")


need_cryptography()
main()
