#!/usr/bin/env python3
"""One row of the fault table, in namespaces of its own; started by run, as

    unshare --fork --pid --kill-child --mount --net [--user --map-root-user] bed.py ORDER

|ORDER| is JSON.  Prints the row as JSON.  As this is the first process of a PID namespace, everything it started ends
with it, and the network namespaces with them: it ends with its standard input (when run is gone), and by an alarm.
"""
import ctypes
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import load as loads  # noqa: E402
import rows  # noqa: E402
import subjects  # noqa: E402

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The bed, not the subject, is at fault; or the subject does not start."""


def checked(result, what):
    if result:
        raise Failed("%s: %s" % (what, os.strerror(ctypes.get_errno())))


class Child:
    """A process that is told things by lines, and answers each with a line."""

    def __init__(self, argv, fds, log):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                        bufsize=1, pass_fds=fds)
        self.counts, self.halted, self.gone = {}, False, False

    def hear(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise Failed("%s ended with status %d" % (self.process.args[0], self.process.wait()))
        return line

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.hear()

    def count(self):
        """The counters of an upstream, the last known ones where it cannot say."""
        if not self.halted and not self.gone:
            self.counts = json.loads(self.say("stats"))
        return self.counts

    def kill(self):
        self.count()
        self.process.kill()
        self.process.wait()
        self.gone = True

    def stop(self):
        self.count()
        self.process.send_signal(signal.SIGSTOP)
        self.halted = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.halted = False


class Bed:
    def __init__(self, order):
        self.order, self.row = order, rows.ROWS[order["row"]]
        self.slack = order["slack"]
        self.address = "10.77.0.2/24"
        self.upstreams, self.before = [None, None], []
        self.log = open(os.path.join(order["folder"], "log"), "w")
        self.subject = self.load = self.started = None
        self.sleep = time.sleep

    # ---- the network ----
    def ip(self, *words, namespace=None):
        argv = ["ip", *words]
        fds = ()
        if namespace is not None:
            argv, fds = ["nsenter", "--net=/proc/self/fd/%d" % namespace] + argv, (namespace,)
        done = subprocess.run(argv, pass_fds=fds, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Failed("%s: %s" % (" ".join(argv), done.stdout.strip()))

    def set_route(self):
        self.ip("route", "replace", "default", "via", "10.77.0.1", "dev", "wan", "onlink")

    def set_address(self, address):
        self.ip("addr", "add", address, "dev", "wan")
        self.set_route()

    def namespaces(self):
        """Descriptors: the client's, where this process is and stays, and one for each upstream."""
        fds = [os.open("/proc/thread-self/ns/net", os.O_RDONLY)]
        for _ in subjects.UPSTREAMS:
            checked(LIBC.unshare(CLONE_NEWNET), "unshare")
            fds.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        checked(LIBC.setns(fds[0], CLONE_NEWNET), "setns")
        return fds

    def make_network(self):
        self.spaces = self.namespaces()
        self.relay = Child([self.order["relay"]] + [str(fd) for fd in self.spaces], self.spaces, self.log)
        self.relay.hear()
        for number, space in enumerate(self.spaces):
            self.ip("link", "set", "lo", "up", namespace=space)
            self.ip("link", "set", "wan", "up", namespace=space)
            if number:
                self.ip("addr", "add", subjects.UPSTREAMS[number - 1] + "/24", "dev", "wan", namespace=space)
                self.ip("route", "add", "10.77.0.0/24", "dev", "wan", namespace=space)
        if self.row.begins != "network":
            self.set_address(self.address)

    # ---- the upstreams ----
    def start_upstream(self, number):
        space, old = self.spaces[number], self.upstreams[number - 1]
        if old:
            self.before.append(old.counts)
        folder = os.path.dirname(self.order["relay"])
        child = Child([sys.executable, os.path.join(HERE, "upstream.py"), str(space), subjects.UPSTREAMS[number - 1],
                       os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")], (space,), self.log)
        child.hear()
        self.upstreams[number - 1] = child

    def busiest(self):
        """The number of the upstream that gets most queries now."""
        first = [u.count()["queries"] for u in self.upstreams]
        time.sleep(0.2)
        then = [u.count()["queries"] for u in self.upstreams]
        grown = [b - a for a, b in zip(first, then)]
        return grown.index(max(grown)) + 1

    def counts(self):
        """The upstreams' counters, added up."""
        total = {"full": 0, "resumed": 0, "queries": 0, "resets": 0, "most": 0}
        for counts in self.before + [u.count() for u in self.upstreams if u]:
            for key in counts:
                total[key] += counts[key]
        return total

    # ---- the subject ----
    def start_subject(self):
        order, folder = self.order, self.order["folder"]
        conf = os.path.join(folder, subjects.file_name(order["subject"]))
        with open(conf, "w") as f:
            f.write(subjects.configuration(order["subject"], self.row.idle_s or subjects.LONG_IDLE_S, self.row.warm,
                                           order["words"], order["keys"]))
        argv = [word.replace("{conf}", conf) for word in shlex.split(order["command"])]
        self.subject = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 10 * self.slack
        while not self.listens():
            if self.subject.poll() is not None or time.monotonic() > end:
                raise Failed("%s does not start" % order["subject"])
            time.sleep(0.01)
        self.started = time.monotonic()

    def listens(self):
        with open("/proc/thread-self/net/udp") as f:
            return any(line.split()[1].endswith(":%04X" % loads.PORT) for line in f.readlines()[1:])

    def end_subject(self):
        """Its exit status (None: had to be killed, or ended before), and the CPU time it took."""
        if self.subject.poll() is not None:
            return "ended early with %d" % self.subject.returncode, None
        self.subject.terminate()
        end = time.monotonic() + 5 * self.slack
        while time.monotonic() < end:
            pid, status, usage = os.wait4(self.subject.pid, os.WNOHANG)
            if pid:
                self.subject.returncode = os.waitstatus_to_exitcode(status)
                return self.subject.returncode, round((usage.ru_utime + usage.ru_stime) * 1000)
            time.sleep(0.01)
        self.subject.kill()
        return "did not end", None

    # ---- the row ----
    def measure(self):
        """The load runs until answers come in time again, a while after the fault, at most |tail| seconds."""
        if not self.row.begins:
            time.sleep(rows.START_S)
        if self.row.measures_idle:
            figures = self.row.run(self, self.order["length"])
            self.load.finish()
            return figures
        gaps, moment = self.row.run(self, self.order["length"])
        end = time.monotonic()
        need = loads.ROUND_TRIP + (loads.NEED - loads.ROUND_TRIP) * self.slack
        time.sleep(1.5 + need)
        while time.monotonic() < end + self.order["tail"] and not self.load.settled(need):
            time.sleep(0.1)
        self.load.finish()
        figures = loads.judge(self.load.queries, gaps, moment, self.slack)
        zero = self.load.queries[0].sent
        figures["queries"] = [[loads.milliseconds(q.sent - zero), loads.milliseconds(q.latency), q.rcode]
                              for q in self.load.queries]
        figures["moment_at_ms"] = loads.milliseconds(moment - zero)
        return figures

    def run(self):
        self.make_network()
        if self.row.begins != "upstreams":
            for number in range(1, len(subjects.UPSTREAMS) + 1):
                self.start_upstream(number)
        self.start_subject()
        self.load = loads.Load(self.order["row"])
        self.load.on = True
        self.load.start()
        figures = self.measure()
        figures["upstreams"] = self.counts()
        figures["relay"] = self.relay.say("stats")
        figures["status"], figures["cpu_ms"] = self.end_subject()
        return figures


def watch(folder):
    """run keeps our standard input open as long as it lives; it was killed when this ends."""
    os.read(0, 1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def main():
    order = json.loads(sys.argv[1])
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(order["most_s"])
    threading.Thread(target=watch, args=(os.path.dirname(order["relay"]),), daemon=True).start()
    try:
        result = Bed(order).run()
    except (Failed, OSError, ValueError) as e:
        result = {"failed": str(e) or type(e).__name__}
    print(json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
