"""What the tests of the real daemon share: configurations, processes, ports, clients, assertions.

A test file holds functions marked @test and ends with main().  Each function gets a Scene, which stops what it
started: the daemon must end with status 0 and without a sanitizer's complaint.  Only loopback addresses are used.
SHREWD is the binary, SHREWD_SLOW a factor for deadlines (sanitizer builds)."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("SHREWD_SOURCE", os.path.dirname(os.path.dirname(HERE)))
SHREWD = os.environ.get("SHREWD", os.path.join(SOURCE, "build", "shrewd"))
SLOW = float(os.environ.get("SHREWD_SLOW", "1"))
COMPLAINTS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehavior|runtime error:|MemorySanitizer")

A, NS, CNAME, SOA, TXT, AAAA, OPT, AXFR, ANY = 1, 2, 5, 6, 16, 28, 41, 252, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010


class Skip(Exception):
    """The machine lacks something that a test needs."""


# ---- assertions: what was expected, what came ----
def fail(message, *args):
    raise AssertionError(message % args if args else message)


def equal(got, expected, what):
    if got != expected:
        fail("%s: expected %r, got %r", what, expected, got)


def true(got, what, *args):
    if not got:
        fail(what, *args)


def within(got, low, high, what):
    if not low <= got <= high:
        fail("%s: expected %s to %s, got %s", what, low, high, got)


def until(function, what, seconds=5.0):
    end = time.monotonic() + seconds * SLOW
    while True:
        value = function()
        if value:
            return value
        if time.monotonic() > end:
            fail("not within %.1f s: %s", seconds * SLOW, what)
        time.sleep(0.02)


# ---- ports ----
PORTS, BLOCK = range(10000, 32000), 100  # below the ephemeral ones; as many are claimed at a time
_claims, _claimed = [], iter(())
_ports_lock = threading.Lock()


def claim_ports():
    """The next block that no other test process has: as long as this one runs, its suites may share the machine."""
    blocks = len(PORTS) // BLOCK
    for i in range(blocks):
        n = (os.getpid() + i) % blocks
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            s.bind("\0shrewd-test-ports-%d" % n)
        except OSError:
            s.close()
            continue
        _claims.append(s)
        return iter(PORTS[n * BLOCK:(n + 1) * BLOCK])
    fail("every block of ports is claimed by a test")


def free_port():
    """A port that is free for UDP and TCP on every address, and stays so until it is used: it is given once."""
    global _claimed
    with _ports_lock:
        while True:
            port = next(_claimed, None)
            if port is None:
                _claimed = claim_ports()
            elif is_free(port):
                return port


def is_free(port):
    try:
        for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            if family == socket.AF_INET6 and not has_ipv6():
                continue
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(family, kind) as s:
                    if family == socket.AF_INET6:
                        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    if kind == socket.SOCK_STREAM:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((any_address, port))
        return True
    except OSError:
        return False


_ipv6 = None


def has_ipv6():
    global _ipv6
    if _ipv6 is None:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.bind(("::1", 0))
            _ipv6 = True
        except OSError:
            _ipv6 = False
    return _ipv6


def need_ipv6():
    if not has_ipv6():
        raise Skip("no IPv6 loopback")


def tool(name):
    for folder in os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"]:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise Skip("no " + name)


# ---- messages, made by hand: the tests send wrong ones too ----
def name_wire(name):
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def opt_rr(size=1232, flags=0, options=b"", version=0):
    return b"\0" + struct.pack("!HHIH", OPT, size, version << 16 | flags, len(options)) + options


def query(name="www.example.test.", qtype=A, qid=0x1234, flags=RD, qclass=1, edns=None, extra=b"", extras=0):
    """|edns|: the UDP size of an OPT record, None for no OPT."""
    if edns is not None:
        extra, extras = extra + opt_rr(edns), extras + 1
    return struct.pack("!6H", qid, flags, 1, 0, 0, extras) + name_wire(name) + struct.pack("!HH", qtype, qclass) + extra


class Message:
    """The parts of an answer that tests look at.  |answer|, |authority|, |additional|: lists of
    (owner, type, ttl, rdata); |opt|: (size, flags, options) or None."""

    def __init__(self, wire):
        self.wire = wire
        self.id, self.flags, qd, an, ns, ar = struct.unpack_from("!6H", wire)
        self.rcode = self.flags & 15
        self.tc = bool(self.flags & TC)
        self.opt = None
        at = 12
        self.question = None
        for _ in range(qd):
            name, at = read_name(wire, at)
            self.question = (name,) + struct.unpack_from("!HH", wire, at)
            at += 4
        sections = []
        for count in (an, ns, ar):
            records = []
            for _ in range(count):
                name, at = read_name(wire, at)
                rtype, rclass, ttl, length = struct.unpack_from("!HHIH", wire, at)
                at += 10
                data = wire[at : at + length]
                if len(data) != length:
                    fail("record beyond the end of the message: %s", wire.hex())
                at += length
                if rtype == OPT:
                    self.opt = (rclass, ttl, data)
                else:
                    records.append((name, rtype, ttl, data))
            sections.append(records)
        if at != len(wire):
            fail("%d bytes after the last record", len(wire) - at)
        self.answer, self.authority, self.additional = sections

    def addresses(self):
        return [socket.inet_ntoa(r[3]) for r in self.answer if r[1] == A]


def read_name(wire, at):
    labels, end = [], None
    for _ in range(200):
        n = wire[at]
        if n >= 0xC0:
            end = at + 2 if end is None else end
            at = (n & 0x3F) << 8 | wire[at + 1]
        elif n == 0:
            return ".".join(labels) + ".", (at + 1 if end is None else end)
        else:
            labels.append(wire[at + 1 : at + 1 + n].decode("latin-1"))
            at += 1 + n
    fail("name without end")


def question_end(wire):
    return read_name(wire, 12)[1] + 4


def answer_to(wire, rcode=NOERROR, records=None, flags=QR | RA, address="192.0.2.1", ttl=60, edns=None):
    """An answer to the query |wire|; |records|: list of (type, rdata), by default one address for A."""
    end = question_end(wire)
    qtype = struct.unpack_from("!H", wire, end - 4)[0]
    if records is None:
        records = []
        if rcode == NOERROR and qtype == A:
            records = [(A, socket.inet_aton(address))]
        elif rcode == NOERROR and qtype == AAAA:
            records = [(AAAA, b"\x20\x01\x0d\xb8" + b"\0" * 11 + b"\x01")]
        elif rcode == NOERROR and qtype == TXT:
            records = [(TXT, b"\x05hello")]
    asked = struct.unpack_from("!H", wire, 2)[0]
    head = wire[:2] + struct.pack("!5H", flags | asked & (RD | CD | 0x7800) | rcode, 1, len(records), 0, edns is not None)
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", t, 1, ttl, len(d)) + d for t, d in records)
    return head + wire[12:end] + body + (opt_rr(edns) if edns is not None else b"")


def txt_records(total):
    """TXT records of about |total| bytes."""
    out = []
    while total > 0:
        n = min(total, 255)
        out.append((TXT, bytes([n]) + b"x" * n))
        total -= n + 13
    return out


def frame(wire):
    return struct.pack("!H", len(wire)) + wire


# ---- clients ----
def udp_socket(port, address="127.0.0.1", source=None, timeout=2.0):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if source:
        s.bind((source, 0))
    s.settimeout(timeout * SLOW)
    s.connect((address, port))
    return s


def udp_ask(port, wire, address="127.0.0.1", timeout=2.0, source=None):
    """The answer's Message, or None after |timeout| seconds."""
    with udp_socket(port, address, source, timeout) as s:
        s.send(wire)
        try:
            return Message(s.recv(65535))
        except (socket.timeout, ConnectionRefusedError):
            return None


def tcp_connect(port, address="127.0.0.1", timeout=3.0, source=None):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(timeout * SLOW)
    if source:
        s.bind((source, 0))
    s.connect((address, port))
    return s


def read_exactly(s, n):
    """|n| bytes, or what came before the end or the time-out."""
    out = b""
    while len(out) < n:
        try:
            part = s.recv(n - len(out))
        except (socket.timeout, ConnectionResetError, BrokenPipeError):
            return out
        if not part:
            return out
        out += part
    return out


def tcp_read(s):
    """The next message's bytes, or None at the end."""
    head = read_exactly(s, 2)
    if len(head) < 2:
        return None
    n = struct.unpack("!H", head)[0]
    body = read_exactly(s, n)
    return body if len(body) == n else None


def tcp_ask(port, wire, address="127.0.0.1", timeout=3.0, source=None):
    with tcp_connect(port, address, timeout, source) as s:
        s.sendall(frame(wire))
        body = tcp_read(s)
        return Message(body) if body else None


def closed(s, seconds=3.0):
    """Waits for the peer to close; returns the bytes before, or None when it did not close."""
    s.settimeout(seconds * SLOW)
    out = b""
    while True:
        try:
            part = s.recv(65536)
        except socket.timeout:
            return None
        except (ConnectionResetError, BrokenPipeError):
            return out
        if not part:
            return out
        out += part


# ---- processes ----
class Process:
    def __init__(self, scene, name, argv, env=None, preexec=None):
        self.scene = scene
        self.name = name
        self.path = os.path.join(scene.folder, "%s%d.log" % (name, len(scene.things)))
        self.file = open(self.path, "wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.file, stderr=subprocess.STDOUT,
                                        cwd=scene.folder, env=env, preexec_fn=preexec)
        self.pid = self.process.pid
        scene.things.append(self)

    def log(self):
        with open(self.path, "r", errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process.poll() is None

    def wait_log(self, text, seconds=5.0, after=0):
        def look():
            if text in self.log()[after:]:
                return True
            if not self.alive():
                fail("%s ended (%s) before it said %r:\n%s", self.name, self.process.returncode, text, self.log())
            return False
        until(look, "%s says %r; it said:\n%s" % (self.name, text, self.log()[-3000:]), seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, seconds=10.0):
        """SIGTERM, then the exit status."""
        if self.alive():
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            fail("%s did not end within %.1f s of SIGTERM:\n%s", self.name, seconds * SLOW, self.log()[-3000:])

    def stop(self):
        try:
            self.end()
        finally:
            self.file.close()

    def cpu(self):
        """Seconds of CPU used so far."""
        with open("/proc/%d/stat" % self.pid) as f:
            v = f.read().rsplit(")", 1)[1].split()
        return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")

    def rss_kb(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))


class Daemon(Process):
    """The daemon under test; |config| is Lua text."""

    def __init__(self, scene, config, *args, ready=True, preexec=None, log_args=("--disable-syslog",)):
        self.config = os.path.join(scene.folder, "shrewd%d.conf" % len(scene.things))
        self.dumps = 0
        self.stopped = False
        self.write(config)
        super().__init__(scene, "shrewd", [SHREWD, "--supervised", *log_args, "-C", self.config, *args], preexec=preexec)
        if ready:
            self.wait_log("ready: layout", 10)

    def write(self, config):
        with open(self.config, "w") as f:
            f.write(config)

    def stats(self):
        """All counters, by SIGUSR1."""
        start = len(self.log())
        self.signal(signal.SIGUSR1)
        self.wait_log("outgoing-doh-query-pipe-full", after=start)
        self.wait_log("reload-errors", after=start)
        found = re.findall(r"([a-z][a-z0-9-]*[a-z0-9]) +(-?[0-9.]+)(?=\s|\")", self.log()[start:])
        return {k: float(v) if "." in v else int(v) for k, v in found}

    def reload(self, config=None, expect="loaded"):
        """SIGHUP, and waits for the line that contains |expect|."""
        if config is not None:
            self.write(config)
        start = len(self.log())
        self.signal(signal.SIGHUP)
        self.wait_log(expect, after=start)
        time.sleep(0.05)
        return self.log()[start:]

    def stop(self):
        if self.stopped:
            return
        self.stopped = True
        super().stop()
        log = self.log()
        if COMPLAINTS.search(log):
            fail("a sanitizer complained:\n%s", log[-6000:])
        equal(self.process.returncode, 0, "exit status of shrewd; log:\n%s\n" % log[-3000:])


# ---- real servers ----
ZONE = """$ORIGIN example.test.
$TTL 300
@ IN SOA ns.example.test. admin.example.test. 1 3600 600 86400 60
@ IN NS ns
ns IN A 192.0.2.53
www IN A 192.0.2.1
www IN AAAA 2001:db8::1
alias IN CNAME www
txt IN TXT "hello"
*.wild IN A 192.0.2.7
"""


def big_txt(name, total):
    """Zone lines: one TXT set of about |total| bytes."""
    return "".join('%s IN TXT "%04d%s"\n' % (name, i, "x" * 196) for i in range(total // 213))


class Nsd(Process):
    def __init__(self, scene, port, address="127.0.0.1", zone="", proxy=False):
        folder = os.path.join(scene.folder, "nsd%d" % port)
        os.mkdir(folder)
        with open(os.path.join(folder, "zone"), "w") as f:
            f.write(ZONE + zone)
        with open(os.path.join(folder, "nsd.conf"), "w") as f:
            f.write("""server:
	ip-address: %s
	port: %d
	username: ""
	zonesdir: "%s"
	zonelistfile: "%s/zone.list"
	pidfile: ""
	xfrdfile: ""
	xfrdir: "%s"
	database: ""
	server-count: 1
	verbosity: 1
	tcp-count: 200
	rrl-ratelimit: 0
%sremote-control:
	control-enable: no
zone:
	name: "example.test."
	zonefile: "zone"
	provide-xfr: 127.0.0.0/8 NOKEY
""" % (address, port, folder, folder, folder, "\tproxy-protocol-port: %d\n" % port if proxy else ""))
        super().__init__(scene, "nsd", [tool("nsd"), "-d", "-c", os.path.join(folder, "nsd.conf")])
        self.port = port
        until(lambda: answers(port, address), "nsd answers: " + self.log(), 10)


class Unbound(Process):
    def __init__(self, scene, port, address="127.0.0.1", extra=""):
        folder = os.path.join(scene.folder, "unbound%d" % port)
        os.mkdir(folder)
        path = os.path.join(folder, "unbound.conf")
        with open(path, "w") as f:
            f.write("""server:
	directory: "%s"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	verbosity: 0
	interface: %s@%d
	access-control: 127.0.0.0/8 allow
	num-threads: 1
	outgoing-range: 64
	num-queries-per-thread: 512
	do-not-query-localhost: no
	module-config: "iterator"
	local-zone: "example.test." static
	local-data: "www.example.test. 300 IN A 192.0.2.1"
	local-data: "txt.example.test. 300 IN TXT hello"
%sremote-control:
	control-enable: no
""" % (folder, address, port, extra))
        super().__init__(scene, "unbound", [tool("unbound"), "-d", "-c", path])
        self.port = port
        until(lambda: answers(port, address), "unbound answers: " + self.log(), 10)


def answers(port, address="127.0.0.1", wire=None):
    reply = udp_ask(port, wire or query(), address, 0.2)
    return reply is not None and reply.rcode == NOERROR


# ---- clients that are programs ----
def kdig(*args):
    """Runs kdig and returns its output."""
    r = subprocess.run([tool("kdig"), *args], capture_output=True, text=True, timeout=20 * SLOW)
    return r.stdout + r.stderr


def dnsperf_start(scene, port, names=None, queries=None, seconds=None, args=()):
    path = os.path.join(scene.folder, "dnsperf%d.in" % len(os.listdir(scene.folder)))
    with open(path, "w") as f:
        f.write("\n".join(names or ["n%d.wild.example.test. A" % i for i in range(2000)]) + "\n")
    argv = [tool("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-d", path, *args]
    if queries:
        with open(path) as f:
            lines = sum(1 for _ in f)
        argv += ["-n", str(max(1, queries // lines))]
    if seconds:
        argv += ["-l", str(seconds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def dnsperf_end(process):
    """(sent, completed, lost, {rcode: count}, output)"""
    out = process.communicate(timeout=120 * SLOW)[0]
    found = [re.search(r"Queries %s:\s+(\d+)" % w, out) for w in ("sent", "completed", "lost")]
    numbers = [int(m[1]) if m else -1 for m in found]
    codes = {k: int(v) for k, v in re.findall(r"(NOERROR|SERVFAIL|NXDOMAIN|REFUSED|FORMERR|NOTIMP) (\d+)", out)}
    return numbers[0], numbers[1], numbers[2], codes, out


def dnsperf(scene, port, **how):
    return dnsperf_end(dnsperf_start(scene, port, **how))


# ---- a scene ----
class Scene:
    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="shrewd-%s-" % name)
        os.chmod(self.folder, 0o755)
        self.things = []

    def daemon(self, config, *args, **how):
        return Daemon(self, config, *args, **how)

    def keep(self, thing):
        """|thing| has a stop()."""
        self.things.append(thing)
        return thing

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def end(self):
        """Stops everything, the last first; returns the complaints."""
        errors = []
        for thing in reversed(self.things):
            try:
                thing.stop()
            except Exception as e:  # whatever it is, the rest must be stopped too
                errors.append(str(e))
        shutil.rmtree(self.folder, ignore_errors=True)
        return errors


# ---- running ----
_tests = []


def test(function):
    _tests.append(function)
    return function


def run_one(function):
    scene = Scene(function.__name__)
    started = time.monotonic()
    errors, skipped = [], None
    try:
        function(scene)
    except Skip as e:
        skipped = str(e)
    except AssertionError as e:
        errors.append("%s\n%s" % (e, "".join(traceback.format_tb(sys.exc_info()[2])[-2:])))
    except Exception:
        errors.append(traceback.format_exc())
    if errors:
        for thing in scene.things:
            if isinstance(thing, Daemon):
                errors.append("the daemon's log ends with:\n" + thing.log()[-2000:])
    errors += scene.end()
    word = "FAILED" if errors else "skipped: " + skipped if skipped else "ok"
    print("%-40s %6.2f s  %s" % (function.__name__, time.monotonic() - started, word), flush=True)
    for e in errors:
        print("    " + e.replace("\n", "\n    "), flush=True)
    return not errors


def main():
    """Runs the tests of this file, or those named on the command line."""
    wanted = [t for t in _tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    if not wanted or not os.access(SHREWD, os.X_OK):
        print("no such test" if not wanted else "SHREWD=%s: no such program" % SHREWD)
        sys.exit(2)
    bad = sum(not run_one(t) for t in wanted)
    print("%d tests, %d failed" % (len(wanted), bad))
    sys.exit(1 if bad else 0)
