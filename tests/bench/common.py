"""What the benchmarks share: ports, processes, their cost, facts of the machine, the report file."""
import datetime
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
REPORT = os.path.join(ROOT, "docs", "BENCHMARKS.md")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port():
    """A port that nobody has over UDP nor TCP: a benchmark must never measure somebody else's program."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as t:
            u.bind(("127.0.0.1", 0))
            try:
                t.bind(("127.0.0.1", u.getsockname()[1]))
            except OSError:
                continue
            return u.getsockname()[1]


DNS_PORT, BACKEND_PORT = free_port(), free_port()


def seen(path, command):
    """The path as the command sees it: below its root when it begins with 'chroot ROOT'."""
    words = command if isinstance(command, list) else shlex.split(command)
    root = words[1].rstrip("/") if words[0] == "chroot" else ""
    return path[len(root):] if root and path.startswith(root + "/") else path


def query(name, ident=7):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part)
    return struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def wait_answer(port, tries=100):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.1)
    try:
        for _ in range(tries):
            try:
                s.sendto(query("ready.perf.test"), ("127.0.0.1", port))
                s.recv(512)
                return True
            except OSError:
                time.sleep(0.05)
        return False
    finally:
        s.close()


def build_responder(folder):
    program = os.path.join(folder, "responder")
    subprocess.run(["cc", "-O2", "-o", program, os.path.join(HERE, "responder.c")], check=True)
    return program


def start_responder(folder):
    p = subprocess.Popen([build_responder(folder), "127.0.0.1", str(BACKEND_PORT)])
    if not wait_answer(BACKEND_PORT) or p.poll() is not None:
        stop(p)
        raise SystemExit("the responder does not answer on port %d" % BACKEND_PORT)
    return p


def stop(p):
    p.send_signal(signal.SIGTERM)
    try:
        p.wait(5)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


class Proxy:
    """A proxy that runs with the configuration |text|; |command| holds {conf} or {port}."""

    def __init__(self, command, text, folder, name):
        conf = os.path.join(folder, name + ".lua")
        with open(conf, "w") as f:
            f.write(text)
        self.log = os.path.join(folder, name + ".log")
        words = shlex.split(command.replace("{conf}", seen(conf, command)).replace("{port}", str(DNS_PORT)))
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not wait_answer(DNS_PORT) or self.process.poll() is not None:
            self.stop()
            raise SystemExit("%s does not answer; its log: %s" % (name, self.log))
        self.pid = self.process.pid
        while True:  # a supervisor or a shell forks the process that does the work
            with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
                children = f.read().split()
            if not children:
                break
            self.pid = int(children[0])

    def stop(self):
        stop(self.process)

    def cpu_ticks(self):
        """(user, system)"""
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    def memory(self):
        """kB by name, from smaps_rollup: Rss, Pss, Pss_Anon, Pss_File …"""
        with open("/proc/%d/smaps_rollup" % self.pid) as f:
            return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+):\s+(\d+) kB", f.read(), re.M)}

    def threads(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"^Threads:\s+(\d+)", f.read(), re.M)[1])


def machine():
    """One line: what the figures below were measured on."""
    with open("/proc/cpuinfo") as f:
        model = re.search(r"^(?:model name|Processor|cpu model)\s*:\s*(.*)$", f.read(), re.M)
    return "%s, %d cores, Linux %s" % (re.sub(r"\s+", " ", model[1]) if model else os.uname().machine, os.cpu_count(),
                                        os.uname().release)


def revision():
    out = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return out.stdout.strip() or "no commit"


def append_report(title, lines):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    with open(REPORT, "a") as f:
        f.write("\n## %s, %s\n\n%s; shrewd at %s.\n\n%s\n" % (title, date, machine(), revision(), "\n".join(lines)))
    print("appended to", os.path.relpath(REPORT, ROOT))
