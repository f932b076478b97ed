#!/usr/bin/env python3
"""Runs dnsdist and shrewd side by side with one configuration and equal fake backends, asks both the same and prints
what differs: answers, and what their backends were asked.  By hand, not in CTest:

    SHREWD=build/shrewd tests/compat/beside_dnsdist.py [--peers /opt/peers] [--dnsdist 'dnsdist'] [--layout collapsed]

--peers: a directory for chroot(8) that holds dnsdist; without it --dnsdist is run as it is."""
import argparse
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))
from fake import Fake  # noqa: E402
from harness import (A, AAAA, AD, ANY, CD, CNAME, NS, OPT, QR, RA, RD, SHREWD, SOA, TC, TXT, Message, answer_to, frame, free_port,  # noqa: E402
                     name_wire, opt_rr, query, question_end, read_name, tcp_connect, tcp_read, txt_records)

AA, Z = 0x0400, 0x0040

CONFIG = """
setSecurityPollSuffix("")
setLocal("127.0.0.1:%(port)d")
setACL({"127.0.0.1/32", "127.0.0.2/32"})
setServerPolicy(firstAvailable)
setServFailWhenNoServer(true)
setUDPTimeout(1)
newServer({address="127.0.0.1:%(b0)d", name="rec1", pool={"", "rec"}, order=1, healthCheckMode="up"})
newServer({address="127.0.0.1:%(b1)d", name="rec2", pool="rec", order=2, healthCheckMode="up"})
newServer({address="127.0.0.1:%(b2)d", name="rec3", pool={"rec", "ecs"}, order=3, healthCheckMode="up", useClientSubnet=true})
newServer({address="127.0.0.1:%(b3)d", name="auth1", pool="auth", order=1, healthCheckMode="up"})
newServer({address="127.0.0.1:%(b4)d", name="auth2", pool="auth", order=2, healthCheckMode="down"})
getPool(""):setCache(newPacketCache(10000, {maxTTL=86400, minTTL=0, temporaryFailureTTL=60, staleTTL=60}))
getPool("auth"):setCache(newPacketCache(10000))
getPool("down")

addAction(OpcodeRule(DNSOpcode.Update), RCodeAction(DNSRCode.REFUSED))
addAction(QClassRule(DNSClass.CHAOS), RCodeAction(DNSRCode.REFUSED))
addAction(AndRule({QTypeRule(DNSQType.ANY), QNameSuffixRule("any.test.")}), TCAction())
addAction(AndRule({QTypeRule(DNSQType.ANY), QNameSuffixRule("notimp.test.")}), RCodeAction(DNSRCode.NOTIMP))
addAction("refused.test.", RCodeAction(DNSRCode.REFUSED))
addAction("nxdomain.test.", RCodeAction(DNSRCode.NXDOMAIN))
addAction("servfail.test.", RCodeAction(DNSRCode.SERVFAIL))
addAction("noerror.test.", RCodeAction(DNSRCode.NOERROR, {aa=true, ra=false, ad=true}))
addAction("drop.test.", DropAction())
addAction("tc.test.", TCAction())
addAction("badvers.test.", ERCodeAction(DNSRCode.BADVERS))
addAction("spoof.test.", SpoofAction("192.0.2.99"))
addAction("spoof6.test.", SpoofAction("2001:db8::99"))
addAction("spoofboth.test.", SpoofAction({"192.0.2.98", "2001:db8::98"}, {ttl=3600, aa=true}))
addAction("spoofcname.test.", SpoofCNAMEAction("target.example.", {ttl=10}))
addAction("spoofraw.test.", SpoofRawAction("\\003raw"))
addAction("spoofraws.test.", SpoofRawAction({"\\003raw", "\\004more"}, {typeForAny=16}))
addAction("soa.test.", NegativeAndSOAAction(true, "soa.test.", 3600, "ns.soa.test.", "admin.soa.test.", 1, 2, 3, 4, 5))
addAction("nodata.test.", NegativeAndSOAAction(false, "nodata.test.", 60, "ns.soa.test.", "admin.soa.test.", 1, 2, 3, 4, 5))
addAction("ede.test.", SetExtendedDNSErrorAction(15, "blocked here"))
addAction("ede.test.", RCodeAction(DNSRCode.NXDOMAIN))
addAction("norec.test.", SetNoRecurseAction())
addAction("cd.test.", SetDisableValidationAction())
addAction("opt.test.", SetEDNSOptionAction(65001, "abc"))
addAction("skip.test.", SetSkipCacheAction())
addAction("maxttl.test.", SetMaxReturnedTTLAction(5))
addAction("auth.test.", PoolAction("auth"))
addAction("ecs.test.", PoolAction("ecs"))
addAction("setecs.test.", SetECSAction("203.0.113.0/24"))
addAction("setecs.test.", PoolAction("ecs"))
addAction("noecs.test.", SetDisableECSAction())
addAction("noecs.test.", PoolAction("ecs"))
addAction("down.test.", PoolAction("down"))
addAction("luaspoof.test.", LuaAction(function(dq) return DNSAction.Spoof, "192.0.2.97" end))
addAction("luacname.test.", LuaAction(function(dq) return DNSAction.Spoof, "cname.example." end))
addAction("luanx.test.", LuaAction(function(dq) return DNSAction.Nxdomain, "" end))
addAction("luarefused.test.", LuaAction(function(dq) return DNSAction.Refused, "" end))
addAction("luaservfail.test.", LuaAction(function(dq) return DNSAction.ServFail, "" end))
addAction("luatc.test.", LuaAction(function(dq) return DNSAction.Truncate, "" end))
addAction("luanorec.test.", LuaAction(function(dq) return DNSAction.NoRecurse, "" end))
addAction("luapool.test.", LuaAction(function(dq) return DNSAction.Pool, "auth" end))
addAction("luarcode.test.", LuaAction(function(dq) dq.rcode = DNSRCode.YXDOMAIN dq.dh:setQR(true) return DNSAction.HeaderModify, "" end))
addAction("luaerror.test.", LuaAction(function(dq) error("broken") end))

addResponseAction("rttl.test.", SetMaxTTLResponseAction(7))
addResponseAction("rmin.test.", SetMinTTLResponseAction(500))
addResponseAction("rlimit.test.", LimitTTLResponseAction(100, 200))
addResponseAction("rclear.test.", ClearRecordTypesResponseAction({1}))
addResponseAction("rdrop.test.", DropResponseAction())
addResponseAction("rtc.test.", TCResponseAction())
addResponseAction("rede.test.", SetExtendedDNSErrorResponseAction(22, "upstream"))
addResponseAction("rlua.test.", LuaResponseAction(function(dr) return DNSResponseAction.ServFail, "" end))
addCacheHitResponseAction("hit.test.", SetMaxReturnedTTLResponseAction(3))
addSelfAnsweredResponseAction("selfede.test.", SetExtendedDNSErrorResponseAction(29, ""))
addAction("selfede.test.", SpoofAction("192.0.2.96"))
"""

SOA_RDATA = name_wire("ns.zone.test.") + name_wire("admin.zone.test.") + struct.pack("!5I", 1, 2, 3, 4, 90)


def rr(owner, rtype, ttl, data):
    return (owner if isinstance(owner, bytes) else name_wire(owner)) + struct.pack("!HHIH", rtype, 1, ttl, len(data)) + data


def reply(wire, flags=0, answer=(), authority=(), additional=(), opt=None, rcode=0):
    end = question_end(wire)
    asked = struct.unpack_from("!H", wire, 2)[0]
    extra = list(additional) + ([opt] if opt else [])
    head = wire[:2] + struct.pack("!5H", QR | RA | flags | asked & (RD | CD | 0x7800) | rcode, 1, len(answer), len(authority), len(extra))
    return head + wire[12:end] + b"".join(answer) + b"".join(authority) + b"".join(extra)


def backend(number):
    """A script that is a function of the question: what comes out tells which backend was asked."""
    mine = socket.inet_aton("198.51.100.%d" % number)

    def script(wire, via):
        name, end = read_name(wire, 12)
        qtype = struct.unpack_from("!H", wire, end)[0]
        label = name.lower().split(".")[0].rstrip("0123456789")
        opt, asked = None, 512
        if wire[11]:
            try:
                m = Message(wire)
            except (IndexError, struct.error, AssertionError):
                return reply(wire, rcode=1)
            if m.opt:
                size, flags, options = m.opt
                asked = max(asked, size)
                back, at = b"", 0
                while at + 4 <= len(options):
                    code, n = struct.unpack_from("!HH", options, at)
                    data = options[at + 4 : at + 4 + n]
                    if code == 8 and n >= 4:
                        back += options[at : at + 4] + data[:3] + data[2:3] + data[4:]
                    elif code == 10:
                        back += struct.pack("!HH", 10, 16) + data[:8] + b"serverck"
                    at += 4 + n
                opt = opt_rr(1400, flags & 0x8000, back)
        own = rr(b"\xc0\x0c", A, 300, mine)
        if label == "mute":
            return None
        if label == "nx":
            return reply(wire, AA, authority=[rr("zone.test.", SOA, 120, SOA_RDATA)], opt=opt, rcode=3)
        if label == "fail":
            return reply(wire, opt=opt, rcode=2)
        if label == "refuse":
            return reply(wire, opt=opt, rcode=5)
        if label == "cname":
            return reply(wire, answer=[rr(b"\xc0\x0c", CNAME, 200, name_wire("real.test.")), rr("real.test.", A, 100, mine)], opt=opt)
        if label == "referral":
            return reply(wire, authority=[rr("zone.test.", NS, 200, name_wire("ns.zone.test."))],
                         additional=[rr("ns.zone.test.", A, 200, mine)], opt=opt)
        if label == "big":
            return answer_to(wire, records=txt_records(asked - 120 if via == "udp" else 5000), edns=1400 if opt else None)
        if label == "huge":
            return answer_to(wire, records=txt_records(1300), edns=1400 if opt else None)
        if label == "trunc" and via == "udp":
            return reply(wire, TC, opt=opt)
        if label == "truncrr" and via == "udp":
            return reply(wire, TC, answer=[own], opt=opt)
        if label == "ttlzero":
            return reply(wire, answer=[rr(b"\xc0\x0c", A, 0, mine)], opt=opt)
        if label == "ttlhuge":
            return reply(wire, answer=[rr(b"\xc0\x0c", A, 0x7fffffff, mine)], opt=opt)
        if label == "ad":
            return reply(wire, AD, answer=[own], opt=opt)
        if label == "aa":
            return reply(wire, AA, answer=[own], opt=opt)
        if label == "nora":
            out = bytearray(reply(wire, answer=[own], opt=opt))
            out[3] &= 0x7F
            return bytes(out)
        if label == "zbit":
            return reply(wire, Z, answer=[own], opt=opt)
        if label == "nord":
            out = bytearray(reply(wire, answer=[own], opt=opt))
            out[2] &= 0xFE
            return bytes(out)
        if label == "unasked":
            return reply(wire, answer=[own], opt=opt_rr(1400))
        if label == "noopt":
            return reply(wire, answer=[own])
        if label == "nodata":
            return reply(wire, authority=[rr("zone.test.", SOA, 120, SOA_RDATA)], opt=opt)
        if label == "empty":
            return reply(wire, opt=opt)
        if label == "upper":
            out = reply(wire, answer=[own], opt=opt)
            return out[:12] + out[12:end].upper() + out[end:]
        if label == "noquestion":
            return wire[:2] + struct.pack("!5H", QR | RA, 0, 0, 0, 0)
        if label == "noquestionfail":
            return wire[:2] + struct.pack("!5H", QR | RA | 2, 0, 0, 0, 0)
        if label == "trailing":
            return reply(wire, answer=[own], opt=opt) + b"\0\0\0"
        if label == "optfirst" and opt:
            return reply(wire, answer=[own], additional=[opt, rr("x.test.", A, 60, mine)])
        if label == "edefirst" and opt:
            return reply(wire, answer=[own], opt=opt_rr(1400, 0, b"\0\x0f\0\x06\0\x03stal"))
        if label == "wrongrr":
            return reply(wire, answer=[own[:-1]], opt=opt)
        if qtype == TXT:
            return reply(wire, answer=[rr(b"\xc0\x0c", TXT, 300, b"\x02b" + b"%d" % number)], opt=opt)
        if qtype == AAAA:
            return reply(wire, answer=[rr(b"\xc0\x0c", AAAA, 300, b"\x20\x01" + b"\0" * 13 + bytes([number]))], opt=opt)
        if qtype in (A, ANY):
            return reply(wire, answer=[own], opt=opt)
        return reply(wire, opt=opt)
    return script


def cases():
    """(what, wire, "udp" or "tcp", source)"""
    out = []

    def add(what, wire, via="udp", source="127.0.0.1"):
        out.append((what, wire, via, source))

    def both(what, name, **how):
        add(what, query(name, **how))
        add(what + " tcp", query(name, **how), "tcp")

    ecs4 = struct.pack("!HHHBB", 8, 7, 1, 24, 0) + b"\xcb\0\x71"
    cookie = struct.pack("!HH", 10, 8) + b"clientck"
    own = ("refused nxdomain servfail noerror drop tc badvers spoof spoof6 spoofboth spoofcname spoofraw spoofraws soa nodata ede "
           "norec cd opt skip maxttl auth ecs setecs noecs down luaspoof luacname luanx luarefused luaservfail luatc luanorec "
           "luapool luarcode luaerror rttl rmin rlimit rclear rdrop rtc rede rlua hit selfede").split()
    for label in own:
        name = "www.%s.test." % label
        both(name, name)
        add(name + " edns", query(name, edns=1232))
        add(name + " edns tcp", query(name, edns=1232), "tcp")
        add(name + " again", query(name))
        add(name + " AAAA", query(name, AAAA))
        add(name + " TXT", query(name, TXT))
        add(name + " ANY", query(name, ANY))
        add(name + " do", query(name, extra=opt_rr(4096, 0x8000), extras=1))
        add(name + " rd=0", query(name, flags=0))
        add(name + " cd ad", query(name, flags=RD | CD | AD))
        add(name + " cookie", query(name, extra=opt_rr(1232, 0, cookie), extras=1))
        add(name + " ecs", query(name, extra=opt_rr(1232, 0, ecs4), extras=1))
        add(name + " case", query("wWw.%s.TEST." % label.capitalize()))
    kinds = ("nx fail refuse cname referral big huge trunc truncrr ttlzero ttlhuge ad aa nora zbit nord unasked noopt nodata empty "
             "upper noquestionfail trailing optfirst edefirst wrongrr").split()
    for label in kinds:
        name = label + ".test."
        both(name, name)
        add(name + " again", query(name))
        both(name + " edns", name, edns=1232)
        add(name + " edns again", query(name, edns=1232))
        add(name + " edns 512", query(name, edns=512))
        add(name + " TXT", query(name, TXT, edns=4096))
        add(name + " case", query(name.upper()))
    for label in ("mute", "noquestion"):
        both(label, label + ".test.", edns=1232)
    for qtype in (0, 3, 5, 6, 12, 15, 33, 35, 41, 43, 46, 48, 52, 64, 65, 128, 249, 250, 254, 255, 256, 257, 32768, 65280, 65535):
        add("type %d" % qtype, query("types.test.", qtype))
    add("IXFR udp", query("types.test.", 251))
    add("AXFR udp", query("types.test.", 252))
    for qclass in (0, 2, 3, 4, 254, 255, 65535):
        add("class %d" % qclass, query("classes.test.", TXT, qclass=qclass))
    add("version.bind CH", query("version.bind.", TXT, qclass=3))
    add("version.bind CH edns", query("version.bind.", TXT, qclass=3, edns=1232))
    for opcode in range(16):
        add("opcode %d" % opcode, query("opcode%d.test." % opcode, flags=opcode << 11 | RD))
    for bit in (0x8000, 0x0400, 0x0200, 0x0080, 0x0040, 0x0020, 0x0010):
        add("flag %04x" % bit, query("flags%x.test." % bit, flags=RD | bit))
    for rcode in (1, 5, 15):
        add("rcode %d in the query" % rcode, query("rcode%d.test." % rcode, flags=RD | rcode))
    add("root", query(".", NS))
    add("one label", query("com.", NS))
    add("longest label", query("a" * 63 + ".test."))
    add("longest name", query(".".join(["a" * 61] * 4) + "."))
    add("binary label", query("\x00\x01\xff. test."))
    add("many labels", query("a." * 120 + "test."))
    for size in (0, 1, 511, 512, 4096, 65535):
        add("edns size %d" % size, query("size.test.", edns=size))
    add("edns version 1", query("ver.test.", extra=opt_rr(1232, 0, b"", 1), extras=1))
    add("edns ext rcode", query("ext.test.", extra=b"\0" + struct.pack("!HHIH", OPT, 1232, 0x05000000, 0), extras=1))
    add("edns z flags", query("zflags.test.", extra=opt_rr(1232, 0x7fff), extras=1))
    add("edns two opts", query("two.test.", extra=opt_rr() + opt_rr(), extras=2))
    add("edns option cut", query("cut.test.", extra=opt_rr(1232, 0, b"\0\x0a\0\x20abc"), extras=1))
    add("edns opt not at root", query("notroot.test.", extra=name_wire("x.") + opt_rr()[1:], extras=1))
    add("edns padding", query("pad.test.", extra=opt_rr(1232, 0, b"\0\x0c\0\x10" + b"\0" * 16), extras=1))
    add("edns nsid", query("nsid.test.", extra=opt_rr(1232, 0, b"\0\3\0\0"), extras=1))
    add("edns in answer section", struct.pack("!6H", 1, RD, 1, 1, 0, 0) + query("ans.test.")[12:] + opt_rr())
    add("opt then tsig", query("tsig.test.", extra=opt_rr() + name_wire("key.") + struct.pack("!HHIH", 250, 255, 0, 0), extras=2))
    add("record before opt", query("before.test.", extra=rr("x.test.", A, 60, b"\1\2\3\4") + opt_rr(), extras=2))
    q = query("bad.test.")
    add("empty datagram", b"")
    add("two bytes", q[:2])
    add("eleven bytes", q[:11])
    add("header only", q[:12])
    add("header, no question", struct.pack("!6H", 1, RD, 0, 0, 0, 0))
    add("header, no question, tcp", struct.pack("!6H", 1, RD, 0, 0, 0, 0), "tcp")
    add("no question but opt", struct.pack("!6H", 1, RD, 0, 0, 0, 1) + opt_rr())
    add("question cut", q[:-3])
    add("name cut", q[:15])
    add("trailing bytes", q + b"\0\1\2")
    add("trailing bytes tcp", q + b"\0\1\2", "tcp")
    add("two questions", struct.pack("!6H", 1, RD, 2, 0, 0, 0) + q[12:] + q[12:])
    add("answer count 1, nothing there", struct.pack("!6H", 1, RD, 1, 1, 0, 0) + query("ancount.test.")[12:])
    add("additional count 1, nothing there", struct.pack("!6H", 1, RD, 1, 0, 0, 1) + query("arcount.test.")[12:])
    add("authority count 1, nothing there", struct.pack("!6H", 1, RD, 1, 0, 1, 0) + query("nscount.test.")[12:])
    add("pointer in the question", q[:12] + b"\xc0\x0c\0\1\0\1")
    add("pointer forward", q[:12] + b"\xc0\x20\0\1\0\1")
    add("label type 0x40", q[:12] + b"\x41a\0\0\1\0\1")
    add("label of 64", q[:12] + b"\x40" + b"a" * 64 + b"\0\0\1\0\1")
    add("name of 260", q[:12] + (b"\x3f" + b"a" * 63) * 4 + b"\3abc\0\0\1\0\1")
    add("outside the ACL", query("acl.test."), "udp", "127.0.0.3")
    add("outside the ACL tcp", query("acl.test."), "tcp", "127.0.0.3")
    add("another client", query("acl.test."), "udp", "127.0.0.2")
    return out


def ask(port, wire, via, source, wait):
    if via == "tcp":
        try:
            with tcp_connect(port, timeout=wait, source=source) as s:
                s.sendall(frame(wire))
                return tcp_read(s)
        except OSError:
            return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.settimeout(wait)
        s.connect(("127.0.0.1", port))
        s.send(wire)
        try:
            return s.recv(65535)
        except OSError:
            return None


FLAGS = (("qr", 0x8000), ("aa", AA), ("tc", TC), ("rd", RD), ("ra", RA), ("z", Z), ("ad", AD), ("cd", CD))


def describe(wire):
    """Field by field, for comparing."""
    if wire is None:
        return {"answer": "silence"}
    try:
        m = Message(wire)
    except Exception as e:
        return {"unreadable": str(e)[:60], "bytes": wire[2:].hex()}
    d = {"rcode": m.rcode, "opcode": m.flags >> 11 & 15, "question": m.question, "id": m.id}
    d["flags"] = " ".join(n for n, bit in FLAGS if m.flags & bit)
    for section in ("answer", "authority", "additional"):
        d[section] = [(o.lower(), t, ttl, data.hex()) for o, t, ttl, data in getattr(m, section)]
    d["opt"] = m.opt and "size %d, flags %08x, options %s" % (m.opt[0], m.opt[1], m.opt[2].hex())
    return d


class Side:
    def __init__(self, name, folder):
        self.name, self.port = name, free_port()
        self.ports = [free_port() for _ in range(5)]
        self.fakes = [Fake(p, script=backend(i + 1)) for i, p in enumerate(self.ports)]
        self.config = os.path.join(folder, name + ".conf")
        with open(self.config, "w") as f:
            f.write(CONFIG % dict(port=self.port, **{"b%d" % i: p for i, p in enumerate(self.ports)}))

    def start(self, argv):
        self.log = open(self.config + ".log", "wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if ask(self.port, query("start.test."), "udp", "127.0.0.1", 0.2):
                self.upstream()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        sys.exit("%s does not answer:\n%s" % (self.name, open(self.config + ".log").read()[-3000:]))

    def upstream(self):
        """What the backends were asked since the last call."""
        out = []
        for i, f in enumerate(self.fakes):
            for s in f.seen:
                d = describe(s.wire)
                d.pop("id", None)
                d["backend"], d["via"] = i + 1, s.via
                out.append(d)
            f.seen.clear()
        return out

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for f in self.fakes:
            f.stop()


def same(a, b):
    """Records in any order, TTLs to the second: the two are not asked at the same instant."""
    if not (isinstance(a, list) and isinstance(b, list)):
        return a == b
    a, b = sorted(a, key=lambda r: (r[0], r[1], r[3])), sorted(b, key=lambda r: (r[0], r[1], r[3]))
    return len(a) == len(b) and all(x[:2] == y[:2] and x[3] == y[3] and abs(x[2] - y[2]) <= 1 for x, y in zip(a, b))


def differences(a, b):
    return ["%s: dnsdist %s, shrewd %s" % (k, a.get(k, "-"), b.get(k, "-")) for k in sorted(set(a) | set(b)) if not same(a.get(k), b.get(k))]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--peers", default="/opt/peers")
    p.add_argument("--dnsdist", default="dnsdist")
    p.add_argument("--layout", default="")
    p.add_argument("only", nargs="?", default="", help="regular expression: these cases only")
    o = p.parse_args()
    base = os.path.join(o.peers, "srv") if o.peers else "/tmp"
    folder = tempfile.mkdtemp(prefix="compat", dir=base)
    os.chmod(folder, 0o755)
    theirs, ours = Side("dnsdist", folder), Side("shrewd", folder)
    if o.layout:
        with open(ours.config, "a") as f:
            f.write('setWorkerLayout("%s")\n' % o.layout)
    inside = theirs.config[len(o.peers):] if o.peers else theirs.config
    enter = ["chroot", o.peers] if o.peers else []
    equal, found = 0, {}
    try:
        theirs.start(enter + [o.dnsdist, "--supervised", "--disable-syslog", "-C", inside])
        ours.start([SHREWD, "--supervised", "--disable-syslog", "-C", ours.config])
        for what, wire, via, source in cases():
            if o.only and not re.search(o.only, what):
                continue
            got = []
            for side in (theirs, ours):
                answer = describe(ask(side.port, wire, via, source, 0.25 if "mute" not in what else 1.5))
                time.sleep(0.002)
                got.append((answer, side.upstream()))
            lines = differences(got[0][0], got[1][0])
            up = [[{k: v for k, v in d.items()} for d in g[1]] for g in got]
            if len(up[0]) != len(up[1]):
                lines.append("backends were asked %d times by dnsdist, %d by shrewd" % (len(up[0]), len(up[1])))
            else:
                for x, y in zip(*up):
                    lines += ["to the backend: " + t for t in differences(x, y)]
            if lines:
                found.setdefault("\n    ".join(lines), []).append(what)
            else:
                equal += 1
    finally:
        theirs.stop()
        ours.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for lines, names in found.items():
        print("%s\n    %s" % (", ".join(names), lines))
    print("%d cases equal, %d differ in %d ways" % (equal, sum(map(len, found.values())), len(found)))


if __name__ == "__main__":
    main()
