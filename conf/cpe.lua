-- Customer premises equipment: Do53, DoT and DoH for the house, DoT and DoH towards resolvers, in a few megabytes.
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

setACL({"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10"})
setMaxTCPConnectionsPerClient(20)
addLocal("0.0.0.0:53")
addLocal("[::]:53")

-- DoT and DoH as soon as there is a certificate: put it there, then reload.
local cert, key = "/etc/shrewd/cert.pem", "/etc/shrewd/key.pem"
local file = io.open(cert)
if file then
  file:close()
  local small = {numberOfStoredSessions=0, additionalAddresses={"[::]"}}
  addTLSLocal("0.0.0.0", cert, key, small)
  addDOHLocal("0.0.0.0", cert, key, "/dns-query", small)
end

-- Resolvers over DoT and DoH.  "lazy" probes a server only when real queries begin to fail; keepWarm keeps a connection
-- open while somebody is there; at boot, before the clock is set, dates in certificates are not looked at.
newServer({address="9.9.9.9:853", name="dot", tls="openssl", subjectName="dns.quad9.net", healthCheckMode="lazy", keepWarm=true,
  ignoreDatesUntilClockSet=true})
newServer({address="149.112.112.112:443", name="doh", tls="openssl", dohPath="/dns-query", subjectName="dns.quad9.net",
  healthCheckMode="lazy", ignoreDatesUntilClockSet=true})
-- The provider's own, in clear, for names that only it knows.
newServer({address="192.0.2.53", name="provider", pool="provider", healthCheckMode="lazy"})
addAction(QNameSuffixRule({"provider.example."}), PoolAction("provider"))

setServerPolicy(leastOutstanding)
-- With no server up, queries wait for a way to come back, up to their deadline (setServFailWhenNoServer(true): they do not).
setServFailOnTimeout(true)
getPool(""):setCache(newPacketCache(1000, {maxTTL=86400, temporaryFailureTTL=10, staleTTL=30}))
setStaleCacheEntriesTTL(3600)
