#!/usr/bin/env python3
"""DoH for clients: kdig, curl, nghttp and h2load, pages and headers, proxies in front, and what clients do wrong."""
import base64
import os
import re
import socket
import struct
import subprocess
import time

import h2_help as h2
from harness import (SLOW, Message, closed, equal, free_port, kdig, main, query, tcp_connect, test, tool, true, until,
                     within)
from lua_help import Lua, reasons, table
from tls_help import Authority, client_context, need_cryptography, tls_connect, tls_refused
from web import Web

CONFIG = """
setLocal("127.0.0.1:%d")
addDOHLocal("127.0.0.1:%d", %s, %s, {"/dns-query", "/team"}, {%s})
%s
addAction(QTypeRule(DNSQType.AAAA), RCodeAction(DNSRCode.NOERROR))
addAction(AllRule(), SpoofAction("127.0.0.1", {ttl=77}))
"""
DNS = "application/dns-message"


def start(scene, identity=None, options="", more=""):
    """(daemon, DoH port); no |identity|: cleartext"""
    plain, port = free_port(), free_port()
    files = ('"%s"' % identity.cert, '"%s"' % identity.key) if identity else ("nil", "nil")
    return scene.daemon(CONFIG % (plain, port, *files, options, more)), port


def curl(scene, *args, data=None):
    """(status, {header: value}, body, HTTP version); |data|: a body to post"""
    base = os.path.join(scene.folder, "curl")
    if data is not None:
        with open(base + ".in", "wb") as f:
            f.write(data)
        args += ("--data-binary", "@" + base + ".in")
    for end in (".head", ".body"):
        if os.path.exists(base + end):
            os.remove(base + end)
    r = subprocess.run([tool("curl"), "-sS", "-m", "8", "-D", base + ".head", "-o", base + ".body",
                        "-w", "%{http_code} %{http_version}", *args], capture_output=True, text=True, timeout=20 * SLOW)
    if r.returncode:
        return "curl: " + r.stderr.strip(), {}, b"", ""
    head = open(base + ".head", errors="replace").read() if os.path.exists(base + ".head") else ""
    body = open(base + ".body", "rb").read() if os.path.exists(base + ".body") else b""
    status, version = r.stdout.split()
    pairs = [line.split(": ", 1) for line in head.replace("\r", "").splitlines() if ": " in line]
    return int(status), {k.lower(): v for k, v in pairs}, body, version


def b64(wire):
    return base64.urlsafe_b64encode(wire).rstrip(b"=").decode()


# ---- real clients ----
@test
def with_kdig(scene):
    ca = Authority(scene.folder)
    lua = Lua(scene)
    d, port = start(scene, ca.issue("dns.test", "127.0.0.1"), more=lua.hook)
    base = ("@127.0.0.1", "-p", str(port), "+tls-ca=" + ca.file, "+tls-hostname=dns.test")
    for way in ("+https", "+https-get", "+https=/team"):
        args = (way, "+https-get") if way == "+https=/team" else (way,)
        out = kdig(*base, *args, "www.example.test", "A")
        true("127.0.0.1\n" in out and "HTTP" in out and "status: 200" in out, "%s:\n%s", way, out)
        true("PADDING" in out and "Received 468 B" in out, "padded:\n%s", out)
    out = kdig(*base, "+https=/other", "www.example.test")
    true("404" in out and "NOERROR" not in out, "another path:\n%s", out)
    out = kdig(*base[:-1], "+tls-hostname=other.test", "+https", "+retry=0", "www.example.test")
    true("certificate" in out and "NOERROR" not in out, "another name:\n%s", out)
    row = table(lua(d, "showDOHFrontends()"))[0]
    equal({k: row[k] for k in ("Full", "HTTP", "GET", "POST", "Valid", "Errors", "Bad")},
          {"Full": "4", "HTTP": "4", "GET": "2", "POST": "2", "Valid": "3", "Errors": "1", "Bad": "1"}, "showDOHFrontends()")
    row = table(lua(d, "showDOHResponseCodes()"))[0]
    equal((row["200"], row["Others"]), ("3", "1"), "showDOHResponseCodes()")


@test
def with_curl(scene):
    """curl --doh-url, a URL at a time, finds a web server whose name only we know."""
    ca = Authority(scene.folder)
    web = scene.keep(Web())
    d, port = start(scene, ca.issue("dns.test", "127.0.0.1"))
    for i in range(5):
        status, _, body, _ = curl(scene, "--cacert", ca.file, "--doh-url", "https://127.0.0.1:%d/dns-query" % port,
                                  "http://web%d.test:%d/" % (i, web.port))
        equal((status, b"the page of web%d.test" % i in body), (200, True), "page %d" % i)
    status, _, _, _ = curl(scene, "--doh-url", "https://127.0.0.1:%d/dns-query" % port, "http://web.test:%d/" % web.port)
    true("resolve" in str(status), "a certificate that curl does not trust: %s", status)
    status, _, _, _ = curl(scene, "--doh-insecure", "--doh-url", "https://127.0.0.1:%d/team" % port,
                           "http://web.test:%d/" % web.port)
    equal(status, 200, "--doh-insecure")
    true(d.stats()["queries"] >= 6, "queries")


@test
def with_nghttp(scene):
    ca = Authority(scene.folder)
    _, port = start(scene, ca.issue("dns.test", "127.0.0.1"))
    path = os.path.join(scene.folder, "query")
    with open(path, "wb") as f:
        f.write(query(qid=0))
    url = "https://127.0.0.1:%d/dns-query" % port
    for args in ((), ("-b", "100"), ("-w", "4", "-W", "4"), ("-c", "0"), ("--no-content-length",)):
        r = subprocess.run([tool("nghttp"), "-vn", "-m", "3", "-t", "5", "-y", *args, "-H", "content-type: " + DNS,
                            "-d", path, url],
                           capture_output=True, text=True, timeout=20 * SLOW)
        equal(len(re.findall(r":status: 200", r.stdout)), 3,
              "nghttp %s: three answers of\n%s%s" % (args, r.stdout[-3000:], r.stderr))
        true("cache-control: max-age=77" in r.stdout, "its TTL:\n%s", r.stdout[-3000:])
    equal(re.search(r"SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):(\d+)", r.stdout)[1], "100", "streams at once")
    with open(path, "wb") as f:  # the answer comes while the request is still under way, which curl 7.88 takes amiss
        f.write(bytes(3 << 20))
    r = subprocess.run([tool("nghttp"), "-vn", "-t", "5", "-y", "-H", "content-type: " + DNS, "-d", path, url],
                       capture_output=True,
                       text=True, timeout=20 * SLOW)
    true(":status: 413" in r.stdout and "recv RST_STREAM" in r.stdout, "a POST of 3 MB:\n%s", r.stdout[-3000:])


@test
def with_h2load(scene):
    ca = Authority(scene.folder)
    d, port = start(scene, ca.issue("dns.test", "127.0.0.1"))
    path = os.path.join(scene.folder, "query")
    with open(path, "wb") as f:
        f.write(query(qid=0))
    for n, args in ((20000, ("-d", path, "-H", "content-type: " + DNS, "https://127.0.0.1:%d/dns-query" % port)),
                    (10000, ("https://127.0.0.1:%d/dns-query?dns=%s" % (port, b64(query(qid=0))),))):
        r = subprocess.run([tool("h2load"), "-n", str(n), "-c", "8", "-m", "50", *args], capture_output=True, text=True,
                           timeout=60 * SLOW)
        true("%d succeeded, 0 failed, 0 errored, 0 timeout" % n in r.stdout and "status codes: %d 2xx" % n in r.stdout,
             "h2load:\n%s%s", r.stdout, r.stderr)
    s = d.stats()
    equal((s["queries"], s["doh-query-pipe-full"]), (30000, 0), "queries")


# ---- what HTTP says ----
@test
def statuses(scene):
    ca = Authority(scene.folder)
    _, port = start(scene, ca.issue("dns.test", "127.0.0.1"),
                    'customResponseHeaders={["X-Ours"]="yes"}, serverTokens="tokens"')
    base = "https://127.0.0.1:%d" % port
    get = base + "/dns-query?dns="
    typed = ("-H", "content-type: " + DNS)
    q = query(qid=0)
    cases = (
        (200, (get + b64(q),), None),
        (200, (get[:-4] + "a=b&dns=" + b64(q) + "&c=d",), None),
        (200, (base + "/dns-query", *typed), q),
        (200, (base + "/team", "-H", "content-type: application/dns-message; charset=x"), q),
        (404, (base + "/",), None),
        (404, (base + "/dns-query/",), None),
        (404, (base + "/other", *typed), q),
        (405, (get + b64(q), "-X", "DELETE"), None),
        (405, (base + "/dns-query", *typed, "-X", "PUT"), q),
        (415, (base + "/dns-query", "-H", "content-type: text/plain"), q),
        (415, (base + "/dns-query", "-H", "content-type:"), q),
        (413, (base + "/dns-query", *typed), bytes(65536)),
        (400, (base + "/dns-query",), None),
        (400, (base + "/dns-query?name=www.example.test",), None),
        (400, (get,), None),
        (200, (get + b64(q) + "==",), None),  # padding is no part of it, and does no harm
        (400, (get + b64(q) + "%00",), None),
        (400, (get + "***",), None),
        (400, (get + base64.b64encode(b"\xff\xff\xff" * 8).decode().replace("/", "%2F"),), None),
        (400, (get + b64(q[:11]),), None),
        (400, (base + "/dns-query", *typed), b""),
        (400, (base + "/dns-query", *typed), q[:11]),
    )
    for want, args, data in cases:
        status, headers, body, version = curl(scene, "--cacert", ca.file, "--http2", *args, data=data)
        equal((status, version), (want, "2"), "%s with %s bytes" % (args, None if data is None else len(data)))
        if want != 413:  # said before the listener's own matters are looked at
            equal((headers.get("x-ours"), headers.get("server")), ("yes", "tokens"),
                  "headers of the %d for %s" % (want, args))
        if want == 200:
            equal((headers["content-type"], headers["cache-control"], Message(body).addresses()),
                  (DNS, "max-age=77", ["127.0.0.1"]),
                  "answer to %s" % (args,))
        else:
            true("cache-control" not in headers, "an error is not for caches: %s", headers)
        if want == 405:
            equal(headers.get("allow"), "GET, POST", "Allow")
    true(Message(curl(scene, "--cacert", ca.file, get + b64(query(qid=0x4321)))[2]).id == 0x4321, "the id comes back")


@test
def largest_query(scene):
    ca = Authority(scene.folder)
    _, port = start(scene, ca.issue("dns.test", "127.0.0.1"))
    pad = 65535 - len(query("big.test.", edns=1232)) - 4
    big = query("big.test.", qid=0, extra=b"\0" + struct.pack("!HHIHHH", 41, 1232, 0, pad + 4, 12, pad) + bytes(pad),
                extras=1)
    status, _, body, _ = curl(scene, "--cacert", ca.file, "-H", "content-type: " + DNS,
                              "https://127.0.0.1:%d/team" % port, data=big)
    equal((len(big), status, Message(body).addresses()), (65535, 200, ["127.0.0.1"]), "a POST of 65 535 bytes")


@test
def pages(scene):
    """The response map, also changed at run time."""
    ca = Authority(scene.folder)
    lua = Lua(scene)
    d, port = start(scene, ca.issue("dns.test", "127.0.0.1"), more=lua.hook + """
getDOHFrontend(0):setResponsesMap({
  newDOHResponseMapEntry("^/$", 307, "https://www.example.test/"),
  newDOHResponseMapEntry("^/coffee", 418, "C0FFEE", {["X-Cup"]="full"}),
  newDOHResponseMapEntry("^/text$", 200, "plain\\n", {["content-type"]="text/plain"}),
})
""")
    base = "https://127.0.0.1:%d" % port
    status, headers, body, _ = curl(scene, "--cacert", ca.file, base + "/")
    equal((status, headers["location"], body), (307, "https://www.example.test/", b""), "a redirect")
    status, headers, body, _ = curl(scene, "--cacert", ca.file, base + "/coffee/large")
    equal((status, headers["x-cup"], body), (418, "full", b"C0FFEE"), "a page")
    status, headers, body, _ = curl(scene, "--cacert", ca.file, base + "/text")
    equal((status, headers["content-type"], body), (200, "text/plain", b"plain\n"), "its own type")
    equal(curl(scene, "--cacert", ca.file, base + "/tea")[0], 404, "no page")
    lua(d, 'getDOHFrontend(0):setResponsesMap({newDOHResponseMapEntry("^/tea$", 200, "green")})')
    until(lambda: curl(scene, "--cacert", ca.file, base + "/tea")[2] == b"green", "a new map at run time")
    equal(curl(scene, "--cacert", ca.file, base + "/coffee")[0], 404, "the old one is gone")


@test
def rules(scene):
    ca = Authority(scene.folder)
    _, port = start(scene, ca.issue("dns.test", "127.0.0.1"), "keepIncomingHeaders=true, exactPathMatching=false", more="""
addAction(HTTPHeaderRule("user-agent", "badclient"), HTTPStatusAction(403, "not for you", "text/plain"))
addAction(HTTPPathRule("/team/red"), SpoofAction("192.0.2.1"))
addAction(HTTPPathRegexRule("^/team/[0-9]+$"), SpoofAction("192.0.2.2"))
addAction(SNIRule("dns.test"), SpoofAction("192.0.2.3"))
addAction("lua.test.", LuaAction(function(dq)
  local h = dq:getHTTPHeaders()
  return DNSAction.Spoof, h["x-number"] == "7" and dq:getHTTPPath() == "/dns-query" and dq:getHTTPScheme() == "https" and
    dq:getHTTPQueryString():sub(1, 5) == "?dns=" and dq:getHTTPHost():sub(1, 9) == "127.0.0.1" and "192.0.2.4" or "192.0.2.44"
end))
addAction(IncomingProtocolRule("doh"), SpoofAction("192.0.2.5"))
""")
    base = "https://127.0.0.1:%d" % port
    ask = "?dns=" + b64(query(qid=0))

    def address(*args):
        return Message(curl(scene, "--cacert", ca.file, *args)[2]).addresses()[0]
    status, headers, body, _ = curl(scene, "--cacert", ca.file, "-A", "a badclient/1", base + "/dns-query" + ask)
    equal((status, headers["content-type"], body), (403, "text/plain", b"not for you"), "HTTPStatusAction")
    equal(address(base + "/team/red" + ask), "192.0.2.1", "HTTPPathRule")
    equal(address(base + "/team/42" + ask), "192.0.2.2", "HTTPPathRegexRule")
    equal(address("--resolve", "dns.test:%d:127.0.0.1" % port, "https://dns.test:%d/dns-query%s" % (port, ask)),
          "192.0.2.3", "SNIRule")
    equal(address("-H", "X-Number: 7", base + "/dns-query?dns=" + b64(query("lua.test.", qid=0))), "192.0.2.4",
          "what Lua sees")
    equal(address(base + "/team/red/deep" + ask), "192.0.2.5", "IncomingProtocolRule, and a longer path")


@test
def http1(scene):
    """HTTP/1.1: a page that says what to use, or answers with http1=true."""
    ca = Authority(scene.folder)
    identity = ca.issue("dns.test", "127.0.0.1")
    ask = "/dns-query?dns=" + b64(query(qid=0))
    for tls in (True, False):
        args = ("--http1.1", "--cacert", ca.file)
        _, port = start(scene, identity if tls else None)
        scheme = "https" if tls else "http"
        status, headers, body, version = curl(scene, *args, "%s://127.0.0.1:%d%s" % (scheme, port, ask))
        equal((status, version, b"HTTP/2" in body), (505, "1.1", True), "a page, TLS %s, %s" % (tls, body[:200]))
        _, port = start(scene, identity if tls else None, "http1=true")
        base = "%s://127.0.0.1:%d" % (scheme, port)
        status, headers, body, version = curl(scene, *args, base + ask)
        equal((status, version, headers["content-type"], Message(body).addresses()), (200, "1.1", DNS, ["127.0.0.1"]), "GET")
        status, headers, body, _ = curl(scene, *args, "-H", "content-type: " + DNS, base + "/dns-query", data=query(qid=0))
        equal((status, Message(body).addresses()), (200, ["127.0.0.1"]), "POST")
        status, headers, body, _ = curl(scene, *args, "-H", "content-type: " + DNS, "-H", "transfer-encoding: chunked",
                                        base + "/dns-query", data=query(qid=0))
        true(status in (200, 411, 501), "chunked: %s", status)
        for want, more, data in ((404, ("/no",), None), (405, ("/team", "-X", "PUT"), b"x"), (415, ("/team",), b"x"),
                                 (400, ("/team",), None),
                                 (413, ("/team", "-H", "content-type: " + DNS, "-H", "expect:"), bytes(70000))):
            equal(curl(scene, *args, base + more[0], *more[1:], data=data)[0], want, "%s over HTTP/1.1" % (more,))
        r = subprocess.run([tool("curl"), "-sSv", *args, base + ask, base + ask, "-o", "/dev/null", "-o", "/dev/null"],
                           capture_output=True, text=True, timeout=20)
        true("Re-using existing connection" in r.stderr, "the connection is kept:\n%s", r.stderr)
        equal(curl(scene, "--http2" if tls else "--http2-prior-knowledge", "--cacert", ca.file, base + ask)[3], "2",
              "HTTP/2 beside it")


@test
def last_words(scene):
    """Who sends more than is wanted can read that: no reset overtakes it.  And nobody listens to the rest for ever."""
    _, port = start(scene, None, "http1=true")
    head = b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n"

    def begin():
        s = socket.create_connection(("127.0.0.1", port), 5 * SLOW)
        s.sendall(head)
        return s

    def rest(s):
        out = b""
        while part := s.recv(65536):
            out += part
        return out

    def sends(s, data, pause, most):
        """How often it can be sent."""
        for n in range(most):
            try:
                s.sendall(data)
            except OSError:
                return n
            time.sleep(pause)
        return most
    for _ in range(10):
        with begin() as s:
            equal(sends(s, bytes(2000), 0.001, 35), 35, "all of it is taken")
            said = rest(s)
            true(said.startswith(b"HTTP/1.1 413 "), "%r", said[:100])
    with begin() as s:
        true(rest(s).startswith(b"HTTP/1.1 413 "), "the end is said before the client's")
        true(10 < sends(s, b"x", 0.05, 200) < 200, "and it is closed in the end")
    with begin() as s:
        true(sends(s, bytes(65536), 0, 1000) < 200, "a flood is cut")


@test
def behind_a_proxy(scene):
    """Cleartext HTTP/2, and the client's address in X-Forwarded-For."""
    _, port = start(scene, options="trustForwardedForHeader=true", more="""
setACL({"192.0.2.0/24", "2001:db8::/32"})
addAction(NetmaskGroupRule("192.0.2.7/32"), SpoofAction("192.0.2.77"))
addAction(NetmaskGroupRule("2001:db8::7/128"), SpoofAction("192.0.2.78"))
""")
    url = "http://127.0.0.1:%d/dns-query?dns=%s" % (port, b64(query(qid=0)))
    cases = (("192.0.2.7", 200, "192.0.2.77"), ("10.0.0.1, 192.0.2.7", 200, "192.0.2.77"),
             ("192.0.2.7:4711", 200, "192.0.2.77"),
             ("2001:db8::7", 200, "192.0.2.78"), ("[2001:db8::7]:99", 200, "192.0.2.78"), ("192.0.2.8", 200, "127.0.0.1"),
             ("192.0.2.7, 10.0.0.1", 403, None), (None, 403, None), ("nonsense", 403, None), ("", 403,
                                                                                              None), ("," * 500, 403, None))
    for value, want, address in cases:
        args = () if value is None else ("-H", "X-Forwarded-For: " + value)
        status, _, body, _ = curl(scene, "--http2-prior-knowledge", *args, url)
        equal((status, Message(body).addresses()[0] if status == 200 else None), (want, address),
              "X-Forwarded-For: %s" % value)
    _, port = start(scene, more='addAction(NetmaskGroupRule("192.0.2.7/32"), SpoofAction("192.0.2.77"))')
    url = "http://127.0.0.1:%d/dns-query?dns=%s" % (port, b64(query(qid=0)))
    status, _, body, _ = curl(scene, "--http2-prior-knowledge", "-H", "X-Forwarded-For: 192.0.2.7", url)
    equal(Message(body).addresses(), ["127.0.0.1"], "not trusted: not looked at")


@test
def certificates(scene):
    """Names choose; SIGHUP and reloadCertificates() bring new ones; another protocol is refused."""
    ca = Authority(scene.folder)
    identity = ca.issue("dns.test", "127.0.0.1")
    lua = Lua(scene)
    d, port = start(scene, identity, more=lua.hook)

    def serial():
        with tls_connect(port, context=client_context(ca, alpn="h2")) as s:
            equal(s.selected_alpn_protocol(), "h2", "ALPN")
            return int(s.getpeercert()["serialNumber"], 16)
    equal(serial(), identity.certificate.serial_number, "the first one")
    newer = ca.issue("dns.test", kind="rsa")
    identity.become(newer)
    d.reload()
    equal(serial(), newer.certificate.serial_number, "after SIGHUP")
    third = ca.issue("dns.test")
    identity.become(third)
    lua(d, "getDOHFrontend(0):reloadCertificates()")
    until(lambda: serial() == third.certificate.serial_number, "reloadCertificates()")
    true("no application protocol" in tls_refused(port, context=client_context(ca, alpn="dot")), "wrong ALPN is refused")
    equal(tls_refused(port, context=client_context(ca, alpn=["dot", "h2"])), None, "one of two")


@test
def said_when_we_leave(scene):
    """RFC 9113 9.1: a connection that we end, idle or at shutdown, gets a GOAWAY; in time."""
    need_cryptography()
    ca = Authority(scene.folder)
    for identity in (None, ca.issue("dns.test")):
        d, port = start(scene, identity, "idleTimeout=1")
        for what in ("idle", "shutdown"):
            with h2.Client(port, tls=identity is not None) as c:
                stream = c.post(query(qid=0))
                true(Message(c.answers()[stream]).addresses(), "an answer")
                at = time.monotonic()
                if what == "shutdown":
                    d.signal(15)
                equal(c.ended(), h2.NO_ERROR, "%s: the error code of GOAWAY" % what)
                if what == "idle":
                    within(time.monotonic() - at, 0.5, 1.6 * SLOW, "idle: seconds until it is ended")


# ---- what clients do wrong ----
@test
def bad_frames(scene):
    """What breaks the rules of HTTP/2 ends the stream or the connection, and others are served."""
    _, port = start(scene)
    cases = (
        ("no preface", b"GET / HTTP/1.0\r\n\r\n" * 3, None),
        ("noise", os.urandom(300), None),
        ("half a preface", h2.PREFACE[:10] + b"x" * 100, None),
        ("a frame of 16 MB", h2.PREFACE + h2.frame(h2.SETTINGS) + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(20000), 6),
        ("DATA on stream 0", h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.DATA, 0, 0, b"x"), 1),
        ("HEADERS on stream 2", h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.HEADERS, 5, 2,
                                                                              h2.fields((":method", "GET"))), 1),
        ("broken HPACK", h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.HEADERS, 5, 1, b"\xff" * 50), 9),
        ("SETTINGS of 5 bytes", h2.PREFACE + h2.frame(h2.SETTINGS, payload=b"12345"), 6),
        ("a window of 2^31", h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.WINDOW_UPDATE, 0, 0,
                                                                           b"\x7f\xff\xff\xff") * 2, 3),
        ("CONTINUATION alone", h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.CONTINUATION, 4, 1, b""), 1),
    )
    for what, data, code in cases:
        with h2.Client(port, tls=False, preface=b"") as c:
            c.s.close()
        c = h2.Client.__new__(h2.Client)
        c.s = tcp_connect(port)
        try:
            c.send(data)
        except OSError:
            pass
        got = c.ended()
        c.close()
        true(got is not False, "%s: closed", what)
        if code is not None:
            true(got in (code, None), "%s: error code %s, expected %s", what, got, code)
        with h2.Client(port, tls=False) as good:
            stream = good.post(query(qid=0))
            equal(Message(good.answers()[stream]).addresses(), ["127.0.0.1"], "an answer after " + what)


@test
def bad_streams(scene):
    d, port = start(scene, options="idleTimeout=2", more="setTCPRecvTimeout(1)")
    ask = query(qid=0)
    with h2.Client(port, tls=False) as c:
        streams = [c.head() for _ in range(60)]  # opened, never finished
        good = c.post(ask)
        equal(Message(c.answers()[good]).addresses(), ["127.0.0.1"], "an answer beside 60 open streams")
        c.send(h2.frame(h2.RST_STREAM, 0, streams[0], struct.pack("!I", h2.CANCEL)))
        began = time.monotonic()
        true(c.ended(8) is not False, "closed")
        within(time.monotonic() - began, 0.3, 6 * SLOW, "seconds until a connection of unfinished streams is closed")
    with h2.Client(port, tls=False) as c:  # header fields in many small frames
        block = h2.fields((":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/team"),
                          ("content-type", DNS))
        c.send(h2.frame(h2.HEADERS, 0, 1, block[:1]) + b"".join(h2.frame(h2.CONTINUATION, 0, 1,
                                                                         block[i:i + 30]) for i in range(1, len(block),
                                                                                                         30)) +
               h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1) + h2.frame(h2.DATA, h2.END_STREAM | h2.PADDED, 1,
                                                                       b"\x20" + ask + bytes(32)))
        equal(Message(c.answers()[1]).addresses(), ["127.0.0.1"], "CONTINUATION and padding")
    with h2.Client(port, tls=False) as c:
        c.head(("x", "y" * 15000))
        c.stream -= 2
        for _ in range(20):
            c.head(("x", "y" * 15000))
        got = c.answers(21)
        true(all(isinstance(v, (int, bytes)) and b"\xc0\x0c" not in (v if isinstance(v,
                                                                                     bytes) else b"") for v in got.values()),
             "no answers to requests with 15 kB of header")
    with h2.Client(port, tls=False) as c:
        n = c.post(ask, *[("x%d" % i, "y") for i in range(1000)])
        got = c.answers()
        true(not isinstance(got.get(n), bytes) or b"\xc0\x0c" not in got[n], "1000 header fields: no answer")
    with h2.Client(port, tls=False) as c:
        for _ in range(250):  # more than the limit at once, the rest is refused or served later
            c.post(ask)
        got = c.answers(250)
        served = [v for v in got.values() if isinstance(v, bytes) and len(v) > 12]
        true(len(served) >= 100, "%d of 250 served", len(served))
        true(all(v == h2.REFUSED_STREAM for v in got.values() if isinstance(v, int)), "the others are refused: %s", got)
    for what, pairs in (("upper case", (("X-Y", "z"),)), ("connection", (("connection", "close"),)),
                        ("empty name", (("", "z"),)),
                        ("a line break", (("x", "a\r\nb"),)), (":path again", ((":path", "/"),))):
        with h2.Client(port, tls=False) as c:
            n = c.post(ask, *pairs)
            got = c.answers()
            true(not isinstance(got.get(n), bytes) or b"\xc0\x0c" not in got[n], "%s: no answer, %s", what, got)
    with h2.Client(port, tls=False) as c:
        n = c.head(("content-length", "5"))
        c.send(h2.frame(h2.DATA, h2.END_STREAM, n, ask))
        got = c.answers()
        true(not isinstance(got.get(n), bytes) or b"\xc0\x0c" not in got[n], "a wrong content-length: no answer, %s", got)
    with h2.Client(port, tls=False) as c:
        n = c.post(ask)
        equal(Message(c.answers()[n]).addresses(), ["127.0.0.1"], "others are served")
    r = reasons(d)
    true(sum(r.get(k, 0) for k in ("the peer broke the rules of HTTP", "HTTP request that is no DNS query",
                                   "flood of HTTP frames, header fields or unread answers", "idle too long",
                                    "a message came too slowly")) >= 1, "%s", r)


@test
def half_requests_of_http1(scene):
    d, port = start(scene, options="http1=true, idleTimeout=2", more="setTCPRecvTimeout(1)")
    cases = (b"GET /dns-query",
             b"POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: " + DNS.encode() + b"\r\ncontent-length: 50\r\n\r\nhalf",
             b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 3)
    held = [tcp_connect(port) for _ in cases]
    for s, data in zip(held, cases):
        s.sendall(data)
    for s, data in zip(held, cases):
        true(closed(s, 6) is not None, "closed: %r", data)
        s.close()
    for data in (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 60000 + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20000 + b"\r\n",
                 b"POST /team HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
                 b"POST /team HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 3000,
                 b"POST /team HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"):
        with tcp_connect(port) as s:
            try:
                s.sendall(data)
            except OSError:
                pass
            out = closed(s, 6)
            true(out is not None and b"200" not in out[:20], "closed: %r → %r", data[:60], out)
    equal(curl(scene, "--http1.1", "http://127.0.0.1:%d/dns-query?dns=%s" % (port, b64(query(qid=0))))[0], 200,
          "others are served")


need_cryptography()
main()
