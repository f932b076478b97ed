"""A DoT or DoH server that does what a test tells it, a thread for each connection.

The script is a function (conn, wire) that returns what to send: bytes (an answer), a list of them, a function of the
connection, CLOSE, or None for silence.  For DoH |conn.stream| is the request's, and Page, Reset and Goaway can be sent.
|raw| is a function (socket, number) that comes before TLS; it returns False when it has done all."""
import collections
import socket
import ssl
import struct
import threading

import h2_help as h2
from fake import CLOSE
from harness import answer_to, frame, read_exactly, tcp_read
from tls_help import server_context

Page = collections.namedtuple("Page", "status kind body headers", defaults=(200, "application/dns-message", b"", ()))
Reset = collections.namedtuple("Reset", "code")
Goaway = collections.namedtuple("Goaway", "last code")


def good(conn, wire):
    return answer_to(wire)


class Conn:
    def __init__(self, server, s, number):
        self.server, self.s, self.number = server, s, number
        self.queries = 0
        self.lock = threading.Lock()

    def send(self, data):
        with self.lock:
            self.s.sendall(data)

    def say(self, what):
        self.send(frame(what))

    def act(self, said):
        """False: the connection is over."""
        for part in said if isinstance(said, list) else [said]:
            if part is CLOSE:
                return False
            if callable(part):
                part(self)
            elif part is not None:
                self.say(part)
        return True

    def take(self, wire):
        self.queries += 1
        self.server.seen.append(wire)
        return self.act(self.server.script(self, wire))

    def run(self):
        while True:
            wire = tcp_read(self.s)
            if wire is None or not self.take(wire):
                return


class H2Conn(Conn):
    stream = 0

    def page(self, page, stream=None, body=True):
        stream = stream or self.stream
        pairs = [(":status", str(page.status))] + ([("content-type", page.kind)] if page.kind else []) + list(page.headers)
        out = h2.frame(h2.HEADERS, h2.END_HEADERS | (0 if page.body else h2.END_STREAM), stream, h2.fields(*pairs))
        for at in range(0, len(page.body), 16384):
            part = page.body[at:at + 16384]
            out += h2.frame(h2.DATA, h2.END_STREAM if at + len(part) == len(page.body) else 0, stream, part)
        return out

    def say(self, what):
        if isinstance(what, Reset):
            self.send(h2.frame(h2.RST_STREAM, 0, self.stream, struct.pack("!I", what.code)))
        elif isinstance(what, Goaway):
            self.send(h2.frame(h2.GOAWAY, 0, 0, struct.pack("!II", what.last, what.code)))
        else:
            self.send(self.page(what if isinstance(what, Page) else Page(200, "application/dns-message", what, ())))

    def run(self):
        if read_exactly(self.s, len(h2.PREFACE)) != h2.PREFACE:
            return
        self.send(h2.frame(h2.SETTINGS, payload=self.server.settings))
        bodies = collections.defaultdict(bytes)
        while True:
            f = h2.read_frame(self.s)
            if f is None:
                return
            self.server.frames.append((self.number, f.kind, f.stream))
            if f.kind == h2.SETTINGS and not f.flags & h2.ACK:
                self.send(h2.frame(h2.SETTINGS, h2.ACK))
            elif f.kind == h2.PING and not f.flags & h2.ACK:
                self.send(h2.frame(h2.PING, h2.ACK, 0, f.payload))
            elif f.kind == h2.DATA:
                bodies[f.stream] += f.payload
                if f.payload:
                    for stream in (0,) if f.flags & h2.END_STREAM else (0, f.stream):
                        self.send(h2.frame(h2.WINDOW_UPDATE, 0, stream, struct.pack("!I", len(f.payload))))
                if f.flags & h2.END_STREAM:
                    self.stream = f.stream
                    if not self.take(bodies.pop(f.stream)):
                        return


class TlsFake:
    def __init__(self, port, identity, script=good, doh=False, raw=None, version=None, address="127.0.0.1",
                 settings=b"", context=None,
                 tls=True):
        self.script, self.doh, self.raw, self.settings, self.tls = script, doh, raw, settings, tls
        self.context = context or (server_context(identity, "h2" if doh else "dot", version) if identity else None)
        self.port = port
        self.seen, self.frames, self.sockets = [], [], []
        self.connections = self.handshakes = self.resumed = self.open = 0
        self.versions = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server((address, port), backlog=100)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open += 1
                self.sockets.append(s)
                number = self.connections
            threading.Thread(target=self.serve, args=(s, number), daemon=True).start()

    def serve(self, s, number):
        try:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.raw and self.raw(s, number) is False:
                return
            if self.tls:
                s = self.context.wrap_socket(s, server_side=True)
                with self.lock:
                    self.sockets.append(s)
                    self.handshakes += 1
                    self.resumed += bool(s.session_reused)
                    self.versions.add(s.version())
            (H2Conn if self.doh else Conn)(self, s, number).run()
        except (OSError, ValueError, ssl.SSLError):
            pass
        finally:
            with self.lock:
                self.open -= 1
            shut(s)

    def drop(self):
        """Ends all connections."""
        with self.lock:
            out, self.sockets = self.sockets, []
        for s in out:
            shut(s)

    def leave(self):
        """Takes no more connections; those that are there go on."""
        shut(self.listener)

    def stop(self):
        self.leave()
        self.thread.join(2)
        self.drop()


def shut(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()
