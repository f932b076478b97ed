"""Asks the Lua of a running daemon, through its maintenance(); reads what counts and why.

    lua = Lua(scene)
    d = scene.daemon(lua.hook + config)
    lua(d, "showTLSFrontends()")        # what it returned, else what it wrote to the log
    table(lua(d, "showTLSFrontends()")) # [{"Address": …, "Full": "1", …}, …]
"""
import os
import re
import signal
import time

from harness import equal, true, until

HOOK = """
do
  local file = "%s"
  function maintenance()
    local f = io.open(file .. ".ask")
    if not f then return end
    local code = f:read("*a")
    f:close()
    os.remove(file .. ".ask")
    local ok, result = pcall(loadstring(code))
    f = io.open(file .. ".new", "w")
    f:write(ok and "ok\\n" or "error\\n", tostring(result))
    f:close()
    os.rename(file .. ".new", file .. ".said")
  end
end
"""


class Lua:
    def __init__(self, scene):
        self.base = os.path.join(scene.folder, "lua%d" % len(os.listdir(scene.folder)))
        self.hook = HOOK % self.base

    def __call__(self, daemon, code):
        start = len(daemon.log())
        with open(self.base + ".tmp", "w") as f:
            f.write(code)
        os.rename(self.base + ".tmp", self.base + ".ask")
        until(lambda: os.path.exists(self.base + ".said"), "maintenance() answers", 5)
        with open(self.base + ".said") as f:
            status, _, text = f.read().partition("\n")
        os.remove(self.base + ".said")
        equal(status, "ok", "%s: %s" % (code, text))
        return text if text != "nil" else daemon.log()[start:]


HEADS = re.compile(r"TLS 1\.[23]|\S+")


def table(text):
    """The rows of a table that a show…() word wrote to the log, by the words of its head."""
    rows, names = [], []
    for line in text.splitlines():
        line = line.split('" subsystem=')[0]
        at = line.find("#   ")
        if at >= 0:
            names, skip = HEADS.findall(line[at:]), at
        elif names and re.match(r"\d+ ", line[skip:]):
            rows.append(dict(zip(names, line[skip:].split())))
    true(rows, "a table in:\n%s", text)
    return rows


def reasons(daemon):
    """{sentence: how often} of what was dropped or closed, by SIGUSR1."""
    start = len(daemon.log())
    daemon.signal(signal.SIGUSR1)
    daemon.wait_log("reload-errors", after=start)
    time.sleep(0.05)
    found = re.findall(r"reason: (.*?) +(\d+)(?=\s|\")", daemon.log()[start:])
    return {sentence: int(n) for sentence, n in found}
