#!/usr/bin/env python3
"""DoT for clients: kdig, openssl s_client and stubby, certificates that change, and what clients do wrong."""
import os
import re
import socket
import ssl
import struct
import subprocess
import time

from fake import Fake, Late, by_name
from harness import (SHREWD, SLOW, Message, Process, answer_to, closed, equal, frame, free_port, kdig, main, query,
                     tcp_connect,
                     tcp_read, test, tool, true, udp_ask, until, within)
from lua_help import Lua, reasons, table
from tls_help import Authority, Sealed, client_context, need_cryptography, tls_ask, tls_connect, tls_refused

CONFIG = """
setLocal("127.0.0.1:%d")
addTLSLocal("127.0.0.1:%d", %s, %s, {%s})
addAction("sni.test.", LuaAction(function(dq)
  return DNSAction.Spoof, dq:getServerNameIndication() == "two.test" and "192.0.2.22" or "192.0.2.11"
end))
%s
addAction(AllRule(), SpoofAction("192.0.2.1"))
"""


def quoted(*files):
    return "{" + ", ".join('"%s"' % f for f in files) + "}"


def start(scene, identities, options="", more="", first="", **how):
    """(daemon, DoT port)"""
    plain, port = free_port(), free_port()
    text = first + CONFIG % (plain, port, quoted(*[i.cert for i in identities]), quoted(*[i.key for i in identities]),
                             options, more)
    return scene.daemon(text, **how), port


def s_client(port, *args, send=None, servername="dns.test"):
    """What openssl s_client prints; |send|: bytes to write after the handshake, and an answer is waited for."""
    argv = [tool("openssl"), "s_client", "-connect", "127.0.0.1:%d" % port, "-servername", servername, *args]
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.set_blocking(p.stdout.fileno(), False)
    out, end, done_at = b"", time.monotonic() + 5 * SLOW, None
    if send:
        p.stdin.write(send)
        p.stdin.flush()
    while p.poll() is None and time.monotonic() < end:
        out += p.stdout.read() or b""
        if done_at is None and (b"\xc0\x0c\x00\x01" in out if send and send != b"R\n" else b"Verify return code" in out):
            done_at = time.monotonic() + (1.0 if send == b"R\n" else 0.1) * SLOW
        if done_at and time.monotonic() > done_at:
            break
        time.sleep(0.01)
    if p.poll() is None:
        p.stdin.close()
    try:
        p.wait(3 * SLOW)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    out += p.stdout.read() or b""
    p.stdout.close()
    return out.decode("latin-1")


# ---- real clients ----
@test
def with_kdig(scene):
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("dns.test", "127.0.0.1")])
    where = ("@127.0.0.1", "-p", str(port), "+tls-ca=" + ca.file, "www.example.test", "A")
    out = kdig(*where, "+tls-hostname=dns.test")
    true("192.0.2.1" in out and "TLS" in out, "an answer over TLS:\n%s", out)
    equal(re.search(r"Received (\d+) B", out)[1], "468", "size of an answer to a padded query")
    true("PADDING" in out, "the padding:\n%s", out)
    out = kdig(*where, "+tls-hostname=dns.test", "+noedns")
    equal(re.search(r"Received (\d+) B", out)[1], "50", "size of an answer to a query without padding")
    out = kdig(*where, "+tls-hostname=other.test", "+retry=0")
    true("192.0.2.1" not in out and "certificate" in out, "another name: kdig refuses:\n%s", out)
    out = kdig(*where[:4], *["q%d.test" % i for i in range(30)], "+tls-hostname=dns.test", "+keepopen")
    equal(out.count("192.0.2.1\n"), 30, "answers to 30 queries of one connection")
    equal(d.stats()["queries"], 32, "queries")


@test
def with_stubby(scene):
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("dns.test")])
    local, wrong = free_port(), free_port()
    for listen, name in ((local, "dns.test"), (wrong, "other.test")):
        Process(scene, "stubby", [tool("stubby"), "-C", scene.file("stubby%d.yml" % listen, """
resolution_type: GETDNS_RESOLUTION_STUB
dns_transport_list:
  - GETDNS_TRANSPORT_TLS
tls_authentication: GETDNS_AUTHENTICATION_REQUIRED
tls_query_padding_blocksize: 128
idle_timeout: 10000
tls_ca_file: "%s"
listen_addresses:
  - 127.0.0.1@%d
upstream_recursive_servers:
  - address_data: 127.0.0.1
    tls_port: %d
    tls_auth_name: "%s"
""" % (ca.file, listen, port, name))])

    def asked(i):
        reply = udp_ask(local, query("s%d.test." % i), timeout=1)
        return reply and reply.addresses() == ["192.0.2.1"]
    until(lambda: asked(0), "an answer through stubby", 10)
    before = d.stats()
    equal([i for i in range(50) if not asked(i + 1)], [], "queries without an answer")
    s = d.stats()
    equal((s["queries"] - before["queries"], s["tcp-accepted"] - before["tcp-accepted"] <= 1), (50, True),
          "queries, and by one connection")
    reply = udp_ask(wrong, query("w.test."), timeout=1)
    true(not reply or not reply.addresses(), "stubby that expects another name gets nothing")


@test
def s_client_versions(scene):
    ca = Authority(scene.folder)
    lua = Lua(scene)
    d, port = start(scene, [ca.issue("dns.test")], more=lua.hook)
    for arg, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        out = s_client(port, arg, "-CAfile", ca.file, "-verify_hostname", "dns.test", "-verify_return_error", "-alpn", "dot",
                       "-nocommands", send=frame(query()))
        true("Verify return code: 0 (ok)" in out and version in out, "%s:\n%s", version, out)
        true("ALPN protocol: dot" in out, "ALPN:\n%s", out)
    out = s_client(port, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    true("alert protocol version" in out, "TLS 1.1 is refused:\n%s", out)
    out = s_client(port, "-tls1_2", send=b"R\n")
    true("RENEGOTIATING" in out and "no renegotiation" in out, "renegotiation is refused:\n%s", out)
    with tls_connect(port, context=client_context(ca, alpn="h2")) as s:  # many DoT clients have a wrong one
        equal(s.selected_alpn_protocol(), None, "a foreign ALPN is not taken")
        s.sendall(frame(query()))
        true(tcp_read(s), "but served")
    row = table(lua(d, "showTLSFrontends()"))[0]
    equal((row["Full"], row["TLS 1.2"], row["TLS 1.3"]), ("4", "1", "2"), "handshakes, and queries by version")
    equal(table(lua(d, "showTLSErrorCounters()"))[0]["unsupportedProtocol"], "1", "showTLSErrorCounters()")


@test
def s_client_resumption(scene):
    ca = Authority(scene.folder)
    lua = Lua(scene)
    d, port = start(scene, [ca.issue("dns.test")], more=lua.hook)
    again = 0
    for arg in ("-tls1_2", "-tls1_3"):
        file = os.path.join(scene.folder, "session" + arg)
        out = s_client(port, arg, "-CAfile", ca.file, "-nocommands", "-sess_out", file, send=frame(query()))
        true("New, TLSv1" in out and os.path.exists(file), "a session:\n%s", out)
        out = s_client(port, arg, "-CAfile", ca.file, "-nocommands", "-sess_in", file, send=frame(query()))
        true("Reused, TLSv1" in out, "%s is resumed:\n%s", arg, out)
        again += 1
        row = table(lua(d, "showTLSFrontends()"))[0]
        equal((row["Full"], row["Resumed"]), (str(again), str(again)), "showTLSFrontends() after %s" % arg)
    lua(d, "getTLSFrontend(0):rotateTicketsKey()")
    out = s_client(port, "-tls1_2", "-CAfile", ca.file, "-nocommands", "-sess_in",
                   os.path.join(scene.folder, "session-tls1_2"), send=frame(query()))
    true("Reused, TLSv1.2" in out, "an old ticket after the keys' rotation:\n%s", out)


@test
def tickets_of_a_restarted_daemon(scene):
    """A file of ticket keys, and sessions that outlive the daemon that gave them; without: they are made anew."""
    ca = Authority(scene.folder)
    identity = ca.issue("dns.test")
    keys = os.path.join(scene.folder, "tickets")
    identity.write(keys, os.urandom(80))
    for options, resumed in (('ticketKeyFile="%s"' % keys, True), ("", False),
                             ("sessionTickets=false, numberOfStoredSessions=0", None)):
        for version in ("1.2", "1.3"):
            context = client_context(ca, version=version)
            d, port = start(scene, [identity], options)
            with tls_connect(port, context=context) as s:
                s.sendall(frame(query()))
                true(tcp_read(s), "an answer")
                session = s.session
            d.stop()
            d, port = start(scene, [identity], options)
            for _ in range(2):
                with tls_connect(port, context=context, session=session) as s:
                    s.sendall(frame(query()))
                    true(tcp_read(s), "an answer")
                    equal(s.session_reused, bool(resumed), "resumed, TLS %s, %s" % (version, options))
            d.stop()


@test
def tickets_beside_a_bad_certificate(scene):
    """A certificate that is wrong does not keep out the ticket keys that a cluster shares; nor they a certificate."""
    ca = Authority(scene.folder)
    shared, own = ca.issue("dns.test"), ca.issue("dns.test")
    keys = [os.path.join(scene.folder, name) for name in ("first.tickets", "second.tickets")]
    for path in keys:
        shared.write(path, os.urandom(80))
    context = client_context(ca, version="1.2")
    _, port = start(scene, [shared], 'ticketKeyFile="%s"' % keys[0])
    with tls_connect(port, context=context) as s:
        session = s.session
    d, port = start(scene, [own], 'ticketKeyFile="%s"' % keys[1])

    def resumes():
        with tls_connect(port, context=context, session=session) as s:
            return s.session_reused
    true(not resumes(), "other keys")
    os.replace(keys[0], keys[1])
    good = open(own.cert, "rb").read()
    own.write(own.cert, b"junk")
    said = d.reload(None, "the old ones stay")
    true(own.cert in said and keys[1] not in said, said)
    true(resumes(), "the keys of the file are there")
    own.write(own.cert, good)
    own.write(keys[1], b"short")
    said = d.reload(None, "the old ones stay")
    true(keys[1] in said and own.cert not in said, said)
    true(resumes(), "the keys that were there stay")
    own.write(own.cert, b"junk")
    said = d.reload(None, "the old ones stay")
    true(own.cert in said and keys[1] not in said, "the first of two errors: %s", said)


@test
def s_client_staple(scene):
    ca = Authority(scene.folder)
    one, two = ca.issue("one.test"), ca.issue("two.test", kind="rsa")
    make = "".join('generateOCSPResponse("%s", "%s", "%s", "%s.ocsp", 1, 0)\n' % (i.cert, ca.cert, ca.key,
                                                                                  i.base) for i in (one, two))
    d, port = start(scene, [one, two], "ocspResponses=" + quoted(one.base + ".ocsp", two.base + ".ocsp"), first=make)
    for name, identity in (("one.test", one), ("two.test", two)):
        out = s_client(port, "-CAfile", ca.file, "-status", "-nocommands", servername=name)
        true("OCSP Response Status: successful" in out and "Cert Status: good" in out, "a staple for %s:\n%s", name,
             out[:3000])
        serial = "%X" % identity.certificate.serial_number
        true(serial in out.upper(), "it is for the certificate of %s:\n%s", name, out[:3000])


@test
def staples_of_new_certificates(scene):
    """loadNewCertificatesAndKeys() keeps the files of staples; one about another certificate is left out, and said."""
    ca = Authority(scene.folder)
    one, two = ca.issue("one.test"), ca.issue("two.test")
    staple = one.base + ".ocsp"
    lua = Lua(scene)
    d, port = start(scene, [one], "ocspResponses=" + quoted(staple), lua.hook,
                    'generateOCSPResponse("%s", "%s", "%s", "%s", 1, 0)\n' % (one.cert, ca.cert, ca.key, staple))

    def stapled():
        return "OCSP Response Status: successful" in s_client(port, "-status", "-nocommands")
    true(stapled(), "at the start")
    log = lua(d, 'getTLSFrontend(0):loadNewCertificatesAndKeys("%s", "%s")' % (one.cert, one.key))
    true(stapled() and "left out" not in log, "the same certificate once more:\n%s", log)
    log = lua(d, 'getTLSFrontend(0):loadNewCertificatesAndKeys("%s", "%s")' % (two.cert, two.key))
    true(not stapled() and staple + ": not about this certificate" in log, "another one:\n%s", log)
    d.reload()
    true(stapled(), "after SIGHUP, with the file's certificate")


@test
def good_bye_with_a_query(scene):
    """A close_notify in one flight with a query ends the connection once that is answered; and we say good-bye, too."""
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("dns.test")], more="setTCPRecvTimeout(20)")
    for version in ("1.2", "1.3"):
        for together in (False, True):
            c = Sealed(tcp_connect(port), client_context(ca, version=version)).shake()
            flight = c.seal(frame(query()))
            if not together:
                c.s.sendall(flight)
                flight = b""
                time.sleep(0.1)
            c.s.sendall(flight + c.seal_bye())
            at = time.monotonic()
            true(closed(c.s, 5), "TLS %s, %s: an answer and the end", version, "together" if together else "apart")
            within(time.monotonic() - at, 0, 0.5 * SLOW, "seconds until it is closed")


@test
def names_choose_certificates(scene):
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("one.test"), ca.issue("two.test", "*.wild.test"), ca.issue("dns.test", kind="rsa")])
    for name, subject in (("one.test", "one.test"), ("two.test", "two.test"), ("a.wild.test", "two.test"),
                          ("dns.test", "dns.test"),
                          ("unknown.test", "one.test")):
        out = s_client(port, "-CAfile", ca.file, "-nocommands", servername=name)
        equal(re.search(r"subject=CN ?= ?(\S+)", out)[1], subject, "certificate for %s" % name)
    for name, address in (("one.test", "192.0.2.11"), ("two.test", "192.0.2.22")):
        equal(tls_ask(port, query("sni.test."), ca, name).addresses(), [address], "what a rule sees of %s" % name)


# ---- many queries on one connection ----
@test
def out_of_order(scene):
    ca = Authority(scene.folder)
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=by_name({"late": lambda q, v: Late(0.4, answer_to(q))})))
    identity = ca.issue("dns.test")
    scene.daemon("""
setLocal("127.0.0.1:%d")
addTLSLocal("127.0.0.1:%d", "%s", "%s", {maxInFlight=100})
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (free_port(), port, identity.cert, identity.key, back))
    with tls_connect(port, ca) as s:
        s.sendall(frame(query("late.test.", qid=1)) + b"".join(frame(query("q%d.test." % i, qid=i)) for i in range(2, 50)))
        ids = [Message(tcp_read(s)).id for _ in range(49)]
    equal((ids[-1], sorted(ids)), (1, list(range(1, 50))), "the late one comes last, all come")


@test
def sizes(scene):
    """The least and the largest message; what is shorter ends the connection."""
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("dns.test")])
    big = query("big.test.", edns=1232)
    pad = 65535 - len(big) - 4
    big = query("big.test.", extra=b"\0" + struct.pack("!HHIH", 41, 1232, 0, pad + 4) + struct.pack("!HH", 12,
                                                                                                    pad) + bytes(pad),
                extras=1)
    equal(len(big), 65535, "its length")
    with tls_connect(port, ca) as s:
        s.sendall(frame(big))
        equal(Message(tcp_read(s)).addresses(), ["192.0.2.1"], "an answer to 65 535 bytes")
    for short in (b"", b"x", query()[:11]):
        with tls_connect(port, ca) as s:
            s.sendall(frame(short) + frame(query()))
            equal(closed(s), b"", "%d bytes: closed" % len(short))
    r = reasons(d)
    equal(r["message length below a DNS header"], 3, "reason")
    true(tls_ask(port, query(), ca), "others are served")


# ---- certificates that change ----
@test
def reload(scene):
    ca = Authority(scene.folder)
    identity = ca.issue("dns.test")
    lua = Lua(scene)
    d, port = start(scene, [identity], more=lua.hook + "setTCPRecvTimeout(60)\n")

    def serial(s=None):
        with s or tls_connect(port, ca) as c:
            return int(c.getpeercert()["serialNumber"], 16)
    first = serial()
    equal(first, identity.certificate.serial_number, "the first certificate")
    held = tls_connect(port, ca)
    newer = ca.issue("dns.test")
    identity.become(newer)
    d.reload()
    equal(serial(), newer.certificate.serial_number, "after SIGHUP")
    held.sendall(frame(query()))
    true(tcp_read(held), "a connection from before SIGHUP still works")
    for what, cert, key, words in (("a key of another", None, ca.issue("x.test").key, "does not fit"),
                                   ("no certificate", b"nothing of the kind\n", None, "no certificate in it"),
                                   ("half a key", None, b"-----BEGIN PRIVATE KEY-----\nMIGH", "private key"),
                                   ("no file", False, None, "No such file")):
        good = [open(p, "rb").read() for p in (identity.cert, identity.key)]
        for path, data in ((identity.cert, cert), (identity.key, key)):
            if data is False:
                os.remove(path)
            elif data is not None:
                identity.write(path, data if isinstance(data, bytes) else open(data, "rb").read())
        log = d.reload(expect="the old ones stay")
        true(words in log and identity.base in log, "%s: the log has file and reason:\n%s", what, log)
        equal(serial(), newer.certificate.serial_number, "the old one stays: " + what)
        for path, data in zip((identity.cert, identity.key), good):
            identity.write(path, data)
    third = ca.issue("dns.test")
    identity.become(third)
    lua(d, "reloadAllCertificates()")
    until(lambda: serial() == third.certificate.serial_number, "reloadAllCertificates()")
    fourth = ca.issue("dns.test", kind="rsa")
    lua(d, 'getTLSFrontend(0):loadNewCertificatesAndKeys("%s", "%s")' % (fourth.cert, fourth.key))
    until(lambda: serial() == fourth.certificate.serial_number, "loadNewCertificatesAndKeys()")
    d.reload()
    equal(serial(), third.certificate.serial_number, "after SIGHUP those of the file again")
    held.sendall(frame(query()))
    true(tcp_read(held), "the old connection still works")
    held.close()


@test
def wrong_at_start(scene):
    """A file and a reason, and no daemon; unless errors are to be ignored."""
    ca = Authority(scene.folder)
    one, two = ca.issue("one.test"), ca.issue("two.test")
    junk = scene.file("junk.pem", "hello\n")
    locked = two.p12("secret")
    cases = (
        ("another's key", '"%s", "%s"' % (one.cert, two.key), (two.key, "does not fit", one.cert)),
        ("no such file", '"%s.none", "%s"' % (one.cert, one.key), (one.cert + ".none", "No such file")),
        ("no such key", '"%s", "%s.none"' % (one.cert, one.key), (one.key + ".none", "No such file")),
        ("junk", '"%s", "%s"' % (junk, one.key), (junk, "no certificate in it")),
        ("junk for a key", '"%s", "%s"' % (one.cert, junk), (junk, "no private key in it")),
        ("wrong password", 'newTLSCertificate("%s", {password="wrong"})' % locked, (locked, "wrong password")),
        ("a folder", '"%s", "%s"' % (scene.folder, one.key), (scene.folder, "")),
        ("no key", '"%s"' % one.cert, (one.cert, "keys")),
    )
    for what, args, words in cases:
        text = 'setLocal("127.0.0.1:%d")\naddTLSLocal("127.0.0.1:%d", %s)\n' % (free_port(), free_port(), args)
        r = subprocess.run([SHREWD, "--supervised", "--disable-syslog", "-C", scene.file("wrong.conf", text)],
                           capture_output=True,
                           text=True, timeout=10 * SLOW)
        true(r.returncode != 0, "%s: it starts:\n%s", what, r.stderr)
        for word in words:
            true(word in r.stdout + r.stderr, "%s: %r is said:\n%s", what, word, r.stdout + r.stderr)
    d, port = start(scene, [one], "ignoreTLSConfigurationErrors=true")
    d.stop()
    one.write(one.cert, b"junk")
    d = scene.daemon(open(d.config).read())
    true(tls_refused(port, ca=None) is not None, "without a certificate no handshake")
    one.become(two)
    d.reload()
    true(tls_ask(port, query(), ca, "two.test"), "with one after SIGHUP")


# ---- what clients do wrong ----
def hello(version=b"\x03\x03"):
    """The first bytes of a handshake, made by the ssl module."""
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    s = client_context().wrap_bio(inside, outside, server_hostname="dns.test")
    try:
        s.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outside.read()


@test
def bad_handshakes(scene):
    ca = Authority(scene.folder)
    lua = Lua(scene)
    d, port = start(scene, [ca.issue("dns.test")], more=lua.hook)
    first = hello()
    good = tls_connect(port, ca)
    cases = (
        ("plain DNS", frame(query())),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("noise", os.urandom(600)),
        ("a record of 65 535 bytes", b"\x16\x03\x01\xff\xff" + bytes(65535)),
        ("a handshake message of 16 MB", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380)),
        ("data before the handshake", b"\x17\x03\x03\x00\x20" + bytes(32)),
        ("an alert", b"\x15\x03\x01\x00\x02\x02\x28"),
        ("hello, then junk", first + b"\x16\x03\x03\x00\x20" + bytes(32)),
        ("empty records", b"\x16\x03\x01\x00\x00" * 2000),
    )
    for what, data in cases:
        with tcp_connect(port) as s:
            try:
                s.sendall(data)
            except OSError:
                pass
            out = closed(s)
            true(out is not None and b"\xc0\x0c" not in out, "%s: closed", what)
    good.sendall(frame(query()))
    true(tcp_read(good), "a good client is served meanwhile")
    good.close()
    r = reasons(d)
    true(r["TLS handshake failed"] >= len(cases) - 2, "%d cases, %s", len(cases), r)


@test
def slow_handshakes(scene):
    """Never finished, and one byte at a time: closed in time, counted; the others are served."""
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("dns.test")], more="setTCPRecvTimeout(1)")
    silent = [tcp_connect(port) for _ in range(50)]
    half = [tcp_connect(port) for _ in range(50)]
    first = hello()
    for s in half:
        s.sendall(first[:len(first) // 2])
    said = tcp_connect(port)
    said.sendall(first)
    drip, dripped, began, ended = tcp_connect(port), 0, time.monotonic(), None
    while time.monotonic() < began + 6 * SLOW and ended is None:
        try:
            drip.sendall(first[dripped:dripped + 1] or b"\0")
            dripped += 1
            drip.settimeout(0.1)
            if drip.recv(1) == b"":
                ended = time.monotonic()
        except socket.timeout:
            pass
        except OSError:
            ended = time.monotonic()
        true(tls_ask(port, query(), ca), "a good client meanwhile")
    true(ended, "a byte every 0.1 s: closed (%d bytes came)", dripped)
    within(ended - began, 0.5, 5 * SLOW, "seconds until then")
    for s in silent + half + [said]:
        true(closed(s, 5) is not None, "closed")
        s.close()
    drip.close()
    r = reasons(d)
    equal(r.get("TLS handshake not finished in time"), 102, "reasons %s" % r)


@test
def slow_queries(scene):
    """Behind the handshake: a query byte by byte, half a query, a client that never reads."""
    ca = Authority(scene.folder)
    d, port = start(scene, [ca.issue("dns.test")], more="setTCPRecvTimeout(1)\nsetTCPSendTimeout(1)",
                    options="maxInFlight=1000")
    half = tls_connect(port, ca)
    half.sendall(frame(query())[:9])
    full = tls_connect(port, ca)
    big = frame(query("big.test.", edns=4096)) * 50
    full.settimeout(0.3)
    try:
        for _ in range(20000):
            full.sendall(big)
    except OSError:  # it takes no more
        pass
    until(lambda: reasons(d).get("the peer does not read its answers") == 1, "one that never reads is closed", 8)
    true(closed(half, 5) == b"", "half a query: closed")
    equal(reasons(d).get("a message came too slowly"), 1, "its reason")
    true(tls_ask(port, query(), ca), "others are served")
    full.close()
    half.close()


need_cryptography()
main()
