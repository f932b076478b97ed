-- In front of a farm of resolvers and one pair of authoritative servers.
setLocal("0.0.0.0:53", {reusePort=true, tcpListenQueueSize=1024})
addLocal("[::]:53", {reusePort=true, tcpListenQueueSize=1024})
setACL({"127.0.0.0/8", "::1/128", "192.0.2.0/24", "2001:db8::/32"})

-- Streams: what one client may take.
setMaxTCPConnectionsPerClient(100)
setMaxTCPQueriesPerConnection(10000)
setMaxTCPConnectionDuration(300)

-- The resolvers: probed every second, out after three failures, back after two good answers.
for i = 1, 4 do
  newServer({
    address="192.0.2." .. (10 + i) .. ":53", name="resolver" .. i, pool="resolvers",
    checkName="health.example.net.", checkInterval=1, maxCheckFailures=3, rise=2, maxInFlight=1000, sockets=4,
    weight=1000, -- chashed places this many points for it on its circle
  })
end
-- Zones of our own.
newServer({address="192.0.2.53", name="auth1", pool="auth", healthCheckMode="lazy"})
newServer({address="192.0.2.54", name="auth2", pool="auth", healthCheckMode="lazy"})
setPoolServerPolicy(chashed, "resolvers")
setPoolServerPolicy(leastOutstanding, "auth")

-- One cache for each kind of answer.
getPool("resolvers"):setCache(newPacketCache(500000, {maxTTL=86400, numberOfShards=32, keepStaleData=true}))
getPool("auth"):setCache(newPacketCache(50000, {maxTTL=3600}))
setStaleCacheEntriesTTL(86400)

-- Rules, in order.
addAction(MaxQPSIPRule(200, 32, 56), TCAction(), {name="fair-share"})
addAction(QTypeRule(DNSQType.ANY), RCodeAction(DNSRCode.NOTIMP), {name="no-any"})
addAction(AndRule({QTypeRule(DNSQType.PTR), QNameSuffixRule("10.in-addr.arpa.")}), RCodeAction(DNSRCode.NXDOMAIN))
addAction(QNameSuffixRule({"example.net.", "example.org."}), PoolAction("auth"))
addAction(AllRule(), PoolAction("resolvers"))

setServFailWhenNoServer(true)
setRingBuffersSize(20000)
