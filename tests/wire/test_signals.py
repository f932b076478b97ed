#!/usr/bin/env python3
"""The command line, --check-config, signals, users, the end."""
import json
import os
import signal
import subprocess
import time

from fake import Fake, Late, by_name
from harness import (SHREWD, SLOW, Message, Process, Skip, answer_to, equal, frame, free_port, main, query, tcp_ask,
                     tcp_connect, tcp_read, test, true, udp_ask, udp_socket, within)

CONFIG = """
setLocal("127.0.0.1:%d")
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
%s
"""


def run(*args, cwd="/", env=None):
    r = subprocess.run([SHREWD, *args], capture_output=True, text=True, timeout=20 * SLOW, stdin=subprocess.DEVNULL, cwd=cwd,
                       env=env)
    return r.returncode, r.stdout, r.stderr


def start_args(scene, *args, ready=True):
    """The daemon without a configuration file of the harness."""
    p = Process(scene, "shrewd", [SHREWD, "--supervised", "--disable-syslog", *args])
    if ready:
        p.wait_log("ready: layout")
    return p


# ---- the command line ----
@test
def help_and_version(scene):
    for option in ("-h", "--help"):
        code, out, err = run(option)
        equal(code, 0, option)
        for word in ("--config", "--check-config", "--local", "--acl", "--uid", "--gid", "--supervised", "--version"):
            true(word in out, "%s names %s", option, word)
    for option in ("-V", "--version"):
        code, out, err = run(option)
        equal(code, 0, option)
        true(out.startswith("shrewd 0.") and "nabled features" in out, "%s: %s", option, out)


@test
def wrong_options(scene):
    for args, words in ((("--nonsense",), ("nonsense", "--help")), (("-C",), ("C",)), (("-Z",), ("Z", "--help")),
                        (("--structured-logging", "maybe"), ("true or false", "maybe")),
                        (("--structured-logging-backend", "x"), ("json",)), (("-c",), ("console",)),
                        (("-e", "showServers()"), ("console",))):
        code, out, err = run(*args)
        equal(code, 1, "exit status of %s" % (args,))
        for word in words:
            true(word in out + err, "%s: %r is in %s", args, word, out + err)


@test
def missing_file(scene):
    for args in (("-C", "/no/such/file.conf"), ("--check-config", "-C", "/no/such/file.conf")):
        code, out, err = run(*args)
        equal(code, 1, "exit status")
        true("/no/such/file.conf" in out + err, "the file is named: %s", out + err)


@test
def check_config(scene):
    """Result, output and status; nothing is opened."""
    port = free_port()
    good = scene.file("good.conf", CONFIG % (port, free_port(), 'setLocal("192.0.2.9:53")'))
    code, out, err = run("--check-config", "-C", good)
    equal((code, err), (0, ""), "a good file")
    true('msg="Configuration OK"' in out and 'subsystem="setup"' in out, "structured: %s", out)
    code, out, err = run("--check-config", "-C", good, "--structured-logging", "false")
    equal((code, out), (0, "Configuration '%s' OK!\n" % good), "plain")
    code, out, err = run("--check-config", "-C", good, "--structured-logging-backend=json")
    equal(json.loads(out)["msg"], "Configuration OK", "json")
    bad = scene.file("bad.conf", 'setACL("127.0.0.0/8")\n\naddAction(NoSuchRule(1), DropAction())\n')
    for args in ((), ("--structured-logging=false",)):
        code, out, err = run("--check-config", "-C", bad, *args)
        equal(code, 1, "a bad file")
        true("%s:3:" % bad in out + err and "NoSuchRule" in out + err, "file, line, word: %s", out + err)
    for text, line, words in (("x = (\n", 2, ()), ('newServer({address="127.0.0.1", qps="many"})', 1, ("newServer", "qps")),
                              ('\nsetMaxUDPOutstanding(-1)', 2, ("setMaxUDPOutstanding",)),
                              ('\n\n\naddAction("a.", RCodeAction("x"))', 4, ("RCodeAction",)),
                              ('addDOQLocal("127.0.0.1:853", "a", "b")', 1, ("addDOQLocal", "not in this build")),
                              ('error("my own words")', 1, ("my own words",))):
        path = scene.file("bad.conf", text)
        code, out, err = run("--check-config", "-C", path)
        equal(code, 1, "exit status of %r" % text)
        for word in ("%s:%d:" % (path, line),) + words:
            true(word in out + err, "%r: %r is in %s", text, word, out + err)


@test
def in_config_check(scene):
    path = scene.file("c.conf", 'if inConfigCheck() then error("checking") end\nsetLocal("127.0.0.1:%d")' % free_port())
    code, out, err = run("--check-config", "-C", path)
    true(code == 1 and "checking" in out + err, "inConfigCheck() is true: %s", out + err)
    start_args(scene, "-C", path)


@test
def usual_places(scene):
    """Without -C the usual places are looked at; without any it says what to do."""
    for place in ("/etc/shrewd/shrewd.conf", "/etc/dnsdist/dnsdist.conf", "/etc/dnsdist.conf", "/usr/local/etc/shrewd/shrewd.conf"):
        if os.path.exists(place):
            raise Skip("this machine has " + place)
    code, out, err = run()
    equal(code, 1, "exit status without a configuration")
    true("--config" in out + err, "it says what to do: %s", out + err)


@test
def local_acl_backends(scene):
    """-l and -a take the place of the file's; backends on the command line are added."""
    back, other, file_port, port = (free_port() for _ in range(4))
    scene.keep(Fake(back))
    scene.keep(Fake(other))
    path = scene.file("c.conf", """
setLocal("127.0.0.1:%d")
setACL({"127.0.0.0/8"})
newServer({address="127.0.0.1:%d", healthCheckMode="up"})
""" % (file_port, back))
    d = start_args(scene, "-C", path, "-l", "127.0.0.1:%d" % port, "-l", "127.0.0.2:%d" % port, "-a", "127.0.0.1/32",
                   "-a", "127.0.0.5/32")
    true(udp_ask(port, query()) and tcp_ask(port, query(), "127.0.0.2"), "the addresses of -l")
    equal(udp_ask(file_port, query(), timeout=0.3), None, "the file's listener")
    true(udp_ask(port, query(), source="127.0.0.5"), "the ACL of -a")
    equal(udp_ask(port, query(), source="127.0.0.6", timeout=0.3), None, "the file's ACL")
    d.end()
    empty = scene.file("empty.conf", "")
    start_args(scene, "-C", empty, "-l", "127.0.0.1:%d" % port, "127.0.0.1:%d" % other)
    time.sleep(0.2)
    true(udp_ask(port, query()), "a backend of the command line")
    for args, word in ((("-l", "x y"), "x y"), (("-a", "300.0.0.0/8"), "300.0.0.0/8"), (("1.2.3.4:99999",), "1.2.3.4:99999")):
        code, out, err = run("-C", empty, "--check-config", *args)
        true(code == 1 and word in out + err, "%s is refused by name: %d %s", args, code, out + err)


@test
def only_backends(scene):
    """No file at all: backends on the command line are enough."""
    if os.path.exists("/etc/dnsdist/dnsdist.conf") or os.path.exists("/etc/shrewd/shrewd.conf"):
        raise Skip("this machine has a configuration")
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    start_args(scene, "-l", "127.0.0.1:%d" % port, "127.0.0.1:%d" % back)
    time.sleep(0.2)
    true(udp_ask(port, query()), "an answer")


@test
def other_user(scene):
    if os.getuid() != 0:
        raise Skip("only root changes users")
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    text = CONFIG % (port, back, 'addLocal("127.0.0.7:53")')
    d = scene.daemon(text, "-u", "nobody", "-g", "nogroup")
    with open("/proc/%d/status" % d.pid) as f:
        status = dict(line.split(":", 1) for line in f.read().splitlines() if ":" in line)
    equal(status["Uid"].split(), ["65534"] * 4, "uid")
    equal(status["Gid"].split(), ["65534"] * 4, "gid")
    equal(status["Groups"].split(), [], "groups")
    caps = int(status["CapEff"], 16)
    true(caps & ~(1 << 10) == 0, "capabilities but for low ports: %x", caps)
    true(udp_ask(53, query(), "127.0.0.7"), "answers at a low port")
    if caps:
        os.chmod(d.config, 0o644)
        d.reload(text + 'addLocal("127.0.0.8:53")')
        true(udp_ask(53, query(), "127.0.0.8"), "a low port after a reload")
    for args, word in ((("-u", "nosuchuser"), "nosuchuser"), (("-g", "nosuchgroup"), "nosuchgroup")):
        p = start_args(scene, "-C", scene.file("u.conf", 'setLocal("127.0.0.1:%d")' % free_port()), *args, ready=False)
        equal(p.process.wait(5), 1, "exit status")
        true(word in p.log(), "named: %s", p.log())


# ---- the end ----
@test
def drains(scene):
    """SIGTERM: queries at the backend are answered, nothing new is taken, status 0; in every layout."""
    back, port = free_port(), free_port()
    scene.keep(Fake(back, script=by_name({"slow": lambda q, v: Late(0.7, answer_to(q))})))
    for layout in ("collapsed", "sharded", "split"):
        d = scene.daemon(CONFIG % (port, back, 'setWorkerLayout("%s")' % layout))
        with udp_socket(port) as u, tcp_connect(port) as t:
            u.send(query("slow.test.", qid=1))
            t.sendall(frame(query("slow.test.", qid=2)))
            time.sleep(0.2)
            d.signal(signal.SIGTERM)
            started = time.monotonic()
            body = tcp_read(t)
            true(body, "%s: the answer over TCP during the drain", layout)
            equal(Message(body).id, 2, "id")
            equal(Message(u.recv(4096)).id, 1, layout + ": the answer over UDP during the drain")
            equal(d.process.wait(5 * SLOW), 0, "exit status")
            within(time.monotonic() - started, 0, 1.5 * SLOW, layout + ": seconds of the drain")


@test
def ends_quickly(scene):
    for number in (signal.SIGTERM, signal.SIGINT):
        port = free_port()
        d = scene.daemon(CONFIG % (port, free_port(), ""))
        tcp = tcp_connect(port)
        started = time.monotonic()
        d.signal(number)
        equal(d.process.wait(5 * SLOW), 0, "exit status")
        within(time.monotonic() - started, 0, 0.5 * SLOW, "seconds with an idle connection")
        tcp.close()


@test
def mute_backend(scene):
    """A backend that does not answer holds the end for 2 s at most; a second signal ends at once."""
    back, port = free_port(), free_port()
    f = scene.keep(Fake(back, script=lambda q, v: None))
    for signals, limit in ((1, 3.0), (3, 1.2)):  # signals that come too fast are one
        d = scene.daemon(CONFIG % (port, back, "setUDPTimeout(30)"))
        with udp_socket(port) as s:
            n = len(f.seen)
            s.send(query())
            while len(f.seen) == n:
                time.sleep(0.01)
            started = time.monotonic()
            for _ in range(signals):
                d.signal(signal.SIGTERM)
                time.sleep(0.1)
            equal(d.process.wait(5 * SLOW), 0, "exit status")
            within(time.monotonic() - started, 0, limit * SLOW, "seconds with %d signals" % signals)


@test
def exit_callback_and_shutdown(scene):
    port = free_port()
    d = scene.daemon(CONFIG % (port, free_port(), 'addExitCallback(function() infolog("the last words") end)'))
    d.stop()
    true("the last words" in d.log(), "addExitCallback: %s", d.log())
    ticks = "local n = 0\nfunction maintenance() n = n + 1 if n == 2 then shutdown() end end"
    d = scene.daemon(CONFIG % (free_port(), free_port(), ticks))
    equal(d.process.wait(6 * SLOW), 0, "shutdown() from maintenance()")


@test
def harmless_signals(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(back))
    d = scene.daemon(CONFIG % (port, back, ""))
    d.signal(signal.SIGPIPE)
    d.signal(signal.SIGCHLD)
    time.sleep(0.1)
    true(udp_ask(port, query()), "answers after SIGPIPE and SIGCHLD")


# ---- log ----
@test
def log_forms(scene):
    port = free_port()
    path = scene.file("c.conf", CONFIG % (port, free_port(), 'infolog("a \\"word\\"")\nwarnlog("w")\nerrlog("e")'))
    for args, want in ((("--structured-logging=false",), 'a "word"'), ((), 'msg="a \\"word\\""'),
                       (("--structured-logging-backend=json",), '"msg":"a \\"word\\""')):
        p = start_args(scene, "-C", path, *args, ready=False)
        p.wait_log("ready")
        p.end()
        true(want in p.log().replace('": "', '":"'), "%s: %s is in\n%s", args, want, p.log())
        if "json" in "".join(args):
            for line in p.log().splitlines():
                json.loads(line)
    p = start_args(scene, "-C", path, "--structured-logging=false", "--log-timestamps", ready=False)
    p.wait_log("ready")
    true(all(line[:1].isalnum() and ":" in line[:24] for line in p.log().splitlines()), "times:\n%s", p.log())


@test
def port_taken(scene):
    back, port = free_port(), free_port()
    scene.keep(Fake(port))
    p = start_args(scene, "-C", scene.file("c.conf", CONFIG % (port, back, "")), ready=False)
    equal(p.process.wait(5), 1, "exit status")
    true("127.0.0.1:%d" % port in p.log() and "in use" in p.log(), "address and reason: %s", p.log())


main()
