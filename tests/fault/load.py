"""The clients, and the judgement over what they got.

Load: unique names at a steady rate over UDP, sent on schedule whatever comes back (open loop), no retry.
Judge: which queries had a path to an upstream within their time, which of these were lost, and how soon answers came
after the path was back.
"""
import select
import socket
import statistics
import struct
import threading
import time

PORT = 5300
RATE = 50                # queries per second
TIMEOUT = 5.0            # seconds a client waits
ROUND_TRIP = 0.020
# A path must stand this long for a query to be answered; the goal for recovery, and for a SERVFAIL "at once".
NEED = ROUND_TRIP + 0.250
NOERROR, SERVFAIL = 0, 2


class Query:
    __slots__ = ("sent", "latency", "rcode")

    def __init__(self, sent):
        self.sent, self.latency, self.rcode = sent, None, None

    @property
    def good(self):
        return self.rcode == NOERROR

    def slow(self, need):
        """Lost or late."""
        return not self.good or self.latency > need


class Load(threading.Thread):
    """Begins in the network namespace of the thread that makes it.  |on|: whether the schedule runs."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.name_wire = bytes([len(name)]) + name.encode() + b"\x05fault\x04test\0"
        self.queries = []
        self.answered = 0
        self.on = False
        self.extra = 0       # queries to send now, apart from the schedule
        self.ended = False

    def send(self, now):
        number = len(self.queries)
        label = b"q%06d" % number
        message = struct.pack("!6H", number & 0xffff, 0x0100, 1, 0, 0, 0) + bytes([len(label)]) + label \
            + self.name_wire + struct.pack("!HH", 1, 1)
        self.queries.append(Query(now))
        try:
            self.socket.sendto(message, ("127.0.0.1", PORT))
        except OSError:
            pass

    def gather(self):
        while True:
            try:
                answer = self.socket.recv(4096)
            except OSError:
                return
            now = time.monotonic()
            if len(answer) < 20:
                continue
            number = int(answer[14:20]) if answer[13:14] == b"q" and answer[14:20].isdigit() else -1
            if not 0 <= number < len(self.queries) or struct.unpack_from("!H", answer)[0] != number & 0xffff:
                continue
            query = self.queries[number]
            if query.latency is None and now - query.sent <= TIMEOUT:
                query.latency, query.rcode = now - query.sent, answer[3] & 15
                self.answered += 1

    def run(self):
        due = None
        while not self.ended:
            now = time.monotonic()
            if not self.on:
                due = None
            elif due is None:
                due = now
            while due is not None and due <= now:
                self.send(now)
                due += 1 / RATE
            while self.extra:
                self.extra -= 1
                self.send(time.monotonic())
            wait = 0.005 if due is None else min(max(due - time.monotonic(), 0), 0.02)
            if select.select([self.socket], [], [], wait)[0]:
                self.gather()

    def settled(self, need):
        """Whether what was sent between |need| and 1.5 s ago was all answered in time."""
        now = time.monotonic()
        recent = [q for q in self.queries[-200:] if now - 1.5 - need < q.sent <= now - need]
        return bool(recent) and not any(q.slow(need) for q in recent)

    def finish(self):
        """Stops the schedule and waits for what may still come."""
        self.on = False
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and self.answered < len(self.queries):
            time.sleep(0.02)
        self.ended = True
        self.join()


def longest_path(sent, gaps):
    """The longest stretch with a path within a query's time-out."""
    best, at, end = 0.0, sent, sent + TIMEOUT
    for start, stop, _ in sorted(gaps):
        if stop <= at:
            continue
        if start >= end:
            break
        best = max(best, start - at)
        at = stop
    return max(best, end - at)


def at_once(query, gaps, need):
    """A SERVFAIL while the subject can know that there is no path (no route, connection refused)."""
    if query.rcode != SERVFAIL:
        return False
    for start, stop, known in gaps:
        if known and start - need < query.sent < stop and query.latency <= max(start - query.sent, 0) + need:
            return True
    return False


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def milliseconds(seconds):
    return None if seconds is None else round(seconds * 1000, 1)


def judge(queries, gaps, moment, slack=1.0):
    """|gaps|: (from, to, known) without any path.  |moment|: when the path was back, or the fault began where a path
    always stands.  |slack| widens the times (sanitizer builds).  Returns figures and what misses the goal."""
    need = ROUND_TRIP + (NEED - ROUND_TRIP) * slack
    row = {"sent": len(queries), "lost": 0, "servfail": 0, "lost_standing": 0, "lost_later": 0, "told": 0, "silent": 0}
    for q in queries:
        if q.good:
            continue
        row["lost"] += 1
        row["servfail"] += q.rcode == SERVFAIL
        touched = [g for g in gaps if g[0] < q.sent + need and g[1] > q.sent]
        if not touched:
            row["lost_standing"] += 1
        elif at_once(q, touched, need):
            row["told"] += 1
        else:
            row["lost_later"] += longest_path(q.sent, gaps) >= need
            row["silent"] += q.rcode is None and any(g[2] and g[0] <= q.sent < g[1] for g in gaps)
    after = [q for q in queries if q.sent >= moment]
    firsts = [q.sent + q.latency - moment for q in queries if q.good and q.sent + q.latency >= moment]
    slow = [q.sent - moment for q in after if q.slow(need)]
    latencies = sorted(q.latency for q in queries if q.good)
    first, clear = (min(firsts) if firsts else None), (max(slow) if slow else 0.0)
    row.update(first_ms=milliseconds(first), clear_ms=milliseconds(clear),
               recovered=bool(after) and not after[-1].slow(need),
               p50_ms=milliseconds(percentile(latencies, 0.5)), p99_ms=milliseconds(percentile(latencies, 0.99)),
               max_ms=milliseconds(latencies[-1] if latencies else None))
    misses = []
    if row["lost_standing"]:
        misses.append("%d lost with a path" % row["lost_standing"])
    if row["lost_later"]:
        misses.append("%d lost though a path came" % row["lost_later"])
    if row["silent"]:
        misses.append("%d without a word" % row["silent"])
    if first is None or not row["recovered"]:
        misses.append("not recovered")
    elif max(first, clear) > need:
        misses.append("recovery %.0f ms" % (max(first, clear) * 1000))
    row["misses"] = misses
    return row


def judge_idle(samples, warm, counts, slack=1.0):
    """|samples|: latencies of first queries after idle times, None for lost ones; |counts|: the upstreams' counters
    before and after them."""
    good = [s for s in samples if s is not None]
    middle = statistics.median(good) if good else None
    full = counts[1]["full"] - counts[0]["full"]
    bound = (ROUND_TRIP * (1 if warm else 3)) + 0.025 * slack
    row = {"sent": len(samples), "lost": len(samples) - len(good), "servfail": 0, "first_ms": milliseconds(middle),
           "max_ms": milliseconds(max(good)) if good else None, "samples_ms": [milliseconds(s) for s in samples]}
    misses = []
    if row["lost"]:
        misses.append("%d lost with a path" % row["lost"])
    if middle is not None and middle > bound:
        misses.append("first answer %.0f ms" % (middle * 1000))
    if full and not warm:
        misses.append("%d handshakes not resumed" % full)
    row["misses"] = misses
    return row
