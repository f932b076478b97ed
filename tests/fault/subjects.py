"""The configurations of the programs under test, chosen by the name of the subject.

  stubby*           stubby.yml
  others            dnsdist's language; "-auto" in the name: active health checks, else a router's lazy ones
  shrewd*           the same and our own words: SERVFAIL where dnsdist is silent, keepWarm
"""
UPSTREAMS = ("10.77.1.1", "10.77.2.1")
LAZY = ('healthCheckMode="lazy", lazyHealthCheckSampleSize=100, lazyHealthCheckMinSampleCount=10, '
        'lazyHealthCheckThreshold=20, lazyHealthCheckFailedInterval=30, lazyHealthCheckUseExponentialBackOff=true, '
        'lazyHealthCheckMaxBackOff=3600')
AUTO = 'healthCheckMode="auto"'
SHORT_IDLE_S, LONG_IDLE_S = 2, 20


def stubby(idle_s):
    lines = ["resolution_type: GETDNS_RESOLUTION_STUB",
             "dns_transport_list:", "  - GETDNS_TRANSPORT_TLS",
             "tls_authentication: GETDNS_AUTHENTICATION_NONE",
             "round_robin_upstreams: 1",
             "idle_timeout: %d" % (idle_s * 1000),
             "listen_addresses:", "  - 127.0.0.1@5300",
             "upstream_recursive_servers:"]
    for number, address in enumerate(UPSTREAMS, 1):
        lines += ["  - address_data: " + address, '    tls_auth_name: "upstream%d.test"' % number]
    return "\n".join(lines) + "\n"


def lua(ours, checks, idle_s, warm, words, keys):
    lines = ['setSecurityPollSuffix("")', 'setACL("127.0.0.0/8")', 'addLocal("127.0.0.1:5300")',
             "setMaxTCPClientThreads(1)", "setTCPDownstreamMaxIdleTime(%d)" % idle_s,
             "setTCPDownstreamCleanupInterval(1)"]
    if ours:
        lines.append("setServFailOnTimeout(true)")
    if words:
        lines.append(words)
    for number, address in enumerate(UPSTREAMS, 1):
        parts = ['address="%s:853"' % address, 'name="upstream%d"' % number, 'tls="openssl"',
                 'subjectName="upstream%d.test"' % number, "validateCertificates=false", checks]
        if ours and warm:
            parts.append("keepWarm=60")
        if keys:
            parts.append(keys)
        lines.append("newServer({%s})" % ", ".join(parts))
    return "\n".join(lines) + "\n"


def file_name(name):
    return "conf.yml" if name.startswith("stubby") else "conf.lua"  # stubby looks at the ending


def configuration(name, idle_s=LONG_IDLE_S, warm=False, words="", keys=""):
    """|words|: lines added; |keys|: added to each newServer.  |warm|: one connection is to stay open while idle; who
    has no word for this gets a long idle time-out."""
    ours = name.startswith("shrewd")
    if warm and not ours:
        idle_s = 60
    if name.startswith("stubby"):
        return stubby(idle_s)
    return lua(ours, AUTO if "-auto" in name else LAZY, idle_s, warm, words, keys)
