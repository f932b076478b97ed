"""A backend that does what a test tells it: UDP and TCP on one port, a thread for each.

The script is a function (query bytes, "udp" or "tcp") that returns what to send: bytes, a list of bytes, a
Late(seconds, bytes), CLOSE, or None for silence.  What came is kept in |seen|."""
import collections
import selectors
import socket
import struct
import threading
import time

from harness import answer_to, query, question_end, read_name

CLOSE = object()
Late = collections.namedtuple("Late", "seconds wire")
Seen = collections.namedtuple("Seen", "wire via source name qtype prefix")


def good(wire, via):
    return answer_to(wire)


class Fake:
    """|close_each|: the TCP connection closes after each answer.  |prefix|: reads a PROXY header before each query."""

    def __init__(self, port, address="127.0.0.1", script=good, udp=True, tcp=True, close_each=False, prefix=False):
        self.port, self.address, self.script = port, address, script
        self.close_each, self.prefix = close_each, prefix
        self.seen = []
        self.connections = 0
        self.open_connections = 0
        self.late = []
        self.running = True
        self.selector = selectors.DefaultSelector()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.udp = self.tcp = None
        if udp:
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            self.udp.bind((address, port))
            self.udp.setblocking(False)
            self.selector.register(self.udp, selectors.EVENT_READ, self.read_udp)
        if tcp:
            self.tcp = socket.socket(family, socket.SOCK_STREAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind((address, port))
            self.tcp.listen(200)
            self.tcp.setblocking(False)
            self.selector.register(self.tcp, selectors.EVENT_READ, self.accept)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            for key, _ in self.selector.select(0.01 if self.late else 0.05):
                key.data(key.fileobj)
            now = time.monotonic()
            for item in [x for x in self.late if x[0] <= now]:
                self.late.remove(item)
                item[1](item[2])

    def stop(self):
        self.running = False
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    # ---- what came ----
    def note(self, wire, via, source, prefix):
        try:
            name, end = read_name(wire, 12)
            qtype = struct.unpack_from("!H", wire, end)[0]
        except (IndexError, struct.error, AssertionError):
            name, qtype = None, None
        self.seen.append(Seen(wire, via, source, name, qtype, prefix))

    def names(self):
        return [s.name for s in self.seen]

    def take_prefix(self, data):
        """(header, rest); the header is empty when it is not complete."""
        if not self.prefix:
            return b"", data
        if len(data) < 16:
            return None, data
        n = 16 + struct.unpack_from("!H", data, 14)[0]
        return (data[:n], data[n:]) if len(data) >= n else (None, data)

    def act(self, wire, via, send, close):
        said = self.script(wire, via)
        for part in said if isinstance(said, list) else [said]:
            if part is None:
                continue
            if part is CLOSE:
                close()
            elif isinstance(part, Late):
                self.late.append((time.monotonic() + part.seconds, send, part.wire))
            else:
                send(part)

    # ---- UDP ----
    def read_udp(self, s):
        for _ in range(64):
            try:
                data, source = s.recvfrom(65535)
            except (BlockingIOError, ConnectionRefusedError):
                return
            prefix, wire = self.take_prefix(data)
            self.note(wire, "udp", source, prefix)

            def send(out, to=source):
                try:
                    s.sendto(out, to)
                except OSError:
                    pass
            self.act(wire, "udp", send, lambda: None)

    # ---- TCP ----
    def accept(self, s):
        try:
            c, source = s.accept()
        except OSError:
            return
        c.setblocking(False)
        self.connections += 1
        self.open_connections += 1
        buffer = bytearray()
        headers = [None]
        self.selector.register(c, selectors.EVENT_READ, lambda _: self.read_tcp(c, source, buffer, headers))

    def drop(self, c):
        try:
            self.selector.unregister(c)
        except (KeyError, ValueError):
            return
        c.close()
        self.open_connections -= 1

    def read_tcp(self, c, source, buffer, headers):
        try:
            data = c.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(c)
            return
        buffer += data
        if headers[0] is None:
            headers[0], rest = self.take_prefix(bytes(buffer))
            if headers[0] is None:
                return
            buffer[:] = rest

        def send(out):
            try:
                c.setblocking(True)
                c.sendall(struct.pack("!H", len(out)) + out)
                c.setblocking(False)
            except OSError:
                pass
        while len(buffer) >= 2:
            n = struct.unpack_from("!H", buffer)[0]
            if len(buffer) < 2 + n:
                break
            wire = bytes(buffer[2 : 2 + n])
            del buffer[: 2 + n]
            self.note(wire, "tcp", source, headers[0])
            self.act(wire, "tcp", send, lambda: self.drop(c))
            if self.close_each:
                self.drop(c)
                break


def wrong_id(wire, via):
    out = bytearray(answer_to(wire))
    out[0] ^= 0x55
    return bytes(out)


def wrong_question(wire, via):
    return wire[:2] + answer_to(query("other.example.test."))[2:]


def by_name(table, otherwise=good):
    """A script by the first label of the name."""
    def script(wire, via):
        label = read_name(wire, 12)[0].split(".")[0].lower()
        for start, then in table.items():
            if label.startswith(start):
                return then(wire, via)
        return otherwise(wire, via)
    return script


__all__ = ["CLOSE", "Fake", "Late", "by_name", "good", "question_end", "wrong_id", "wrong_question"]
