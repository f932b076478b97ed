#!/usr/bin/env python3
"""Measures proxies that read dnsdist's language side by side, in turns, on one machine.

    perf.py --work DIR --proxy NAME='COMMAND {conf}' [--proxy ...] [--scenario S ...] [--rounds N] [--seconds N]

COMMAND starts a proxy in the foreground; {conf} is the configuration written for it, below DIR.  A command (or
DNSPERF in the environment) that begins with 'chroot ROOT' sees paths below ROOT: DIR must lie below ROOT then.  {port} is
the port of the load, for a command that takes the proxy's place as it is: 'DIR/responder 127.0.0.1 {port}', the bare
responder, is the limit of what can be reached.
Every proxy gets the same configuration and load; they take turns within a round.  What holds on a noisy machine:
CPU microseconds of the proxy per answered query, of it the user part (the program; the rest is the kernel), and
ratios within one run.  Needs dnsperf and a C compiler.
"""
import argparse
import os
import re
import shlex
import statistics
import subprocess
import sys

from common import BACKEND_PORT, DNS_PORT, TICKS_PER_S, Proxy, seen, start_responder, stop

DNSPERF = shlex.split(os.environ.get("DNSPERF", "dnsperf"))
BASE = """setSecurityPollSuffix("")
setACL({"127.0.0.0/8", "::1/128"})
setMaxTCPClientThreads(1)
setOutgoingDoHWorkerThreads(1)
addLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", name="b1", healthCheckMode="up"})
""" % (DNS_PORT, BACKEND_PORT)
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


# name: configuration, transport of the load
SCENARIOS = {
    "udp-cached": (BASE + CACHE, "udp"),
    "udp-forward": (BASE, "udp"),
    "udp-rules": (BASE + CACHE + rules(), "udp"),
    "tcp-cached": (BASE + CACHE, "tcp"),
    "tcp-forward": (BASE, "tcp"),
}


def load(transport, names, seconds):
    out = subprocess.run(DNSPERF + ["-s", "127.0.0.1", "-p", str(DNS_PORT), "-m", transport, "-d", seen(names, DNSPERF),
                         "-l", str(seconds), "-c", "20", "-q", "200", "-T", "1"], capture_output=True, text=True).stdout

    def number(pattern):
        found = re.search(pattern + r"\s+([\d.]+)", out)
        return float(found[1]) if found else 0.0
    return {"qps": number("Queries per second:"), "done": number("Queries completed:"), "sent": number("Queries sent:"),
            "lost": number("Queries lost:"), "latency_ms": number(r"Average Latency \(s\):") * 1000}


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


def run(proxies, scenarios, folder, rounds, seconds, count):
    """[(scenario, proxy name, medians)]; |proxies|: [(name, command)]"""
    os.makedirs(folder, exist_ok=True)
    names = os.path.join(folder, "names.txt")
    with open(names, "w") as f:
        f.writelines("host%d.perf.test A\n" % i for i in range(count))
    backend = start_responder(folder)
    rows = []
    try:
        for scenario in scenarios:
            got = {name: [] for name, _ in proxies}
            for _ in range(rounds):
                for name, command in proxies:
                    got[name].append(measure(name, command, scenario, folder, names, seconds))
            for name, _ in proxies:
                row = {key: statistics.median(r[key] for r in got[name]) for key in got[name][0]}
                row["lost"], row["sent"] = (sum(r[k] for r in got[name]) for k in ("lost", "sent"))
                rows.append((scenario, name, row))
                print("%-12s %-12s qps %9.0f  cpu_us/query %6.2f (user %5.2f)  latency_ms %6.3f  lost %.0f/%.0f  pss_kB %d" % (
                    scenario, name, row["qps"], row["cpu_us"], row["user_us"], row["latency_ms"], row["lost"], row["sent"],
                    row["pss_kb"]), flush=True)
    finally:
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
    ask.add_argument("--scenario", action="append", choices=sorted(SCENARIOS))
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--seconds", type=int, default=5)
    ask.add_argument("--names", type=int, default=1000)
    given = ask.parse_args()
    if any("=" not in p for p in given.proxy):
        ask.error("--proxy expects NAME=COMMAND")
    run([p.split("=", 1) for p in given.proxy], given.scenario or list(SCENARIOS), os.path.abspath(given.work), given.rounds,
        given.seconds, given.names)


if __name__ == "__main__":
    sys.exit(main())
