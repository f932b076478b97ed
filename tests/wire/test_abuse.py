#!/usr/bin/env python3
"""Abuse of DoT and DoH while good clients ask over UDP, TCP, DoT and DoH: those lose nothing, the daemon grows by at most
1 MB, and gives it back when the attackers have left.

Each attack has a daemon, good clients and addresses of its own; those of a group run side by side.  It comes twice: what
stays after the first time may be tables and buffers that had not been needed before, and pages that they share with
something that was there; after the second time nothing more may stay.  Without that nothing is left behind each time."""
import base64
import json
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import h2_help as h2
from harness import (SLOW, TXT, Message, frame, free_port, main, query, tcp_connect, tcp_read, test, true, udp_ask,
                     until)
from tls_help import Authority, Sealed, client_context, key_updates, tls_connect

ATTACKERS = 20
# What an attack may cost; what may be left of it: pages of buffers that were not used before (0 to 28 kB are seen); what may
# be more after the second time: where pieces lie is chance (0 to 4 kB).
GROWTH_KB, KEPT_KB, AGAIN_KB = 1024, 64, 32
BIG = 250  # bytes of each of the 60 strings of an answer
CONFIG = """
setACL("127.0.0.0/8")
setRingBuffersSize(100, 1)
setLocal("127.0.0.1:%d")
addTLSLocal("127.0.0.1:%d", "%s", "%s")
addDOHLocal("127.0.0.1:%d", "%s", "%s", "/dns-query", {idleTimeout=2})
local strings = {}
for i = 1, 60 do strings[i] = string.char(%d) .. string.rep("x", %d) end
addAction("big.test.", SpoofRawAction(strings, {typeForAny=DNSQType.TXT}))
newServer({address="127.0.0.1:%d", pool="silent", healthCheckMode="up"})
addAction("silent.test.", PoolAction("silent"))
addAction(AllRule(), SpoofAction("192.0.2.1"))
"""


# ---- good clients: a process of their own, which says at the end what it lost ----
def good_udp(ports):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3 * SLOW)
    s.connect(("127.0.0.1", ports[0]))

    def ask(wire):
        s.send(wire)
        return s.recv(4096)
    return ask


def good_stream(s):
    def ask(wire):
        s.sendall(frame(wire))
        return tcp_read(s)
    return ask


def good_doh(ports):
    c = h2.Client(ports[2])
    return lambda wire: doh_answer(c, wire)


def doh_answer(client, wire):
    stream = client.post(wire)
    return client.answers()[stream]


GOOD = {
    "udp": good_udp,
    "tcp": lambda ports: good_stream(tcp_connect(ports[0])),
    "dot": lambda ports: good_stream(tls_connect(ports[1])),
    "doh": good_doh,
}


def good_clients(ports):
    """Asks about 50 times a second in each way, over new connections now and then, until the standard input ends.  A line
    there: pause, without connections; the next: go on."""
    told, stop, go = {}, threading.Event(), threading.Event()

    def work(way):
        asked, lost, worst, ask = 0, [], 0.0, None
        while not stop.is_set():
            if not go.is_set():
                ask, asked = None, (asked // 25 + 1) * 25
                go.wait()
            started = time.monotonic()
            try:
                if asked % 25 == 0:
                    ask = GOOD[way](ports)
                wire = query("good%d.test." % asked, qid=asked & 0xFFFF)
                asked += 1
                got = ask(wire)
                if got is None or Message(got).addresses() != ["192.0.2.1"]:
                    lost.append("a wrong answer: %r" % (got,))
            except Exception as e:  # whatever it is: that answer is lost
                lost.append("%s: %s" % (type(e).__name__, e))
                ask, asked = None, (asked // 25 + 1) * 25
            worst = max(worst, time.monotonic() - started)
            time.sleep(0.02)
        told[way] = (asked, lost[:3], len(lost), worst)

    threads = [threading.Thread(target=work, args=(way,)) for way in GOOD]
    for t in threads:
        t.start()
    go.set()
    for _ in sys.stdin:
        go.clear() if go.is_set() else go.set()
    stop.set()
    go.set()
    for t in threads:
        t.join()
    print(json.dumps(told))


class Good:
    def __init__(self, ports):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--good", *map(str, ports)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self):
        """Pause, or go on."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stop(self):
        if self.process.poll() is None:
            self.process.communicate()

    def result(self, name):
        told = json.loads(self.process.communicate(timeout=30 * SLOW)[0])
        for way, (asked, errors, lost, worst) in told.items():
            true(asked > 20, "%s: %s: only %d good queries were asked", name, way, asked)
            true(lost == 0, "%s: %s: %d of %d good queries were lost: %s", name, way, lost, asked, errors)
            true(worst < 2 * SLOW, "%s: %s: a good query took %.1f s", name, way, worst)


CONTEXTS = {None: client_context(), "h2": client_context(alpn="h2")}


def sealed(port, source, alpn=None):
    return Sealed(tcp_connect(port, source=source), CONTEXTS[alpn])


class Attacker:
    """|out|: what is to be sent, bytes after bytes; |reads|: bytes read every 20 ms, 0: none."""

    def __init__(self, s, out, reads=0, every=0.0, step=0):
        self.s, self.out, self.reads = s, memoryview(out), reads
        self.every, self.step = every, step or 65536
        self.next = 0.0
        self.ended = False
        s.setblocking(False)

    def push(self, now):
        try:
            if self.reads and not self.s.recv(self.reads):
                self.ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True
        try:
            while self.out and now >= self.next and not self.ended:
                self.out = self.out[self.s.send(self.out[:self.step]):]
                self.next = now + self.every if self.every else 0
                if self.every:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def gone(self):
        """Has the daemon closed it?  What it said before is not looked at."""
        if not self.ended:
            try:
                while self.s.recv(65536):
                    pass
                self.ended = True
            except BlockingIOError:
                pass
            except OSError:
                self.ended = True
        return self.ended


# ---- the attacks: (daemon's ports, a number) -> Attacker ----
def address(i):
    return "127.0.1.%d" % (i + 1)


def small_window(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return s


def dot(ports, i, data, **how):
    c = sealed(ports[1], address(i)).shake()
    return Attacker(c.s, c.seal(data), **how)


def doh(ports, i, data, settings=b"", cut=0, **how):
    c = sealed(ports[2], address(i), "h2").shake()
    wire = c.seal(h2.PREFACE + h2.frame(h2.SETTINGS, payload=settings) + data)
    return Attacker(c.s, wire[:len(wire) - cut], **how)


def part_of_hello(ports, i):
    c = sealed(ports[1 + i % 2], address(i), "h2")
    return Attacker(c.s, c.hello()[:150])


def half_handshake(ports, i):
    c = sealed(ports[1 + i % 2], address(i), "h2")
    return Attacker(c.s, c.hello())


def half_record(ports, i):
    c = sealed(ports[1], address(i)).shake()
    return Attacker(c.s, c.seal(frame(b"\0" * 16000))[:-1])


def key_update_flood(ports, i):
    """Records that bring nothing, each with keys to be derived."""
    with tempfile.NamedTemporaryFile() as log:
        context = client_context(version="1.3")
        context.keylog_filename = log.name
        c = Sealed(tcp_connect(ports[1], source=address(i)), context).shake()
        secret = re.search(r"CLIENT_TRAFFIC_SECRET_0 \w+ (\w+)", open(log.name).read())[1]
    return Attacker(c.s, key_updates(bytes.fromhex(secret), c.tls.cipher()[0], 5000))


BIG_QUERY = frame(query("big.test.", TXT))


def never_reads_tcp(ports, i):
    return Attacker(small_window(tcp_connect(ports[0], source=address(i))), BIG_QUERY * 4000)


def never_reads_dot(ports, i):
    return dot(ports, i, BIG_QUERY * 4000)


def slow_reader_dot(ports, i):
    return dot(ports, i, BIG_QUERY * 4000, reads=50)


def slow_writer_dot(ports, i):
    return dot(ports, i, struct.pack("!H", 65535) + b"\0" * 60000, every=0.001, step=1500)


def one_byte_a_second_dot(ports, i):
    return dot(ports, i, frame(query("slow.test.")), every=1.0, step=1)


def one_byte_a_second_tcp(ports, i):
    return Attacker(tcp_connect(ports[0], source=address(i)), frame(query("slow.test.")), every=1.0, step=1)


def one_byte_a_second_doh(ports, i):
    return doh(ports, i, get(1), every=1.0, step=1)


FIXED = [(":method", "GET"), (":scheme", "https"), (":authority", "dns.test")]
GETS = {}


def get(stream, name="big.test.", more=b"", flags=h2.END_HEADERS | h2.END_STREAM, path=""):
    if name not in GETS:
        text = base64.urlsafe_b64encode(query(name, TXT if name == "big.test." else 1, qid=0)).decode().rstrip("=")
        GETS[name] = h2.fields(*FIXED, (":path", "/dns-query?dns=" + text + path))
    return h2.frame(h2.HEADERS, flags, stream, GETS[name] + more)


def post_head(stream, flags=h2.END_HEADERS):
    return h2.frame(h2.HEADERS, flags, stream, h2.fields((":method", "POST"), *FIXED[1:], (":path", "/dns-query"),
                                                         ("content-type", "application/dns-message")))


def streams(n):
    return range(1, 2 * n, 2)


def never_reads_doh(ports, i):
    return doh(ports, i, b"".join(map(get, streams(3000))))


def slow_reader_doh(ports, i):
    return doh(ports, i, b"".join(map(get, streams(3000))), reads=50)


def window_zero(ports, i):
    return doh(ports, i, b"".join(map(get, streams(500))), settings=struct.pack("!HI", 4, 0), reads=65536)


def rapid_reset(ports, i):
    return doh(ports, i, b"".join(get(s) + h2.frame(h2.RST_STREAM, 0, s, b"\0\0\0\x08") for s in streams(3000)), reads=65536)


def made_you_reset(ports, i):
    """Windows that overflow: the server is to reset the streams itself."""
    full = struct.pack("!I", 0x7FFFFFFF)
    return doh(ports, i, b"".join(post_head(s) + h2.frame(h2.WINDOW_UPDATE, 0, s, full) for s in streams(3000)), reads=65536)


def continuation(ports, i):
    return doh(ports, i, get(1, flags=0) + h2.frame(h2.CONTINUATION, 0, 1, h2.fields(("a", "b" * 50))) * 20000)


def empty_continuation(ports, i):
    return doh(ports, i, get(1, flags=0) + h2.frame(h2.CONTINUATION, 0, 1) * 50000)


def settings_flood(ports, i):
    return doh(ports, i, h2.frame(h2.SETTINGS, payload=struct.pack("!HI", 4, 65535) * 10) * 20000)


def ping_flood(ports, i):
    return doh(ports, i, h2.frame(h2.PING, payload=b"12345678") * 50000)


def empty_data(ports, i):
    return doh(ports, i, post_head(1) + h2.frame(h2.DATA, 0, 1) * 50000)


def priority_flood(ports, i):
    return doh(ports, i, b"".join(h2.frame(h2.PRIORITY, 0, s, struct.pack("!IB", 0, 1)) for s in streams(20000)))


def huge_headers(ports, i):
    block = h2.fields(*[("field%d" % k, "v" * 1000) for k in range(15)])
    return doh(ports, i, get(1, more=block[:16000]) * 50)


def header_bomb(ports, i):
    """A field of 900 bytes enters the table; then each byte stands for it."""
    fixed = get(1)[10:]
    enter = h2.entry(b"a", b"x" * 900)
    head = h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, h2.table(1024) + fixed + enter)
    bomb = b"".join(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, s, fixed + b"\xbe" * 10000) for s in streams(200)[1:])
    return doh(ports, i, head + bomb)


def unfinished_streams(ports, i):
    return doh(ports, i, b"".join(map(post_head, streams(100))))


def half_posts_behind_answers(ports, i):
    """Bodies that do not end, then a burst of requests that are answered at once, in few bytes: by the table."""
    begun = b"".join(post_head(s) + h2.frame(h2.DATA, 0, s, b"\0" * 15000) for s in streams(4))
    pages = [h2.table(1024) + b"\x82\x87" + h2.entry(b":path", b"/no") + h2.entry(b":authority", b"x")]
    pages += [b"\x82\x87\xbf\xbe"] * 59
    return doh(ports, i, begun + b"".join(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 9 + 2 * k, page)
                                          for k, page in enumerate(pages)))


def large_waiting(ports, i):
    """Whole requests that wait for a backend which says nothing, each with a long path."""
    return doh(ports, i, b"".join(get(s, "n%d-%d.silent.test." % (i, s), path="&" + "z" * 15000) for s in streams(100)))


def large_posts(ports, i):
    """Two bodies that are nearly as long as allowed, as far as the windows let them come, and do not end."""
    data = h2.frame(h2.DATA, 0, 1, b"\0" * 16000) * 4
    return doh(ports, i, post_head(1) + data + post_head(3) + h2.frame(h2.DATA, 0, 3, b"\0" * 1000))


# ---- one attack on one daemon ----
def anonymous_kb(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"Anonymous:\s+(\d+)", f.read())[1])


class Victim:
    def __init__(self, scene, identity, **how):
        self.scene = scene
        self.ports = free_port(), free_port(), free_port()
        udp, dot_port, doh_port = self.ports
        pair = identity.cert, identity.key
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a backend that says nothing
        self.silent.bind(("127.0.0.1", 0))
        silent_port = self.silent.getsockname()[1]
        self.daemon = scene.daemon(CONFIG % (udp, dot_port, *pair, doh_port, *pair, BIG, BIG, silent_port), ready=False, **how)
        self.good = None

    def ready(self):
        """Before that nobody listens, and good clients would be refused."""
        self.daemon.wait_log("ready: layout", 20)
        self.good = self.scene.keep(Good(self.ports))


def attempt(attack, victim, i):
    try:
        a = attack(victim.ports, i)
    except OSError:  # the daemon may well close it in its first words
        return None
    a.push(time.monotonic())
    return a


def settled(pid):
    """The size when it has not changed for two looks at the heap."""
    last, since = anonymous_kb(pid), time.monotonic()
    while time.monotonic() - since < 4.2 and SLOW == 1:
        time.sleep(0.1)
        now = anonymous_kb(pid)
        if abs(now - last) > 32:
            last, since = now, time.monotonic()
    return last


def left_of(pid, before):
    """What is left when the daemon had time to notice that nothing goes on."""
    left, end = anonymous_kb(pid), time.monotonic() + 14
    while SLOW == 1 and left > before + 8 and time.monotonic() < end:
        time.sleep(0.1)
        left = min(left, anonymous_kb(pid))
    return left - before


def wave(victim, attack, seconds, ends):
    """One attack: (growth, connections, of them not closed)."""
    pid, attackers = victim.daemon.pid, []
    victim.good.turn()
    time.sleep(0.3 * SLOW)
    calm = 0  # with good clients at work, whose connections come and go
    for _ in range(20):
        calm = max(calm, anonymous_kb(pid))
        time.sleep(0.05 * SLOW)
    most = calm
    for i in range(ATTACKERS):
        attackers += [a for a in [attempt(attack, victim, i)] if a]
    end = time.monotonic() + seconds * SLOW
    true(len(attackers) >= ATTACKERS // 2, "%s: only %d attackers came", attack.__name__, len(attackers))
    while time.monotonic() < end and not (ends and all(a.ended for a in attackers)):
        now = time.monotonic()
        for a in attackers:
            if not a.ended:
                a.push(now)
        most = max(most, anonymous_kb(pid))
        time.sleep(0.02)
    alive = sum(not a.gone() for a in attackers)
    for a in attackers:
        a.s.close()
    victim.good.turn()
    return most - calm, len(attackers), alive


def assail(victim, attack, seconds, ends):
    """|ends|: the daemon is to close the attackers' connections within |seconds|."""
    name, pid = attack.__name__, victim.daemon.pid
    for i in range(8):  # each worker has seen all ways
        for way in GOOD.values():
            way(victim.ports)(query("warm%d.test." % i))
    victim.good.turn()
    few = [a for a in (attempt(attack, victim, i) for i in range(6)) if a]  # each worker has seen this, too
    time.sleep(0.2 * SLOW)
    for a in few:
        a.s.close()
    before, cpu = settled(pid), victim.daemon.cpu()
    growth, came, alive = wave(victim, attack, seconds, ends)
    left = left_of(pid, before)
    again = wave(victim, attack, seconds, ends)
    cpu = victim.daemon.cpu() - cpu
    left_again = left_of(pid, before)
    print("    %-22s %5d kB, +%d and +%d kB at most, %+d and %+d kB after it, %.2f s CPU, %d of %d not closed" % (
        name, before, growth, again[0], left, left_again - left, cpu, alive + again[2], came + again[1]), flush=True)
    victim.good.result(name)
    growth, alive = max(growth, again[0]), max(alive, again[2])
    if SLOW == 1:  # a sanitizer's memory is its own
        true(growth <= GROWTH_KB, "%s: the daemon grew by %d kB", name, growth)
        true(left <= KEPT_KB, "%s: the daemon kept %d kB", name, left)
        true(left_again - left <= AGAIN_KB, "%s: the daemon kept %d kB more the second time", name, left_again - left)
    true(not ends or alive == 0, "%s: %d of %d connections were not closed", name, alive, came)
    true(victim.daemon.alive(), "%s: the daemon ended", name)


def assault(scene, attacks):
    """|attacks|: (attack, seconds, ends); side by side."""
    identity = Authority(scene.folder).issue("dns.test")
    victims = [Victim(scene, identity) for _ in attacks]
    for v in victims:
        v.ready()
    errors = []

    def work(victim, attack):
        try:
            assail(victim, *attack)
        except Exception as e:
            errors.append("%s: %s: %s" % (attack[0].__name__, type(e).__name__, e))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(victims, attacks)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    true(not errors, "%s", "\n".join(errors))


@test
def handshakes_and_messages(scene):
    assault(scene, [(part_of_hello, 4, True), (half_handshake, 4, True), (half_record, 4, True), (key_update_flood, 7, True),
                    (slow_writer_dot, 4, True), (one_byte_a_second_tcp, 5, True), (one_byte_a_second_dot, 5, True),
                    (one_byte_a_second_doh, 6, True)])


@test
def readers(scene):
    assault(scene, [(never_reads_tcp, 4, True), (never_reads_dot, 4, True), (never_reads_doh, 4, True),
                    (slow_reader_dot, 2, False), (slow_reader_doh, 2, False), (window_zero, 4, True)])


@test
def frames(scene):
    assault(scene, [(rapid_reset, 4, True), (made_you_reset, 4, True), (continuation, 4, True), (empty_continuation, 4, True),
                    (settings_flood, 4, True), (ping_flood, 4, True), (empty_data, 4, True), (priority_flood, 4, True),
                    (huge_headers, 4, True), (header_bomb, 4, True), (unfinished_streams, 4, True), (large_posts, 4, True),
                    (half_posts_behind_answers, 4, True), (large_waiting, 4, True)])


@test
def no_descriptors(scene):
    """More connections than descriptors: accepting rests instead of spinning, UDP goes on, and streams come back."""
    identity = Authority(scene.folder).issue("dns.test")
    ports = free_port(), free_port(), free_port()
    pair = identity.cert, identity.key

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))

    config = CONFIG % (ports[0], ports[1], *pair, ports[2], *pair, BIG, BIG, free_port())
    d = scene.daemon(config + "setTCPRecvTimeout(30)\n", preexec=few)
    held = []
    for i in range(200):
        held.append(tcp_connect(ports[1 + i % 2], source=address(i % 100)))
        held[-1].setblocking(False)
        held[-1].send(b"\x16\x03")  # at work, so that it is not closed to make room
    time.sleep(0.5)
    cpu = d.cpu()
    for i in range(20):
        true(udp_ask(ports[0], query("u%d.test." % i)), "UDP without descriptors: query %d", i)
        time.sleep(0.075)
    used = d.cpu() - cpu
    true(used < 0.3 * SLOW, "%.2f s of CPU in 1.5 s without descriptors", used)
    for s in held:
        s.close()
    until(lambda: quietly(lambda: doh_answer(h2.Client(ports[2]), query())), "DoH is back", 10)
    true(d.fds() <= 80, "descriptors")


def quietly(function):
    try:
        return function()
    except (OSError, KeyError):
        return None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--good"]:
        good_clients([int(p) for p in sys.argv[2:]])
    else:
        main()
