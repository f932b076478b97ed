#!/usr/bin/env python3
"""Chromium: it resolves by our DoH the name of a page that nobody else knows, and a page's script asks us.

The first wants a whole browser (chromium, or what CHROMIUM names): chromium-headless-shell has no DNS over HTTPS."""
import base64
import hashlib
import json
import os
import subprocess

from harness import SLOW, Skip, free_port, main, query, test, tool, true
from tls_help import Authority, need_cryptography, serialization
from web import Web

SCRIPT = """<script>
(async () => {
  const answers = await Promise.all([...Array(20)].map(async () => {
    const r = await fetch("https://127.0.0.1:%d/dns-query?dns=%s", {cache: "no-store"});
    return r.status + " " + new Uint8Array(await r.arrayBuffer()).slice(-4).join(".");
  }));
  document.body.textContent = answers.filter(a => a == "200 192.0.2.1").length + " answers";
})();
</script>"""


def program(*names):
    for name in names:
        try:
            return tool(name)
        except Skip:
            continue
    raise Skip("no " + " or ".join(names))


def browse(scene, binary, identity, url, *args, state=None):
    """What a page looks like to the browser, which takes |identity| for trusted; |state|: of the browser."""
    key = identity.private.public_key().public_bytes(serialization.Encoding.DER,
                                                     serialization.PublicFormat.SubjectPublicKeyInfo)
    profile = os.path.join(scene.folder, "profile%d" % len(os.listdir(scene.folder)))
    os.mkdir(profile)
    with open(os.path.join(profile, "Local State"), "w") as f:
        json.dump(state or {}, f)
    argv = [binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--no-proxy-server", "--disable-background-networking", "--disable-component-update", "--user-data-dir=" + profile,
            "--ignore-certificate-errors-spki-list=" + base64.b64encode(hashlib.sha256(key).digest()).decode(),
            "--virtual-time-budget=10000", *args, "--dump-dom", url]
    try:
        r = subprocess.run(argv, capture_output=True, text=True, timeout=25 * SLOW, env=dict(os.environ, HOME=scene.folder))
    except subprocess.TimeoutExpired as e:
        return "time-out %s" % (e.stderr or b"").decode()[-500:]
    return r.stdout + r.stderr[-500:]


@test
def resolves_by_doh(scene):
    try:
        binary = os.environ.get("CHROMIUM") or program("chromium", "chromium-browser", "google-chrome")
    except Skip as e:
        raise Skip("%s (chromium-headless-shell has no DNS over HTTPS)" % e)
    identity = Authority(scene.folder).issue("dns.test", "127.0.0.1")
    web, port = scene.keep(Web()), free_port()
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
addDOHLocal("127.0.0.1:%d", "%s", "%s", "/dns-query")
addAction(AndRule({QNameSuffixRule("shrewd.test."), QTypeRule(DNSQType.A)}), SpoofAction("127.0.0.1"))
addAction("shrewd.test.", RCodeAction(DNSRCode.NOERROR))
addAction(AllRule(), RCodeAction(DNSRCode.NXDOMAIN))
""" % (free_port(), port, identity.cert, identity.key))
    for method, template in (("POST", ""), ("GET", "{?dns}")):
        name = method.lower() + ".shrewd.test"
        before = d.stats()["queries"]
        out = browse(scene, binary, identity, "http://%s:%d/" % (name, web.port), state={
            "dns_over_https": {"mode": "secure", "templates": "https://127.0.0.1:%d/dns-query%s" % (port, template)}})
        true("the page of %s:%d" % (name, web.port) in out, "a page by DoH with %s:\n%s", method, out)
        true(d.stats()["queries"] > before, "it asked us")


@test
def fetches_by_script(scene):
    binary = os.environ.get("CHROMIUM") or program("chromium-headless-shell", "chromium", "chromium-browser",
                                                   "google-chrome")
    identity = Authority(scene.folder).issue("dns.test", "127.0.0.1")
    port = free_port()
    web = scene.keep(Web(SCRIPT % (port, base64.urlsafe_b64encode(query(qid=0)).decode().rstrip("="))))
    d = scene.daemon("""
setLocal("127.0.0.1:%d")
addDOHLocal("127.0.0.1:%d", "%s", "%s", "/dns-query", {customResponseHeaders={["access-control-allow-origin"]="*"}})
addAction(AllRule(), SpoofAction("192.0.2.1"))
""" % (free_port(), port, identity.cert, identity.key))
    out = browse(scene, binary, identity, "http://127.0.0.1:%d/" % web.port)
    true("20 answers" in out, "answers to a script's requests:\n%s", out)
    true(d.stats()["queries"] == 20, "queries: %s", d.stats()["queries"])


need_cryptography()
main()
