-- What tools/quickstart runs: a cache in front of this machine's own resolvers, on 127.0.0.1 only.
local port = tonumber(os.getenv("SHREWD_PORT") or "5300")
setLocal("127.0.0.1:" .. port)
-- "self-signed" is the certificate of --self-signed NAME; a real one is a pair of PEM files.
addTLSLocal("127.0.0.1:" .. port + 1, "self-signed", "self-signed")
addDOHLocal("127.0.0.1:" .. port + 2, "self-signed", "self-signed", "/dns-query")
setACL({"127.0.0.0/8"})

-- Names below demo.shrewd. are answered here: this works without a network.
addAction(QNameSuffixRule("demo.shrewd."), SpoofAction({"192.0.2.1", "2001:db8::1"}, {ttl=60}))
addAction(QNameSuffixRule("demo.shrewd."), RCodeAction(DNSRCode.NOERROR)) -- other types: no such data

-- Everything else goes to the resolvers in /etc/resolv.conf.
for _, address in ipairs(getResolvers("/etc/resolv.conf")) do
  newServer({address=address, healthCheckMode="lazy"})
end
setServFailWhenNoServer(true)
setServFailOnTimeout(true)

getPool(""):setCache(newPacketCache(10000))
