#!/usr/bin/env python3
"""Measures proxies that read dnsdist's language side by side, in turns, on one machine.

    perf.py --work DIR --proxy NAME='COMMAND {conf}' [--proxy ...] [--scenario S ...] [--rounds N] [--seconds N]

COMMAND starts a proxy in the foreground; {conf} is the configuration written for it, below DIR.  A command (or
DNSPERF in the environment) that begins with 'chroot ROOT' sees paths below ROOT: DIR must lie below ROOT then.  {port} is
the port of the load, for a command that takes the proxy's place as it is: 'DIR/responder 127.0.0.1 {port}', the bare
responder, is the limit of what can be reached over UDP and TCP.
dot-*, doh-*: clients over DoT, DoH.  out-dot, out-doh: clients over UDP, one upstream over DoT, DoH: --upstream, a command
like that of a proxy, which answers everything by itself and whose CPU is not counted.
Every proxy gets the same configuration and load; they take turns within a round.  What holds on a noisy machine:
CPU microseconds of the proxy per answered query, of it the user part (the program; the rest is the kernel), and
ratios within one run.  Needs dnsperf, h2load, openssl and a C compiler.
"""
import argparse
import base64
import os
import re
import statistics
import subprocess
import sys

from common import (DNS_PORT, DOH_PORT, DOT_PORT, TICKS_PER_S, UP_PORT, Proxy, certificate, dnsperf, query, seen,
                    start_responder, stop)

LOCAL = """setSecurityPollSuffix("")
setACL({"127.0.0.0/8", "::1/128"})
setMaxTCPClientThreads(1)
setOutgoingDoHWorkerThreads(1)
addLocal("127.0.0.1:@DNS@")
"""
BASE = LOCAL + 'newServer({address="127.0.0.1:@BACKEND@", name="b1", healthCheckMode="up"})\n'
DOT_IN = BASE + 'addTLSLocal("127.0.0.1:@DOT@", "@DIR@/cert.pem", "@DIR@/key.pem")\n'
DOH_IN = BASE + 'addDOHLocal("127.0.0.1:@DOH@", "@DIR@/cert.pem", "@DIR@/key.pem", "/dns-query")\n'
# maxInFlight: without it dnsdist sends a query per connection and round trip, and the comparison would flatter us
OUT = ('newServer({address="127.0.0.1:%s", name="b1", tls="openssl", subjectName="localhost", validateCertificates=false, '
       'healthCheckMode="up", maxInFlight=1000%s})\n')
UPSTREAM = """setSecurityPollSuffix("")
setMaxTCPClientThreads(2)
addLocal("127.0.0.1:@UP@")
addTLSLocal("127.0.0.1:@UPDOT@", "@DIR@/cert.pem", "@DIR@/key.pem")
addDOHLocal("127.0.0.1:@UPDOH@", "@DIR@/cert.pem", "@DIR@/key.pem", "/dns-query")
addAction(AllRule(), SpoofAction("192.0.2.1"))
"""
CACHE = 'getPool(""):setCache(newPacketCache(100000, {maxTTL=86400}))\n'


def rules():
    """40 rules of the kinds that configurations hold; none matches the load."""
    names = ['"blocked%d.example."' % i for i in range(1000)]
    lines = ['addAction(QNameSuffixRule({%s}), DropAction())' % ", ".join(names)]
    for i in range(13):
        lines.append('addAction(AndRule({QTypeRule(DNSQType.AXFR), NetmaskGroupRule("10.%d.0.0/16")}), RCodeAction(5))' % i)
        lines.append('addAction(QNameRule("one%d.example."), SpoofAction("192.0.2.%d"))' % (i, i + 1))
        lines.append('addAction(NetmaskGroupRule({"10.0.%d.0/24", "192.168.%d.0/24"}), PoolAction("p%d"))' % (i, i, i))
    return "\n".join(lines) + "\n"


# name: configuration, transport of the load; "out-": needs the upstream
SCENARIOS = {
    "udp-cached": (BASE + CACHE, "udp"),
    "udp-forward": (BASE, "udp"),
    "udp-rules": (BASE + CACHE + rules(), "udp"),
    "tcp-cached": (BASE + CACHE, "tcp"),
    "tcp-forward": (BASE, "tcp"),
    "dot-cached": (DOT_IN + CACHE, "dot"),
    "dot-forward": (DOT_IN, "dot"),
    "doh-cached": (DOH_IN + CACHE, "doh"),
    "doh-forward": (DOH_IN, "doh"),
    "out-dot": (LOCAL + OUT % ("@UPDOT@", ""), "udp"),
    "out-doh": (LOCAL + OUT % ("@UPDOH@", ', dohPath="/dns-query"'), "udp"),
}


def number(text, pattern):
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def load(transport, names, seconds, per_s=None):
    """One run of dnsperf, of 20 clients with 200 queries in flight: its figures; an answer that is no NOERROR is lost."""
    if transport == "doh":
        return load_doh(os.path.join(os.path.dirname(names), "urls.txt"), seconds)
    words = dnsperf()
    out = subprocess.run(["timeout", str(seconds + 20)] + words + [
        "-s", "127.0.0.1", "-p", str(DOT_PORT if transport == "dot" else DNS_PORT), "-m", transport, "-d", seen(names, words),
        "-l", str(seconds), "-c", "20", "-q", "200", "-T", "1"] + (["-Q", str(per_s)] if per_s else []),
        capture_output=True, text=True).stdout
    done = number(out, r"Queries completed:\s+(\d+)")
    return {"qps": number(out, r"Queries per second:\s+([\d.]+)"), "done": done, "sent": number(out, r"Queries sent:\s+(\d+)"),
            "lost": number(out, r"Queries lost:\s+(\d+)") + done - number(out, r"NOERROR (\d+)"),
            "latency_ms": number(out, r"Average Latency \(s\):\s+([\d.]+)") * 1000}


def load_doh(urls, seconds):
    """The same by h2load: dnsperf loses all answers but the last of those that arrive in one piece over DoH."""
    out = subprocess.run(["timeout", str(seconds + 20), "h2load", "-i", urls, "-D", str(seconds), "-c", "20", "-m", "10", "-t",
                          "1"], capture_output=True, text=True).stdout
    done = number(out, r"status codes: (\d+) 2xx")
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", out)
    return {"qps": done / seconds, "done": done, "sent": number(out, r"(\d+) done"), "lost": number(out, r"(\d+) done") - done
            + sum(number(out, r"(\d+) " + w) for w in ("errored", "timeout")),
            "latency_ms": float(mean[1]) * {"us": 0.001, "ms": 1, "s": 1000}[mean[2]] if mean else 0}


def write_names(folder, count):
    """names.txt for dnsperf, urls.txt (RFC 8484) for h2load; returns the path of the first."""
    with open(folder + "/names.txt", "w") as names, open(folder + "/urls.txt", "w") as urls:
        for i in range(count):
            name = "host%d.perf.test" % i
            names.write(name + " A\n")
            urls.write("https://127.0.0.1:%d/dns-query?dns=%s\n" % (
                DOH_PORT, base64.urlsafe_b64encode(query(name, 0)).decode().rstrip("=")))
    return names.name


def measure(name, command, scenario, folder, names, seconds):
    text, transport = SCENARIOS[scenario]
    proxy = Proxy(command, text, folder, name)
    try:
        load(transport, names, 1)  # warms the cache and the connections
        before = proxy.cpu_ticks()
        got = load(transport, names, seconds)
        after = proxy.cpu_ticks()
        each = 1e6 / TICKS_PER_S / max(got["done"], 1)
        got["user_us"] = (after[0] - before[0]) * each
        got["cpu_us"] = (sum(after) - sum(before)) * each
        got["pss_kb"] = proxy.memory()["Pss"]
        return got
    finally:
        proxy.stop()


def run(proxies, scenarios, folder, rounds, seconds, count, upstream=None):
    """[(scenario, proxy name, medians)]; |proxies|: [(name, command)]; |upstream|: a command, for the scenarios out-…"""
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(folder + "/key.pem"):
        certificate(folder)
    names = write_names(folder, count)
    backend, up = start_responder(folder), None
    rows = []
    try:
        if any(s.startswith("out-") for s in scenarios):
            up = Proxy(upstream, UPSTREAM, folder, "upstream", UP_PORT)
        for scenario in scenarios:
            entered = [p for p in proxies if p[0] != "limit" or SCENARIOS[scenario][0].startswith(BASE)
                       and SCENARIOS[scenario][1] in ("udp", "tcp")]
            got = {name: [] for name, _ in entered}
            for _ in range(rounds):
                for name, command in entered:
                    got[name].append(measure(name, command, scenario, folder, names, seconds))
            for name, _ in entered:
                row = {key: statistics.median(r[key] for r in got[name]) for key in got[name][0]}
                row["lost"], row["sent"] = (sum(r[k] for r in got[name]) for k in ("lost", "sent"))
                rows.append((scenario, name, row))
                print("%-12s %-12s qps %9.0f  cpu_us/query %6.2f (user %5.2f)  latency_ms %6.3f  lost %.0f/%.0f  pss_kB %d" % (
                    scenario, name, row["qps"], row["cpu_us"], row["user_us"], row["latency_ms"], row["lost"], row["sent"],
                    row["pss_kb"]), flush=True)
    finally:
        if up:
            up.stop()
        stop(backend)
    return rows


def table(rows):
    """The rows as Markdown; ratios to dnsdist within the same run where it took part."""
    peer = {scenario: row for scenario, name, row in rows if name == "dnsdist"}
    lines = ["| scenario | program | queries/s | CPU µs per query (user) | latency ms | lost | PSS kB | CPU, share of dnsdist's |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for scenario, name, r in rows:
        beside = peer.get(scenario)
        share = "%.2f" % (r["cpu_us"] / beside["cpu_us"]) if beside and beside["cpu_us"] and name != "limit" else ""
        lines.append("| %s | %s | %.0f | %.2f (%.2f) | %.3f | %.0f of %.0f | %.0f | %s |" % (
            scenario, name, r["qps"], r["cpu_us"], r["user_us"], r["latency_ms"], r["lost"], r["sent"], r["pss_kb"], share))
    return lines


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--work", required=True)
    ask.add_argument("--proxy", action="append", required=True)
    ask.add_argument("--upstream")
    ask.add_argument("--scenario", action="append", choices=sorted(SCENARIOS))
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--seconds", type=int, default=5)
    ask.add_argument("--names", type=int, default=1000)
    given = ask.parse_args()
    if any("=" not in p for p in given.proxy):
        ask.error("--proxy expects NAME=COMMAND")
    wanted = given.scenario or [s for s in SCENARIOS if given.upstream or not s.startswith("out-")]
    if not given.upstream and any(s.startswith("out-") for s in wanted):
        ask.error("the scenarios out-… need --upstream")
    run([p.split("=", 1) for p in given.proxy], wanted, os.path.abspath(given.work), given.rounds, given.seconds, given.names,
        given.upstream)


if __name__ == "__main__":
    sys.exit(main())
