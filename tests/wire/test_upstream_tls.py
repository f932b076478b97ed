#!/usr/bin/env python3
"""Real resolvers behind us over DoT and DoH: nothing lost, one connection, sessions resumed when they come back.

dnsdist is tried where there is one: in PATH, or in the tree PEERS (by default /opt/peers), which needs root."""
import os
import signal
import socket
import ssl
import struct
import threading
import time

from harness import (SLOW, Process, Skip, answer_to, dnsperf, equal, frame, free_port, main, query, test, tool, true, udp_ask,
                     until)
from tls_fake import TlsFake
from tls_help import Authority, Sealed, need_cryptography, server_context

QUERIES = 10000
CONFIG = """
setLocal("127.0.0.1:%d")
setServFailOnTimeout(true)
newServer({address="127.0.0.1:%d", name="peer", tls="openssl", subjectName="dns.test", caStore="%s", healthCheckMode="up"%s})
"""


# ---- the peers: each a function (scene, identity, port, ticket key file, doh) that starts one and returns its process ----
def zone(quote='"'):
    return ["www.example.test. 300 IN A 192.0.2.1", "txt.example.test. 300 IN TXT %shello%s" % (quote, quote)]


def unbound(scene, identity, port, keys, doh):
    data = "".join("\tlocal-data: '%s'\n" % line for line in zone())
    path = scene.file("unbound.conf", """server:
	directory: "%s"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	verbosity: 1
	interface: 127.0.0.1@%d
	%s-port: %d
	tls-service-pem: "%s"
	tls-service-key: "%s"
	tls-session-ticket-keys: "%s"
	http-endpoint: "/dns-query"
	access-control: 127.0.0.0/8 allow
	num-threads: 1
	incoming-num-tcp: 50
	module-config: "iterator"
	local-zone: "example.test." static
%sremote-control:
	control-enable: no
""" % (scene.folder, port, "https" if doh else "tls", port, identity.cert, identity.key, keys, data))
    return Process(scene, "unbound", [tool("unbound"), "-d", "-c", path])


def kresd(scene, identity, port, keys, doh):
    folder = os.path.join(scene.folder, "kresd%d" % port)
    os.makedirs(folder, exist_ok=True)
    data = "".join("policy.add(policy.suffix(policy.ANSWER({[kres.type.%s] = {rdata = %s, ttl = 300}}, true), {todname('%s')}))\n" % row
                   for row in (("A", "kres.str2ip('192.0.2.1')", "www.example.test"),
                               ("TXT", r"'\5hello'", "txt.example.test")))
    path = scene.file("kresd.conf", """
net.listen('127.0.0.1', %d, {kind = '%s'})
net.tls('%s', '%s')
net.tls_sticket_secret_file('%s')
log_level('warning')
modules = {'policy'}
trust_anchors.remove('.')
cache.size = 10 * MB
%s
""" % (port, "doh2" if doh else "tls", identity.cert, identity.key, keys, data))
    return Process(scene, "kresd", [tool("kresd"), "-n", "-c", path, folder])


def dnsdist(scene, identity, port, keys, doh):
    tree = os.environ.get("PEERS") or "/opt/peers"
    try:
        argv = [tool("dnsdist")]
    except Skip:
        if os.geteuid() or not os.access(tree + "/usr/bin/dnsdist", os.X_OK):
            raise
        argv = ["chroot", tree, "dnsdist"]
    inside = os.path.join(tree, "tmp", "shrewd-%d-%d" % (os.getpid(), port)) if len(argv) > 1 else None
    if inside and not os.path.isdir(inside):  # what it reads must be in its tree
        os.mkdir(inside)
        scene.keep(Folder(inside))
    files = {}
    for what, source in (("cert", identity.cert), ("key", identity.key), ("keys", keys)):
        files[what] = source
        if inside:
            with open(source, "rb") as f, open(os.path.join(inside, what), "wb") as out:
                out.write(f.read())
            files[what] = "/tmp/%s/%s" % (os.path.basename(inside), what)
    text = """
setLocal("127.0.0.1:%d")
setSecurityPollSuffix("")
add%sLocal("127.0.0.1:%d", "%s", "%s", %s{ticketKeyFile="%s", maxInFlight=1000})
addAction(QTypeRule(DNSQType.A), SpoofAction("192.0.2.1"))
addAction(AllRule(), RCodeAction(DNSRCode.NOERROR))
""" % (free_port(), "DOH" if doh else "TLS", port, files["cert"], files["key"], '"/dns-query", ' if doh else "", files["keys"])
    name = os.path.join(inside or scene.folder, "dnsdist.conf")
    with open(name, "w") as f:
        f.write(text)
    config = "/tmp/%s/dnsdist.conf" % os.path.basename(inside) if inside else name
    return Process(scene, "dnsdist", argv + ["--supervised", "--disable-syslog", "-C", config])


class Folder:
    def __init__(self, path):
        self.path = path

    def stop(self):
        for name in os.listdir(self.path):
            os.remove(os.path.join(self.path, name))
        os.rmdir(self.path)


def kill(process):
    process.process.send_signal(signal.SIGKILL)
    process.process.wait()


class Relay:
    """Stands between us and a peer: counts connections, and sees in each ServerHello whether a session resumes."""

    def __init__(self, port, to):
        self.to, self.connections, self.hellos, self.open = to, 0, [], []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=50)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to), 2)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.connections += 1
            self.open += [client, server]
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.carry, args=(source, sink, source is server), daemon=True).start()

    def carry(self, source, sink, look):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if look:
                    look = False
                    self.hellos.append(resumes(data))
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.close()
        for s in self.open:
            s.close()


def resumes(record):
    """Does a ServerHello of TLS 1.3 accept a session (extension 41, pre_shared_key)?"""
    if record[:1] != b"\x16" or record[5:6] != b"\x02":
        return False
    at = 5 + 4 + 2 + 32  # record, message, version, random
    at += 1 + record[at] + 3  # session id, cipher, compression
    end = at + 2 + struct.unpack_from("!H", record, at)[0]
    at += 2
    while at + 4 <= min(end, len(record)):
        kind, length = struct.unpack_from("!HH", record, at)
        if kind == 41:
            return True
        at += 4 + length
    return False


def forward(scene, peer, doh, key_length):
    """10 000 queries in two ways, none lost, by one connection; the peer is killed and comes back: the session resumes."""
    ca = Authority(scene.folder)
    identity = ca.issue("dns.test", "127.0.0.1")
    keys = os.path.join(scene.folder, "keys")
    identity.write(keys, os.urandom(key_length))
    back, port, via = free_port(), free_port(), free_port()
    running = peer(scene, identity, back, keys, doh)
    relay = scene.keep(Relay(via, back))
    d = scene.daemon(CONFIG % (port, via, ca.file, ', dohPath="/dns-query"' if doh else ""))

    def served():
        true(running.alive(), "it ended:\n%s", running.log())
        reply = udp_ask(port, query(), timeout=1)
        return reply and reply.addresses() == ["192.0.2.1"]
    until(served, "an answer through the peer", 15)
    before = relay.connections
    names = ["www.example.test A", "txt.example.test TXT"] * 100
    for how in (("-m", "udp"), ("-m", "tcp")):
        sent, _, lost, codes, out = dnsperf(scene, port, names=names, queries=QUERIES, args=("-c", "4", "-q", "50", *how))
        equal((lost, codes), (0, {"NOERROR": sent}), "%s: %s" % (how, out))
    equal(relay.connections, before, "connections for 20 000 queries, beside that of the first")
    true(not any(relay.hellos), "nothing to resume yet")
    kill(running)
    time.sleep(0.2)
    hellos = len(relay.hellos)
    running = peer(scene, identity, back, keys, doh)
    until(served, "an answer after the peer's restart", 15)
    again = relay.hellos[hellos:]
    true(again and all(again), "sessions resumed after the peer's restart: %s", again)
    before = relay.connections
    sent, _, lost, codes, out = dnsperf(scene, port, names=names, queries=2000, args=("-c", "4", "-q", "50"))
    equal((lost, codes), (0, {"NOERROR": sent}), "after the restart: %s" % out)
    equal(relay.connections, before, "connections meanwhile")
    equal(d.stats()["downstream-timeouts"], 0, "time-outs")


@test
def unbound_dot(scene):
    forward(scene, unbound, False, 80)


@test
def unbound_doh(scene):
    forward(scene, unbound, True, 80)


@test
def kresd_dot(scene):
    forward(scene, kresd, False, 64)


@test
def kresd_doh(scene):
    forward(scene, kresd, True, 64)


@test
def dnsdist_dot(scene):
    forward(scene, dnsdist, False, 80)


@test
def dnsdist_doh(scene):
    forward(scene, dnsdist, True, 80)


@test
def good_bye_with_the_answer(scene):
    """A server that says close_notify in the segment of its answer, and waits for ours: the next query does not wait."""
    ca, port, back = Authority(scene.folder), free_port(), free_port()
    context = server_context(ca.issue("dns.test"))

    def once(s, number):
        c = Sealed(s, context, server=True).shake()
        while True:
            try:
                wire = c.tls.read(65536)
                break
            except ssl.SSLWantReadError:
                c.hear()
        s.sendall(c.seal(frame(answer_to(wire[2:]))) + c.seal_bye())
        s.settimeout(5 * SLOW)
        while s.recv(65536):
            pass
        return False
    fake = scene.keep(TlsFake(back, None, raw=once))
    scene.daemon(CONFIG % (port, back, ca.file, ""))
    for i in range(5):
        at = time.monotonic()
        reply = udp_ask(port, query("q%d.test." % i), timeout=5 * SLOW)
        equal(reply and reply.addresses(), ["192.0.2.1"], "query %d" % i)
        true(time.monotonic() - at < 0.6 * SLOW, "query %d took %.2f s", i, time.monotonic() - at)
        time.sleep(0.1)
    equal(fake.connections, 5, "connections")


@test
def next_backend_at_once(scene):
    """The first backend, lazily checked, dies and its port refuses: the next query goes to the second without a pause."""
    ca = Authority(scene.folder)
    identity = ca.issue("dns.test")
    for layout, workers in (("sharded", ", 4"), ("split", ""), ("collapsed", "")):
        back, port = [free_port(), free_port()], free_port()
        fakes = [scene.keep(TlsFake(p, identity, lambda conn, wire, a="192.0.2.%d" % n: answer_to(wire, address=a)))
                 for n, p in enumerate(back, 1)]
        servers = ['newServer({address="127.0.0.1:%d", order=%d, tls="openssl", subjectName="dns.test", caStore="%s", '
                   'healthCheckMode="lazy"})' % (p, n, ca.file) for n, p in enumerate(back)]
        scene.daemon('setLocal("127.0.0.1:%d")\nsetWorkerLayout("%s"%s)\nsetServerPolicy(firstAvailable)\n%s\n'
                     % (port, layout, workers, "\n".join(servers)))

        def ask():
            reply = udp_ask(port, query(), timeout=5 * SLOW)
            return reply and reply.addresses()
        equal(ask(), ["192.0.2.1"], "%s: the first" % layout)
        fakes[0].stop()
        time.sleep(0.1)
        at = time.monotonic()
        equal(ask(), ["192.0.2.2"], "%s: the second" % layout)
        took = time.monotonic() - at
        true(took < 0.4 * SLOW, "%s: it took %.2f s", layout, took)


need_cryptography()
main()
