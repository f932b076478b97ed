-- A home router: little memory, a few dozen clients, plain DNS in and out; conf/cpe.lua is the same with DoT and DoH.
-- The first block keeps tables small; shrewd also takes the lines that tune dnsdist's threads, and needs few of them.
setMaxUDPOutstanding(50)
setMaxTCPClientThreads(1)
setOutgoingDoHWorkerThreads(1)
setRingBuffersSize(300, 1)
setRingBuffersOptions({recordResponses=false})
setMaxTCPQueuedConnections(10)
setOutgoingTLSSessionsCacheMaxTicketsPerBackend(5)
setTCPInternalPipeBufferSize(0)
setSecurityPollSuffix("")

setLocal("0.0.0.0:53")
addLocal("[::]:53")
setACL({"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10"})
setMaxTCPConnectionsPerClient(20)

-- The provider's resolvers.  "lazy" probes a server only when real queries begin to fail.
newServer({address="9.9.9.9", name="first", healthCheckMode="lazy", order=1})
newServer({address="149.112.112.112", name="second", healthCheckMode="lazy", order=2})
-- The same over TLS or HTTPS, so that nobody on the way reads along (conf/cpe.lua has more):
-- newServer({address="9.9.9.9", tls="openssl", subjectName="dns.quad9.net", healthCheckMode="lazy", order=1})
-- newServer({address="149.112.112.112", tls="openssl", dohPath="/dns-query", subjectName="dns.quad9.net",
--   healthCheckMode="lazy", order=2})
setServerPolicy(firstAvailable)
setServFailWhenNoServer(true)

-- Names of the house stay in the house: rules are tried in this order.
addAction(QNameRule("router.lan."), SpoofAction("192.168.1.1"))
addAction(QNameRule("router.lan."), RCodeAction(DNSRCode.NOERROR)) -- it has an A record only
addAction(QNameSuffixRule({"home.arpa.", "lan."}), RCodeAction(DNSRCode.NXDOMAIN))

getPool(""):setCache(newPacketCache(1000, {maxTTL=86400, minTTL=0, temporaryFailureTTL=10, staleTTL=30}))
setStaleCacheEntriesTTL(3600)
