"""What the benchmarks share: ports, programs, processes and their cost, facts of the machine, the report files.
It maps no cryptographic library: memory that another process shares would be counted by half."""
import contextlib
import datetime
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
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


DNS_PORT, DOT_PORT, DOH_PORT = free_port(), free_port(), free_port()  # of the program that is measured
BACKEND_PORT, UP_PORT, UP_DOT_PORT, UP_DOH_PORT = free_port(), free_port(), free_port(), free_port()
PORTS = {"DNS": DNS_PORT, "DOT": DOT_PORT, "DOH": DOH_PORT, "BACKEND": BACKEND_PORT, "UP": UP_PORT, "UPDOT": UP_DOT_PORT,
         "UPDOH": UP_DOH_PORT}
PEERS = os.environ.get("PEERS", "/opt/peers")
ARGUMENTS = " --supervised --disable-syslog -C {conf}"


def filled(text, folder, command=""):
    """The configuration |text| with @DNS@, @DOT@ … as ports and @DIR@ as |folder|, the way |command| sees it."""
    for name, port in PORTS.items():
        text = text.replace("@%s@" % name, str(port))
    return text.replace("@DIR@", seen(folder, command or "x"))


def dnsdist():
    """The command that starts dnsdist, None when there is none."""
    if "DNSDIST" in os.environ:
        command = os.environ["DNSDIST"]
        return command if "{conf}" in command else command + ARGUMENTS
    if shutil.which("dnsdist"):
        return "dnsdist" + ARGUMENTS
    if os.path.exists(PEERS + "/usr/bin/dnsdist") and os.geteuid() == 0:
        return "chroot " + PEERS + " dnsdist" + ARGUMENTS
    return None


def dnsperf():
    """The words that start dnsperf."""
    if "DNSPERF" in os.environ:
        return shlex.split(os.environ["DNSPERF"])
    if shutil.which("dnsperf"):
        return ["dnsperf"]
    if os.path.exists(PEERS + "/usr/bin/dnsperf"):
        return ["chroot", PEERS, "dnsperf"]
    raise SystemExit("dnsperf is missing: run tools/deps")


def shrewd(binary, preset="full"):
    """The command that starts |binary|, or that of the preset."""
    path = os.path.abspath(binary or os.path.join(ROOT, "build", preset, "shrewd"))
    if not os.access(path, os.X_OK):
        raise SystemExit("%s is missing: cmake --preset %s && cmake --build --preset %s" % (path, preset, preset))
    return shlex.quote(path) + ARGUMENTS


@contextlib.contextmanager
def work_folder(*commands):
    """A folder for the files of one run, below the root of those commands that have one of their own; with cert.pem and
    key.pem (ECDSA P-256, localhost)."""
    roots = [c.split()[1] for c in commands if c and c.startswith("chroot ")]
    with tempfile.TemporaryDirectory(prefix="shrewd-bench-", dir=os.path.join(roots[0], "srv") if roots else None) as folder:
        os.chmod(folder, 0o755)
        certificate(folder)
        yield folder


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "30", "-subj", "/CN=localhost", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"],
                   check=True, capture_output=True)
    os.chmod(folder + "/key.pem", 0o644)


def seen(path, command):
    """The path as the command sees it: below its root when it begins with 'chroot ROOT'."""
    words = command if isinstance(command, list) else shlex.split(command)
    root = words[1].rstrip("/") if words[0] == "chroot" else ""
    return path[len(root):] if root and path.startswith(root + "/") else path


def query(name, ident=7):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part)
    return struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def ask_udp(names, window=32):
    """Asks each name once, |window| at a time; returns the last bytes of the answers that are no error.  A
    lost one is asked again, twice."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.connect(("127.0.0.1", DNS_PORT))
    s.settimeout(0.3)
    last = []
    for start in range(0, len(names), window):
        waiting = {i: query(n, i) for i, n in enumerate(names[start:start + window])}
        for _ in range(3):
            for q in waiting.values():
                s.send(q)
            try:
                while waiting:
                    answer = s.recv(4096)
                    if waiting.pop(struct.unpack(">H", answer[:2])[0], None) and answer[3] & 15 == 0:
                        last.append(answer[-1])
            except socket.timeout:
                continue
            break
    s.close()
    return last


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


def build(folder, name, *libraries):
    """Compiles tests/bench/|name|.c."""
    program = os.path.join(folder, name)
    if not os.path.exists(program):
        subprocess.run(["cc", "-O2", "-o", program, os.path.join(HERE, name + ".c"), *libraries], check=True)
    return program


def build_responder(folder):
    return build(folder, "responder")


def client(folder, way, port, count, *more, names=1, first=0, last=False):
    """Runs client.c, for |names| names from the |first|; the figures that it prints, by name.  |last|: a dict by the last
    byte of the answers instead."""
    program = build(folder, "client", "-lssl", "-lcrypto")
    out = subprocess.run(["timeout", "300", program, way, "127.0.0.1", str(port), str(count), str(names), str(first), *more],
                         capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if out.returncode:
        raise SystemExit("client %s: %s" % (way, out.stderr.strip() or "exit code %d" % out.returncode))
    if last:
        return {int(m[1]): int(m[2]) for m in re.finditer(r"last-(\d+) (\d+)", out.stdout)}
    return dict(zip(out.stdout.split()[::2], out.stdout.split()[1::2]))


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
    """A proxy that runs with the configuration |text| (see filled()); |command| holds {conf} or {port}.
    |port|: where it answers over UDP."""

    def __init__(self, command, text, folder, name, port=DNS_PORT):
        conf = os.path.join(folder, name + ".lua")
        with open(conf, "w") as f:
            f.write(filled(text, folder, command))
        self.log = os.path.join(folder, name + ".log")
        words = shlex.split(command.replace("{conf}", seen(conf, command)).replace("{port}", str(port)))
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not wait_answer(port) or self.process.poll() is not None:
            self.stop()
            with open(self.log) as log:
                raise SystemExit("%s does not answer; its log ends: %s" % (name, log.read()[-1000:]))
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

    def cpu_ns(self):
        """CPU time of all threads, finer than ticks where the kernel tells."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            try:
                with open("/proc/%d/task/%s/schedstat" % (self.pid, task)) as f:
                    total += int(f.read().split()[0])
            except FileNotFoundError:
                return sum(self.cpu_ticks()) * 1000000000 // TICKS_PER_S
        return total

    def memory(self):
        """kB by name, from smaps_rollup: Rss, Pss, Pss_Anon, Pss_File …"""
        with open("/proc/%d/smaps_rollup" % self.pid) as f:
            return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+):\s+(\d+) kB", f.read(), re.M)}

    def anonymous_kb(self):
        m = self.memory()
        return m.get("Pss_Anon", m.get("Anonymous", 0))

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


def print_rows(rows):
    for what, value in rows:
        print("%-72s %s" % (what, value), flush=True)


def append_rows(title, rows):
    """|rows|: [(what, how much)]"""
    append_report(title, ["| what | how much |", "| --- | ---: |"] + ["| %s | %s |" % r for r in rows])


def append_report(title, lines):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    with open(REPORT, "a") as f:
        f.write("\n## %s, %s\n\n%s; shrewd at %s.\n\n%s\n" % (title, date, machine(), revision(), "\n".join(lines)))
    print("appended to", os.path.relpath(REPORT, ROOT))
