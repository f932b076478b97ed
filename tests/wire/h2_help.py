"""HTTP/2 by hand, as far as tests need it: frames, header fields without tables, a client that does what it is told.

What decodes header fields is left to curl and nghttp; here only frames are told apart."""
import collections
import socket
import struct

from harness import SLOW, read_exactly
from tls_help import client_context, tls_connect

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK, PADDED = 1, 4, 1, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 8, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Frame = collections.namedtuple("Frame", "kind flags stream payload")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def number(n, bits):
    """An integer of HPACK (RFC 7541, 5.1), the bits above it zero."""
    most = (1 << bits) - 1
    if n < most:
        return bytes([n])
    out, n = [most], n - most
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + [n])


def fields(*pairs):
    """Header fields, each a literal that goes into no table; which is made empty first, as smaller ones must be."""
    out = b"\x20"
    for name, value in pairs:
        name, value = name.encode(), value.encode("latin-1")
        out += b"\0" + number(len(name), 7) + name + number(len(value), 7) + value
    return out


def table(size):
    """The table gets this size (6.3); each header block of fields() leaves it empty."""
    return bytes([0x20 | number(size, 5)[0]]) + number(size, 5)[1:]


def entry(name, value):
    """A field that enters the table, where it is number 62."""
    return b"\x40" + number(len(name), 7) + name + number(len(value), 7) + value


def read_frame(s):
    """The next frame, or None at the end."""
    head = read_exactly(s, 9)
    if len(head) < 9:
        return None
    length = int.from_bytes(head[:3], "big")
    payload = read_exactly(s, length)
    if len(payload) < length:
        return None
    return Frame(head[3], head[4], struct.unpack("!I", head[5:])[0] & 0x7FFFFFFF, payload)


class Client:
    """A connection to a DoH listener, TLS or not."""

    def __init__(self, port, ca=None, tls=True, name="dns.test", settings=b"", preface=PREFACE):
        if tls:
            self.s = tls_connect(port, context=client_context(ca, alpn="h2"), name=name)
        else:
            self.s = socket.create_connection(("127.0.0.1", port), 3 * SLOW)
        self.s.settimeout(3 * SLOW)
        self.stream = -1
        self.send(preface + frame(SETTINGS, payload=settings))

    def send(self, data):
        self.s.sendall(data)

    def head(self, *more, path="/dns-query", method="POST", flags=END_HEADERS, content_type="application/dns-message"):
        """Opens a stream and returns its number."""
        self.stream += 2
        pairs = [(":method", method), (":scheme", "https"), (":authority", "dns.test"), (":path", path)]
        if content_type:
            pairs.append(("content-type", content_type))
        self.send(frame(HEADERS, flags, self.stream, fields(*pairs, *more)))
        return self.stream

    def post(self, body, *more, **options):
        stream = self.head(*more, **options)
        at = 0
        while True:
            part = body[at:at + 16384]
            at += len(part)
            self.send(frame(DATA, END_STREAM if at == len(body) else 0, stream, part))
            if at == len(body):
                return stream

    def answers(self, n=1):
        """{stream: body, or the error code of an RST_STREAM} of |n| streams; fewer when the connection ends."""
        bodies, done = collections.defaultdict(bytes), {}
        while len(done) < n:
            f = read_frame(self.s)
            if f is None or f.kind == GOAWAY and struct.unpack_from("!I", f.payload, 4)[0]:
                break
            if f.kind == DATA:
                bodies[f.stream] += f.payload
            if f.kind == RST_STREAM:
                done.setdefault(f.stream, struct.unpack("!I", f.payload)[0])
            elif f.kind in (DATA, HEADERS) and f.flags & END_STREAM:
                done[f.stream] = bodies[f.stream]
        return done

    def ended(self, seconds=3.0):
        """Waits for the end of the connection; the error code of a GOAWAY before it, None: it just ended, False: not."""
        self.s.settimeout(seconds * SLOW)
        code = None
        try:
            while True:
                head = b""
                while len(head) < 9:
                    part = self.s.recv(9 - len(head))
                    if not part:
                        return code
                    head += part
                body = read_exactly(self.s, int.from_bytes(head[:3], "big"))
                if head[3] == GOAWAY:
                    code = struct.unpack_from("!I", body, 4)[0]
        except socket.timeout:
            return False
        except OSError:
            return code

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
