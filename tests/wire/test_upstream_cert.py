#!/usr/bin/env python3
"""Who a backend must be: names, addresses, dates, chains, pins, stamps; what is wrong is refused at once and said."""
import base64
import os
import shutil
import subprocess
import time

from harness import NOERROR, SERVFAIL, SHREWD, SLOW, Skip, equal, free_port, main, query, test, tool, true, udp_ask, until
from lua_help import reasons
from tls_fake import TlsFake
from tls_help import Authority, need_cryptography, server_context

CONFIG = """
setLocal("127.0.0.1:%d")
setServFailOnTimeout(true)
setServFailWhenNoServer(true)
addAction("self.test.", SpoofAction("192.0.2.9"))
newServer({address="%s", name="peer", healthCheckMode="up", %s})
"""


def start(scene, identity, options, doh=False, address=None, **how):
    back, port = free_port(), free_port()
    f = scene.keep(TlsFake(back, identity, doh=doh, **how))
    d = scene.daemon(CONFIG % (port, address(back) if address else "127.0.0.1:%d" % back,
                               options + (', dohPath="/dns-query"' if doh and not address else "")))
    return d, port, f


def good(scene, what, identity, options, doh=False, **how):
    d, port, f = start(scene, identity, options, doh, **how)
    for i in range(3):
        reply = udp_ask(port, query("q%d.test." % i))
        true(reply and reply.addresses() == ["192.0.2.1"], "%s: an answer; the log:\n%s", what, d.log()[-800:])
    equal(f.connections, 1, what + ": connections")
    d.stop()
    return f


def bad(scene, what, identity, options, words, doh=False, **how):
    """SERVFAIL at once, a line with backend and reason, and no query reaches the peer."""
    d, port, f = start(scene, identity, options, doh, **how)
    for i in range(3):
        started = time.monotonic()
        reply = udp_ask(port, query("q%d.test." % i), timeout=4)
        took = time.monotonic() - started
        equal(reply and reply.rcode, SERVFAIL, "%s: rcode" % what)
        true(took < 0.7 * SLOW, "%s: at once, not after %.2f s", what, took)
    equal(udp_ask(port, query("self.test.")).addresses(), ["192.0.2.9"], "others are served")
    log = d.log()
    true("backend peer" in log and words in log, "%s: the log names backend and reason:\n%s", what, log[-800:])
    equal(f.seen, [], what + ": queries that the wrong one saw")
    r = reasons(d)
    true(r.get("the backend's certificate was refused", 0) >= 1, "%s: reasons %s", what, r)
    true(f.connections <= 6, "%s: %d connections for three queries", what, f.connections)
    d.stop()


@test
def good_ones(scene):
    ca = Authority(scene.folder)
    deep = ca.middle().middle().issue("dns.test", "192.0.2.53", "127.0.0.1", "2001:db8::53")
    store = 'tls="openssl", caStore="%s", ' % ca.file
    for doh in (False, True):
        for what, identity, options in (
                ("a name", ca.issue("dns.test"), store + 'subjectName="dns.test"'),
                ("a name with a dot at its end", ca.issue("dns.test"), store + 'subjectName="dns.test."'),
                ("one of many", deep, store + 'subjectName="dns.test"'),
                ("a wildcard", ca.issue("*.dns.test"), store + 'subjectName="one.dns.test"'),
                ("an address", deep, store + 'subjectAddr="192.0.2.53"'),
                ("an IPv6 address", deep, store + 'subjectAddr="2001:db8::53"'),
                ("an address as a name", deep, store + 'subjectName="127.0.0.1"'),
                ("RSA", ca.issue("dns.test", kind="rsa"), store + 'subjectName="dns.test"'),
                ("P-384", ca.issue("dns.test", kind="p384"), store + 'subjectName="dns.test"'),
                ("nothing checked", Authority.self_signed(scene.folder, "x.test", days=(-9, -8)),
                 'tls="openssl", validateCertificates=false, subjectName="dns.test"')):
            good(scene, "%s, %s" % (what, "DoH" if doh else "DoT"), identity, options, doh)
    for version in ("1.2", "1.3"):
        f = good(scene, "TLS " + version, ca.issue("dns.test"), store + 'subjectName="dns.test"', version=version)
        equal(f.versions, {"TLSv" + version}, "version")


@test
def bad_ones(scene):
    ca, other = Authority(scene.folder), Authority(scene.folder, "another authority")
    store = 'tls="openssl", caStore="%s", ' % ca.file
    name = store + 'subjectName="dns.test"'
    for what, identity, options, words in (
            ("another name", ca.issue("other.test"), name, "certificate is for another name"),
            ("a longer name", ca.issue("a.dns.test"), name, "certificate is for another name"),
            ("a wildcard too wide", ca.issue("*.test"), store + 'subjectName="a.dns.test"',
             "certificate is for another name"),
            ("a name that only the subject holds", ca.issue("other.test", subject="dns.test"), name,
             "certificate is for another name"),
            ("another address", ca.issue("dns.test", "192.0.2.1"), store + 'subjectAddr="192.0.2.2"',
             "certificate is for another address"),
            ("expired", ca.issue("dns.test", days=(-30, -1)), name, "expired"),
            ("not yet valid", ca.issue("dns.test", days=(1, 30)), name, "not yet valid"),
            ("not yet valid, though the clock is set", ca.issue("dns.test", days=(1, 30)),
             name + ", ignoreDatesUntilClockSet=true",
             "not yet valid"),
            ("self-signed", Authority.self_signed(scene.folder, "dns.test"), name, "self-signed certificate"),
            ("another authority", other.issue("dns.test"), name, "unable to get local issuer certificate"),
            ("an intermediate is missing", ca.middle().issue("dns.test", chain=False), name,
             "unable to get local issuer certificate"),
            ("an expired intermediate", ca.middle(days=(-30, -1)).issue("dns.test"), name, "expired"),
            ("an issuer that is none", fake_issuer(ca), name, "")):
        bad(scene, what, identity, options, words)
        if what in ("another name", "expired", "self-signed"):
            bad(scene, what + ", DoH", identity, options, words, True)
        if what == "another name":
            bad(scene, what + ", TLS 1.2", identity, options, words, version="1.2")
    bad(scene, "not in the system's store", ca.issue("dns.test"), 'tls="openssl", subjectName="dns.test"',
        "unable to get local issuer certificate")


def fake_issuer(ca):
    """Signed by one whose certificate does not make it an authority."""
    leaf = ca.issue("leaf.test")
    issuer = Authority(ca.folder)
    issuer.private, issuer.certificate, issuer.parent = leaf.private, leaf.certificate, ca
    return issuer.issue("dns.test")


@test
def pins(scene):
    ca, other = Authority(scene.folder), Authority(scene.folder, "another authority")
    identity, alone = ca.issue("dns.test"), Authority.self_signed(scene.folder, "dns.test")
    name = 'tls="openssl", caStore="%s", subjectName="dns.test", ' % ca.file
    unchecked = 'tls="openssl", validateCertificates=false, subjectName="dns.test", '

    def pinned(*which):
        return "certificatePins={%s}" % ", ".join('"%s"' % i.pin.hex() for i in which)
    good(scene, "pinned itself", identity, name + pinned(identity))
    good(scene, "its authority is pinned", identity, name + pinned(other, ca))
    good(scene, "pinned, nothing else checked", alone, unchecked + pinned(alone))
    bad(scene, "another is pinned", identity, name + pinned(other), "no certificate of the chain is a pinned one")
    bad(scene, "another is pinned, nothing else checked", alone, unchecked + pinned(identity),
        "no certificate of the chain is a pinned one")
    bad(scene, "pinned, and another name", ca.issue("other.test"), name + pinned(ca), "certificate is for another name")


def stamp(kind, address, hashes, host, path=None):
    def text(s, more=0):
        s = s if isinstance(s, bytes) else s.encode()
        return bytes([len(s) | more]) + s
    out = bytes([kind]) + bytes(8) + text(address)
    for i, h in enumerate(hashes or [b""]):
        out += text(h, 0x80 if hashes and i + 1 < len(hashes) else 0)
    out += text(host) + (text(path) if path else b"")
    return "sdns://" + base64.urlsafe_b64encode(out).decode().rstrip("=")


@test
def stamps(scene):
    """sdns:// holds address, name, pins and path of a backend."""
    ca = Authority(scene.folder)
    identity, other = ca.issue("dns.test", "127.0.0.1"), ca.issue("other.test")
    store = 'caStore="%s"' % ca.file
    good(scene, "DoT", identity, store, address=lambda p: stamp(3, "127.0.0.1:%d" % p, [], "dns.test"))
    good(scene, "DoT, the port with the name", identity, store,
         address=lambda p: stamp(3, "127.0.0.1", [], "dns.test:%d" % p))
    good(scene, "DoH", identity, store, True, address=lambda p: stamp(2, "127.0.0.1:%d" % p, [], "dns.test", "/dns-query"))
    good(scene, "DoH with pins", identity, store, True,
         address=lambda p: stamp(2, "127.0.0.1:%d" % p, [bytes(32), ca.pin], "dns.test", "/dns-query"))
    bad(scene, "DoT of another name", other, store, "certificate is for another name",
        address=lambda p: stamp(3, "127.0.0.1:%d" % p, [], "dns.test"))
    bad(scene, "DoT with another pin", identity, store, "no certificate of the chain is a pinned one",
        address=lambda p: stamp(3, "127.0.0.1:%d" % p, [bytes(32)], "dns.test"))
    good(scene, "plain", None, "tcpOnly=true", address=lambda p: "sdns://" + base64.urlsafe_b64encode(
        b"\0" + bytes(8) + bytes([len("127.0.0.1:%d" % p)]) + b"127.0.0.1:%d" % p).decode().rstrip("="), tls=False)


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
/* A clock that began at 1970 when the machine did. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int err = real(id, t);
	if (err == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec %= 1000000;
	return err;
}
int gettimeofday(struct timeval *restrict v, void *restrict zone)
{
	struct timespec t;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	*v = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
	return 0;
}
time_t time(time_t *r)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return r ? (*r = t.tv_sec) : t.tv_sec;
}
"""


@test
def clock_of_1970(scene):
    """A router without a clock: certificates are from the future; ignoreDatesUntilClockSet lets them pass and says so."""
    if SLOW > 1:
        raise Skip("sanitizers want to be loaded first")
    library = os.path.join(scene.folder, "clock.so")
    r = subprocess.run([shutil.which("cc") or tool("gcc"), "-shared", "-fPIC", "-O1", "-o", library,
                        scene.file("clock.c", CLOCK), "-ldl"],
                       capture_output=True, text=True)
    equal(r.returncode, 0, "a library with another clock: " + r.stderr)
    ca = Authority(scene.folder)
    options = 'tls="openssl", caStore="%s", subjectName="dns.test"' % ca.file
    os.environ["LD_PRELOAD"] = library
    try:
        bad(scene, "dates count", ca.issue("dns.test"), options, "not yet valid")
        d, port, _ = start(scene, ca.issue("dns.test"), options + ", ignoreDatesUntilClockSet=true")
        equal(udp_ask(port, query()).rcode, NOERROR, "they do not")
        true("dates are not checked until the clock is set" in d.log(), "said in the log:\n%s", d.log())
        d.stop()
        bad(scene, "the name counts", ca.issue("other.test"), options + ", ignoreDatesUntilClockSet=true",
            "certificate is for another name")
    finally:
        del os.environ["LD_PRELOAD"]


@test
def wrong_options(scene):
    """What cannot work is said with a sentence, when the file is read or at the first query, which gets SERVFAIL at once."""
    ca = Authority(scene.folder)
    junk = scene.file("junk.pem", "hello\n")
    for what, options, words in (
            ("no such store", 'tls="openssl", subjectName="a.test", caStore="/nowhere/ca.pem"', "/nowhere/ca.pem"),
            ("a store without certificates", 'tls="openssl", subjectName="a.test", caStore="%s"' % junk, junk),
            ("ciphers that nobody knows", 'tls="openssl", subjectName="a.test", caStore="%s", ciphers="NOTHING"' % ca.file, "NOTHING")):
        d, port, f = start(scene, ca.issue("a.test"), options)
        started = time.monotonic()
        equal(udp_ask(port, query(), timeout=4).rcode, SERVFAIL, what)
        true(time.monotonic() - started < 0.7 * SLOW, "%s: at once", what)
        true(words in d.log() and "peer" in d.log(), "%s: %r and the backend are in the log:\n%s", what, words, d.log())
        equal(f.seen, [], what)
        d.stop()
    tls = '{address="127.0.0.1:1", name="peer", tls="openssl", %s}'
    for what, server, words in (("no name", tls % "", "subjectName"),
                                ("a short pin", tls % 'subjectName="a.test", certificatePins={"00"}', "certificatePins"),
                                ("an address that is none", tls % 'subjectAddr="192.0.2.300"', "192.0.2.300"),
                                ("a stamp that ends early", '"sdns://AwAA"', "stamp"),
                                ("a stamp of DNSCrypt", '"%s"' % stamp(1, "127.0.0.1:1", [], "a.test"), "DNSCrypt")):
        text = 'setLocal("127.0.0.1:%d")\nnewServer(%s)\n' % (free_port(), server)
        r = subprocess.run([SHREWD, "--supervised", "--disable-syslog", "--check-config", "-C",
                            scene.file("wrong.conf", text)],
                           capture_output=True, text=True, timeout=10 * SLOW)
        true(words in r.stdout + r.stderr, "%s: %r is said (status %d):\n%s", what, words, r.returncode, r.stdout + r.stderr)


@test
def changed_certificate(scene):
    """A backend that comes back with a wrong certificate is not asked; with a right one it is."""
    ca = Authority(scene.folder)
    d, port, f = start(scene, ca.issue("dns.test"), 'tls="openssl", subjectName="dns.test", caStore="%s"' % ca.file)
    equal(udp_ask(port, query("a.test.")).rcode, NOERROR, "first")
    f.context = server_context(ca.issue("other.test"), "dot")
    f.drop()
    until(lambda: udp_ask(port, query("b.test."), timeout=3).rcode == SERVFAIL, "another certificate: refused")
    seen = len(f.seen)
    equal(udp_ask(port, query("c.test."), timeout=3).rcode, SERVFAIL, "still refused")
    equal(len(f.seen), seen, "queries that the wrong one saw")
    f.context = server_context(ca.issue("dns.test"), "dot")
    started = time.monotonic()
    until(lambda: udp_ask(port, query("d.test."), timeout=3).rcode == NOERROR, "the right one again")
    true(time.monotonic() - started < 2.5 * SLOW, "%.2f s until it is asked again", time.monotonic() - started)


need_cryptography()
main()
