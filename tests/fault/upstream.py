#!/usr/bin/env python3
"""A DNS-over-TLS server that misbehaves on command; answers any question at once.

    upstream.py NAMESPACE_FD ADDRESS CERTIFICATE KEY

Says "ready" when it listens on port 853.  Commands, a line each on standard input, answered by a line of JSON with
the counters:
    normal   answers
    close    closes a connection after its first answer
    reset    every third query gets a RST of its connection, not an answer
    stats    counters only
Ends with its standard input.
"""
import asyncio
import ctypes
import json
import os
import socket
import ssl
import struct
import sys

CLONE_NEWNET = 0x40000000


class Upstream:
    def __init__(self):
        self.mode = "normal"
        self.connections = 0
        self.count = {"full": 0, "resumed": 0, "queries": 0, "resets": 0, "most": 0}

    def reply(self, query):
        """The answer to a message: its question, one A record; None for what has no question."""
        at = 12
        while at < len(query) and query[at]:
            at += query[at] + 1
        end = at + 5
        if end > len(query):
            return None
        kind = struct.unpack_from("!H", query, at + 1)[0]
        answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\x00\x02\x01" if kind == 1 else b""
        head = query[:2] + struct.pack("!5H", 0x8180, 1, 1 if answers else 0, 0, 0)
        return head + query[12:end] + answers

    async def serve(self, reader, writer):
        self.count["resumed" if writer.get_extra_info("ssl_object").session_reused else "full"] += 1
        self.connections += 1
        self.count["most"] = max(self.count["most"], self.connections)
        try:
            await self.talk(reader, writer)
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def talk(self, reader, writer):
        data = b""
        while True:
            more = await reader.read(65536)
            if not more:
                return
            data += more
            out = b""
            while len(data) >= 2 and len(data) >= 2 + struct.unpack_from("!H", data)[0]:
                length = struct.unpack_from("!H", data)[0]
                query, data = data[2:2 + length], data[2 + length:]
                self.count["queries"] += 1
                if self.mode == "reset" and self.count["queries"] % 3 == 0:
                    self.reset(writer, out)
                    return
                answer = self.reply(query)
                if answer:
                    out += struct.pack("!H", len(answer)) + answer
                if self.mode == "close":
                    writer.write(out)
                    return
            writer.write(out)
            await writer.drain()

    def reset(self, writer, out):
        """What was answered before goes out first."""
        if out:
            writer.write(out)
        self.count["resets"] += 1
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def obey(self):
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while True:
            line = (await reader.readline()).decode().strip()
            if not line:
                os._exit(0)
            if line in ("normal", "close", "reset"):
                self.mode = line
            print(json.dumps(self.count), flush=True)

    async def main(self, address, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["dot"])
        server = await asyncio.start_server(self.serve, address, 853, ssl=context, backlog=512)
        print("ready", flush=True)
        async with server:
            await self.obey()


if __name__ == "__main__":
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(int(sys.argv[1]), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    asyncio.run(Upstream().main(*sys.argv[2:]))
