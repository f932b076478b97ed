#!/usr/bin/env python3
"""What a newcomer meets: lines to paste, what the log says of mistakes, and how often."""
import os
import re
import subprocess
import time

from fake import Fake, Late
from harness import (SERVFAIL, SHREWD, SLOW, answer_to, equal, free_port, has_ipv6, main, query, test, tool, true, udp_ask,
                     udp_socket)
from tls_help import Authority, need_cryptography

SPOOF = 'addAction("example.com.", SpoofAction("192.0.2.50"))\n'


def check(scene, config, *args):
    """(exit status, log) of --check-config; the file is called @ in the log."""
    path = scene.file("check.conf", config)
    r = subprocess.run([SHREWD, "--check-config", "--structured-logging", "false", "-C", path, *args],
                       capture_output=True, text=True, timeout=20 * SLOW)
    return r.returncode, (r.stdout + r.stderr).replace(path, "@")


def paste(line):
    """What a shell makes of a line of the log."""
    r = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30 * SLOW)
    return r.returncode, r.stdout + r.stderr


# ---- --self-signed ----
@test
def lines_to_paste(scene):
    for program in ("kdig", "curl"):
        tool(program)
    dot, doh, six = free_port(), free_port(), free_port()
    config = 'setLocal("127.0.0.1:%d")\n%s' % (free_port(), SPOOF)
    config += 'addTLSLocal("127.0.0.1:%d", "self-signed")\n' % dot
    config += 'addDOHLocal("0.0.0.0:%d", "self-signed", "", {"/a b", "/team"})\n' % doh
    hosts = {("127.0.0.1", dot), ("127.0.0.1", doh)}
    if has_ipv6():
        config += 'addTLSLocal("[::]:%d", "self-signed")\n' % six
        hosts.add(("::1", six))
    d = scene.daemon(config, "--self-signed", "dns.test,127.0.0.1")
    lines = re.findall(r'msg="try: (.*?)" subsystem', d.log())
    equal(len(lines), 4 if has_ipv6() else 3, "one for each way and program:\n" + d.log())
    for line in lines:
        code, out = paste(line)
        equal(code, 0, "%s\n%s" % (line, out))
        if line.startswith("kdig"):
            true("NOERROR" in out and "192.0.2.50" in out, "%s\n%s", line, out)
        else:
            true(out.startswith("HTTP/2 200") and "application/dns-message" in out, "%s\n%s", line, out)
    said = {(a, int(p)) for a, p in re.findall(r"kdig @(\S+) -p (\d+) ", "\n".join(lines))}
    equal(said, hosts, "addresses and ports")


@test
def nothing_to_paste(scene):
    """Not of a certificate that is gone at once, and not of real ones."""
    need_cryptography()
    code, out = check(scene, 'addTLSLocal("127.0.0.1:5853", "self-signed")', "--self-signed", "dns.test")
    equal(code, 0, out)
    true("try:" not in out and "fingerprint" not in out, "--check-config:\n%s", out)
    own = Authority(scene.folder).issue("dns.test")
    d = scene.daemon('setLocal("127.0.0.1:%d")\naddTLSLocal("127.0.0.1:%d", "%s", "%s")' %
                     (free_port(), free_port(), own.cert, own.key), "--self-signed", "dns.test")
    true("try:" not in d.log(), d.log())


@test
def names_for_a_certificate(scene):
    for names in ("hello world", "-C", "192.0.2.300", "dns.test,x..y", "_"):
        code, out = check(scene, "", "--self-signed", names)
        equal(code, 1, "%s: exit status\n%s" % (names, out))
        true("--self-signed: expected a host name or an IP address, got '%s'" % names.split(",")[-1] in out, "%s: %s", names, out)


# ---- mistakes in the file ----
@test
def where_a_file_is_wrong(scene):
    need_cryptography()
    ca = Authority(scene.folder)
    one, two = ca.issue("dns.test"), ca.issue("dns.test")
    text = scene.file("text", "hello\n")
    gone = os.path.join(scene.folder, "gone")
    pair = '"%s", "%s"' % (one.cert, one.key)
    back = 'newServer({address="192.0.2.1", tls="openssl", subjectName="dns.test", %s})'
    for line, said in (
            ('addTLSLocal("127.0.0.1", "%s", "%s")' % (gone, one.key), "addTLSLocal: %s: No such file" % gone),
            ('addTLSLocal("127.0.0.1", "%s", "%s")' % (one.cert, gone), "addTLSLocal: %s: No such file" % gone),
            ('addDOHLocal("127.0.0.1", "%s", "%s")' % (text, one.key), "addDOHLocal: %s: no certificate in it (PEM)" % text),
            ('addTLSLocal("127.0.0.1", "%s", "%s")' % (one.cert, text), "addTLSLocal: %s: no private key in it (PEM)" % text),
            ('addTLSLocal("127.0.0.1", "%s", "%s")' % (one.cert, two.key), "addTLSLocal: %s: does not fit %s" % (two.key, one.cert)),
            ('addTLSLocal("127.0.0.1", %s, {ticketKeyFile="%s"})' % (pair, text), "addTLSLocal: %s: 6 bytes: a ticket key has 80" % text),
            ('addTLSLocal("127.0.0.1", %s, {ocspResponses="%s"})' % (pair, text), "addTLSLocal: %s: not an OCSP response" % text),
            ('addTLSLocal("127.0.0.1", %s, {keyLogFile="%s/x"})' % (pair, gone), "addTLSLocal: keyLogFile: %s/x: No such file" % gone),
            (back % ('caStore="%s"' % gone), "newServer: backend 192.0.2.1:853: CA store %s: No such file" % gone),
            (back % ('caStore="%s"' % text), "newServer: backend 192.0.2.1:853: CA store %s: no certificate could be read" % text),
            (back % ('caStore="%s", keyLogFile="%s/x"' % (ca.file, gone)), "newServer: backend 192.0.2.1:853: keyLogFile: %s/x: No such" % gone)):
        code, out = check(scene, "-- a comment\n\n" + line)
        true(code == 1 and out.startswith("@:3: " + said), "%s\n%d: %s", line, code, out)


@test
def where_a_reload_is_wrong(scene):
    """The line is that of the new file, and what worked goes on."""
    need_cryptography()
    one = Authority(scene.folder).issue("dns.test")
    dot = free_port()
    config = 'setLocal("127.0.0.1:%d")\n%s' % (free_port(), SPOOF)
    line = 'addTLSLocal("127.0.0.1:%d", "%s", "%s")\n' % (dot, one.cert, one.key)
    d = scene.daemon(config + line)
    os.rename(one.key, one.key + ".away")
    said = d.reload(config + "\n" + line)
    true("shrewd" in d.config and "%s:4: addTLSLocal: %s: No such file" % (d.config, one.key) in said, said)
    true("the old ones stay" in said, said)
    bad = 'newServer({address="192.0.2.1", name="bad", tls="openssl", subjectName="x", caStore="%s.gone", healthCheckMode="up"})\n' % one.cert
    os.rename(one.key + ".away", one.key)
    for n in (0, 2):
        said = d.reload(config + "\n" * n + bad + line, "old configuration stays")
        true("%s:%d: newServer: backend bad: CA store" % (d.config, 3 + n) in said, said)


@test
def old_certificates(scene):
    need_cryptography()
    old = Authority(scene.folder).issue("dns.test", days=(-30, -1))
    code, out = check(scene, 'addTLSLocal("127.0.0.1", "%s", "%s")' % (old.cert, old.key))
    equal(code, 0, out)
    true(out.startswith("@:1: addTLSLocal: %s: the certificate expired on " % old.cert), out)
    true(out.endswith("OK! with 1 warning, see above\n"), out)


@test
def pools_without_servers(scene):
    config = 'newServer({address="192.0.2.1", pool="abuse"})\naddAction("example.com.", PoolAction("%s"))\n'
    code, out = check(scene, config % "abuse")
    equal((code, "warning" in out), (0, False), out)
    code, out = check(scene, config % "abus" + 'addAction("example.net.", ContinueAction(QPSPoolAction(5, "none")))\n')
    equal(code, 0, out)
    true("-> to pool abus: that pool has no server" in out and "pool none: that pool has no server" in out, out)
    true(out.endswith("OK! with 2 warnings, see above\n"), out)


@test
def words_that_are_nearly_right(scene):
    code, out = check(scene, 'addTLSLocl("127.0.0.1")')
    true(code == 1 and "@:1: " in out and "did you mean 'addTLSLocal'?" in out, out)
    code, out = check(scene, "\n".join((
        'newServer({address="192.0.2.1", helthCheckMode="up"})', 'addLocal("127.0.0.1", {tcpListenQueSize=7})',
        'addDOHLocal("127.0.0.1", nil, nil, "/", {exactPathMaching=true})', 'setHedging({dealy=3})',
        'setRingBuffersOptions({recordQuerys=true})', 'newServer({address="192.0.2.2", somethingElse=1})')))
    equal(code, 0, out)
    for line, word in enumerate(("healthCheckMode", "tcpListenQueueSize", "exactPathMatching", "delay", "recordQueries"), 1):
        true(re.search("@:%d: [a-zA-Z]+: unknown option '[a-zA-Z]+' ignored: did you mean '%s'" % (line, word), out), "%s:\n%s", word, out)
    true("@:6: newServer: unknown option 'somethingElse' ignored\n" in out, out)
    true("OK! with 6 warnings" in out, out)


@test
def options_of_actions(scene):
    """Those that are not known are named, those that are known are not."""
    wrong = (('SpoofAction("192.0.2.1", {tttl=4})', "tttl", ": did you mean 'ttl'?"), ('RCodeAction(3, {ttll=3})', "ttll", ": did you mean 'ttl'?"),
             ('SpoofCNAMEAction("y.", {ttll=3})', "ttll", ": did you mean 'ttl'?"), ('SpoofAction("192.0.2.1", {typeForAny=1})', "typeForAny", ""),
             ('HTTPStatusAction(200, "x", "text/plain", {aaa=1})', "aaa", ": did you mean 'aa'?"))
    code, out = check(scene, "\n".join("addAction(AllRule(), %s)" % x[0] for x in wrong))
    equal(code, 0, out)
    for line, (action, key, near) in enumerate(wrong, 1):
        true("@:%d: %s: unknown option '%s' ignored%s\n" % (line, action.split("(")[0], key, near) in out, "%s:\n%s", action, out)
    flags = "{aa=true, ad=true, ra=true, ttl=3%s}"
    right = ['SpoofAction("192.0.2.1", "2001:db8::1")', 'SpoofAction({"192.0.2.1"}, %s)' % flags % "", 'RCodeAction(3, %s)' % flags % "",
             'SpoofRawAction("x", %s)' % flags % ", typeForAny=1",
             'NegativeAndSOAAction(true, "a.", 60, "b.", "c.", 1, 2, 3, 4, 5, %s)' % flags % ", soaInAuthoritySection=true"]
    code, out = check(scene, "\n".join("addAction(AllRule(), %s)" % x for x in right))
    equal((code, out), (0, "Configuration '@' OK!\n"), "known ones")


@test
def undefined_names(scene):
    code, out = check(scene, "if something then x = 1 end\nsetServerPolicy(firstAvailabel)")
    true(code == 1 and "@:2: setServerPolicy: argument 1 (policy): got nothing, expected a policy" in out, out)
    true("'firstAvailabel' is not defined: did you mean 'firstAvailable'?" in out, out)
    code, out = check(scene, "addAction(AllRul(), DropActoin)")
    true(code == 1 and "did you mean 'AllRule'?" in out and "not defined" not in out, out)
    code, out = check(scene, "if newServers then x = 1 end\nlocal backend\nnewServer(backend)")
    true(code == 1 and "@:3: newServer: argument 1 (" in out and "is not defined" not in out, out)
    code, out = check(scene, "if something then x = 1 end\nsetServerPolicy(\n  firstAvailabel)")
    true(code == 1 and "'firstAvailabel' is not defined: did you mean 'firstAvailable'?" in out, out)
    code, out = check(scene, "if something then x = 1 end\nsetServerPolicy(nil)")
    true(code == 1 and "is not defined" not in out, out)


@test
def what_has_no_meaning(scene):
    lines = (('setWorkerLayout("split", 3)', "setWorkerLayout: workers: 3 is ignored: only sharded counts them"),
             ('addTLSLocal("127.0.0.1:5853", "self-signed", "key.pem")', "addTLSLocal: keys: ignored: 'self-signed' has its own"))
    for line, said in lines:
        code, out = check(scene, line, "--self-signed", "dns.test")
        true(code == 0 and out.startswith("@:1: %s\n" % said), out)
    code, out = check(scene, 'setWorkerLayout("sharded", 3)\naddDOHLocal("127.0.0.1:5853", "self-signed", "", "/")\n'
                      'addTLSLocal("127.0.0.1:5854", "self-signed", "self-signed")', "--self-signed", "dns.test")
    equal((code, out), (0, "Configuration '@' OK!\n"), "what has one")


@test
def wrong_address(scene):
    code, out = check(scene, 'newServer("192.0.2.300")\n')
    equal(code, 0, "as dnsdist does")
    true("@:1: newServer: address: expected" in out and out.endswith("Configuration '@' OK! with 1 warning, see above\n"), out)
    for address, part in (("192.0.2.300", "that is no IPv4 address"), ("192.0.2.1:99999", "the port is no number from 1 to 65535"),
                          ("[2001:db8::1]:x", "the port is no number from 1 to 65535"), ("127.0.0.1:53:53", "more than one ':', but no IPv6 address")):
        code, out = check(scene, 'newServer("%s")\n' % address)
        true("got '%s': %s: this server is left out\n" % (address, part) in out, out)
    code, out = check(scene, 'newServer("192.0.2.30")\n')
    true(code == 0 and out == "Configuration '@' OK!\n", out)


# ---- while it runs ----
@test
def refused_backend(scene):
    """The first refusal is said, not each, and so is the end."""
    port, back = free_port(), free_port()
    d = scene.daemon('setLocal("127.0.0.1:%d")\nsetServFailWhenNoServer(true)\n'
                     'newServer({address="127.0.0.1:%d", name="gone", tcpOnly=true, healthCheckMode="up"})' % (port, back))
    ask = udp_socket(port)
    for i in range(16):
        ask.send(query("a%d.test." % i))
        time.sleep(0.25)
    said = [x for x in d.log().splitlines() if "gone" in x]
    true(1 <= len(said) <= 2 and "Connection refused" in said[0], "\n".join(said))
    scene.keep(Fake(back))
    true(udp_ask(port, query("b.test."), timeout=5 * SLOW), "it is back")
    d.wait_log("backend gone answers again, after ")


@test
def backend_without_address(scene):
    d = scene.daemon('setLocal("127.0.0.1:%d")\nnewServer({address="back.test:53", name="byname", checkInterval=1, maxCheckFailures=1, '
                     'bootstrap={"127.0.0.1:%d"}})' % (free_port(), free_port()))
    d.wait_log("backend byname (none) is down: its name is not resolved yet")


@test
def name_of_a_certificate(scene):
    """The log says which name was wanted and which there are."""
    need_cryptography()
    ca = Authority(scene.folder)
    names = ["n%d.test" % i for i in range(6)]
    own = ca.issue(*names)
    dot = free_port()
    scene.daemon('setLocal("127.0.0.1:%d")\naddTLSLocal("127.0.0.1:%d", "%s", "%s")' % (free_port(), dot, own.cert, own.key))
    d = scene.daemon('setLocal("127.0.0.1:%d")\nnewServer({address="127.0.0.1:%d", name="dot", tls="openssl", '
                     'subjectName="dns.test", caStore="%s"})' % (free_port(), dot, ca.file))
    d.wait_log("certificate is for another name: wanted 'dns.test', it has 'n0.test', 'n1.test', 'n2.test', 'n3.test' and 2 more")


@test
def settings_of_the_start(scene):
    port = free_port()
    config = 'setLocal("127.0.0.1:%d"%s)\n%s' % (port, "%s", SPOOF)
    d = scene.daemon(config % "")
    true("next start" not in d.reload(config % "" + "setUDPTimeout(3)\n"), "nothing to say")
    changed = config % ", {tcpListenQueueSize=7}" + 'setMaxTCPClientThreads(3)\nsetRingBuffersSize(17)\n'
    for _ in range(2):
        said = d.reload(changed)
        for word in ("setMaxTCPClientThreads", "setRingBuffersSize", "%s:1: setLocal: tcpListenQueueSize" % d.config):
            true("%s: has changed, which counts from the next start on" % word in said, "%s:\n%s", word, said)
    true("next start" not in d.reload(config % ""), "as at the start")
    equal(udp_ask(port, query("example.com.")).addresses(), ["192.0.2.50"], "it works")


@test
def scheme(scene):
    """getHTTPScheme() says what the connection is, not what the client says."""
    tool("curl")
    tls, clear = free_port(), free_port()
    scene.daemon('setLocal("127.0.0.1:%d")\nsetACL("127.0.0.0/8")\n' % free_port() +
                 'addDOHLocal("127.0.0.1:%d", "self-signed", "", "/")\n' % tls +
                 'addDOHLocal("127.0.0.1:%d", nil, nil, "/", {http1=true, keepIncomingHeaders=true})\n' % clear +
                 'addAction(AllRule(), LuaAction(function(dq) dq:setHTTPResponse(200, dq:getHTTPScheme(), "text/plain") '
                 'return DNSAction.Refused, "" end))', "--self-signed", "dns.test")
    ask = "/?dns=AAABAAABAAAAAAAAB2V4YW1wbGUDY29tAAABAAE"
    for args, port, want in ((("-k",), tls, "https"), (("--http2-prior-knowledge",), clear, "http"), (("--http1.1",), clear, "http"),
                             (("--http1.1", "-H", "X-Forwarded-Proto: https"), clear, "http"),
                             (("--http2-prior-knowledge", "-H", "X-Forwarded-Proto: https"), clear, "http")):
        url = "%s://127.0.0.1:%d%s" % ("https" if port == tls else "http", port, ask)
        r = subprocess.run([tool("curl"), "-sS", "-m", "8", *args, url], capture_output=True, text=True, timeout=20 * SLOW)
        equal(r.stdout, want, "%s: %s" % (args, r.stderr))


@test
def headers_of_pages(scene):
    """A page with headers of its own carries those in place of customResponseHeaders."""
    tool("curl")
    port = free_port()
    scene.daemon('setLocal("127.0.0.1:%d")\naddDOHLocal("127.0.0.1:%d", nil, nil, "/q", {customResponseHeaders={["x-all"]="1"}})\n'
                 'getDOHFrontend(0):setResponsesMap({newDOHResponseMapEntry("^/own$", 200, "a", {["x-own"]="2"}), '
                 'newDOHResponseMapEntry("^/none$", 200, "b")})' % (free_port(), port))
    for path, want in (("/own", {"x-own: 2"}), ("/none", {"x-all: 1"}), ("/nothing", {"x-all: 1"})):
        r = subprocess.run([tool("curl"), "-sS", "-m", "8", "--http2-prior-knowledge", "-D", "-", "-o", os.devnull,
                            "http://127.0.0.1:%d%s" % (port, path)], capture_output=True, text=True, timeout=20 * SLOW)
        equal({x.strip() for x in r.stdout.splitlines() if x.startswith("x-")}, want, path + r.stderr)


# ---- what the manual promises of slow and lost backends ----
@test
def counters_of_the_manual(scene):
    port, slow, quick = free_port(), free_port(), free_port()
    scene.keep(Fake(slow, script=lambda wire, via: Late(2, answer_to(wire))))
    fake = scene.keep(Fake(quick))
    config = 'setLocal("127.0.0.1:%d")\nnewServer({address="127.0.0.1:%d", order=1, healthCheckMode="up"})\n' % (port, slow)
    other = 'newServer({address="127.0.0.1:%d", order=2, healthCheckMode="up"})\n' % quick
    d = scene.daemon(config + other + 'setServerPolicy(firstAvailable)\nsetHedging({delay=100, percent=50})\n')
    started = time.monotonic()
    true(udp_ask(port, query("a.test."), timeout=5 * SLOW), "an answer")
    true(time.monotonic() - started < 1.5 * SLOW and fake.seen, "by the second backend")
    stats = d.stats()
    equal((stats["hedges"], stats["hedges-won"]), (1, 1), "hedges")
    # silence becomes SERVFAIL at the deadline
    said = d.reload(config + "setServFailOnTimeout(true)\nsetQueryDeadline(400)\n")
    true("loaded" in said, said)
    equal(udp_ask(port, query("b.test."), timeout=5 * SLOW).rcode, SERVFAIL, "at the deadline")
    stats = d.stats()
    equal((stats["downstream-timeouts"], stats["frontend-servfail"]), (1, 1), "timeouts")
    # nobody is up: the path that is back is found by a query
    gone = free_port()
    d.reload('setLocal("127.0.0.1:%d")\nnewServer({address="127.0.0.1:%d", name="gone", checkInterval=60, maxCheckFailures=1})\n'
             % (port, gone))
    d.wait_log("backend gone (127.0.0.1:%d) is down" % gone)
    scene.keep(Fake(gone))
    equal(udp_ask(port, query("c.test."), timeout=5 * SLOW).addresses(), ["192.0.2.1"], "the first query after it is back")
    equal(d.stats()["last-resort-queries"], 1, "last-resort-queries")
    true(re.search(r"0 +gone +127\.0\.0\.1:%d +\S+ +.*stat" % gone, d.log()), "the table of backends by SIGUSR1:\n%s", d.log())


if __name__ == "__main__":
    main()
