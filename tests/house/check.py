#!/usr/bin/env python3
"""Checks the rules of the house that no compiler checks, and prints how large the rooms are.

    check.py [--rows PROGRAM] [ROOT]

PROGRAM: the reference writer; called with --rows it lists the words of the language as lines of tab-separated
kind, word, "doc" or "", "example" or "".  Without it the rows are not checked, and that is said.
Exit status 0 when every rule holds.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
import linkmap  # noqa: E402

ROOMS = {"base": 0, "dns": 0, "stat": 1, "cache": 1, "server": 1, "rule": 1, "conf": 1, "net": 1, "query": 2,
         "front": 3, "back": 3, "daemon": 4, "bind": 5, "ctl": 5}
DOORS = {"registry": 0, "base": 0, "mem": 0, "map": 0, "addr": 0, "hash": 0, "text": 0, "log": 0, "arg": 0, "dns": 0,
         "stat": 1, "cache": 1, "server": 1, "health": 1, "rule": 1, "conf": 1, "envelope": 0, "net": 1, "tls": 1, "http": 1, "query": 2,
         "edge": 2, "lane": 3,
         "front": 3, "back": 3, "host": 4, "worker": 4, "bind": 5, "ctl": 5}
# Pairs of one level that stay apart.
LEFT = {"stat", "cache", "server", "rule", "conf"}
NET = {"net", "tls", "http"}
APART = ({("front", "back"), ("back", "front"), ("bind", "ctl")} | {(a, n) for a in LEFT for n in NET} |
         {(n, a) for a in LEFT | {"health"} for n in NET})
# Folders of a room that leave with a feature; they see what is private to their room.
FOLDERS = {"tls", "h2", "doh"}
FILE_LINES, DOOR_LINES, FUNCTION_LINES = 600, 200, 100
MINI_BYTES = 350000  # of our own code and data in the mini build on x86-64
HEAP = r"(?<![\w.>])(?:m|c|re|aligned_)alloc\s*\(|(?<![\w.>])(?:free|strdup|strndup|asprintf|vasprintf|reallocarray)\s*\("
TEXT_FOLDERS = ("src", "include", "tests", "tools", "docs", "conf", "lua", "cmake", "openwrt", ".ci")
TEXT_FILES = ("README.md", "CMakeLists.txt", "CMakePresets.json")
# Written so that this file does not hold what it looks for.
MARKS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE = re.compile(r"(?<![\w.$}/])/(?:wo" r"rk|ro" r"ot|ho" r"me|Us" r"ers)/[\w.]|(?<![\w.$}/])/t" r"mp/[\w.]+/")

problems = []


def problem(path, line, text):
    where = os.path.relpath(path, ROOT) + (":%d" % line if line else "")
    problems.append("%s: %s" % (where, text))


def blank(source, strings=True):
    """The source with comments (and the insides of literals) turned into blanks; lines stay where they are."""
    def cover(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1] if strings else found
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', cover, source, flags=re.S)


def files_below(folder, *endings):
    for where, folders, names in os.walk(os.path.join(ROOT, folder)):
        folders[:] = sorted(f for f in folders if f not in ("__pycache__", "corpus", "build"))
        for name in sorted(names):
            if not endings or name.endswith(endings):
                yield os.path.join(where, name)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def line_of(source, at):
    return source.count("\n", 0, at) + 1


def functions(code):
    """(name, first line, length in lines) of each function body in blanked code: an opening brace in column 0 that
    follows a line with a parameter list."""
    lines = code.split("\n")
    i = 0
    while i < len(lines):
        if lines[i].startswith("{") and i > 0:
            head = i - 1
            while head > 0 and lines[head].strip() and not re.match(r"[A-Za-z_]", lines[head]):
                head -= 1
            name = re.search(r"(\w+)\s*\(", lines[head])
            if name and "=" not in lines[head].split("(")[0]:
                depth, end = 0, i
                while end < len(lines):
                    depth += lines[end].count("{") - lines[end].count("}")
                    if depth <= 0:
                        break
                    end += 1
                yield name.group(1), head + 1, end - head + 1
                i = end
        i += 1


def check_includes(path, owner, level, source, code):
    """owner: the room or door that includes; None stands above all (main.c)."""
    private = [os.path.dirname(path)]
    if os.path.basename(private[0]) in FOLDERS:
        private.append(os.path.dirname(private[0]))
    for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', blank(source, strings=False), re.M):
        kind, name, line = m.group(1), m.group(2), line_of(source, m.start())
        if re.match(r"(lua|lauxlib|lualib|luajit)\.h$", name) and owner != "bind":
            problem(path, line, "%s is for src/bind only" % name)
        if kind == "<":
            continue
        door = name[:-2] if name.endswith(".h") else name
        if name.startswith("tbl/"):
            if not os.path.exists(os.path.join(ROOT, "include", name)):
                problem(path, line, "%s is not there" % name)
        elif "/" not in name and os.path.exists(os.path.join(ROOT, "include", name)):
            if door not in DOORS:
                problem(path, line, "%s has no level: add it to DOORS in tests/house/check.py" % name)
            elif level is not None and DOORS[door] > level:
                problem(path, line, "%s (level %d) is above %s (level %d)" % (name, DOORS[door], owner, level))
            elif (owner, door) in APART:
                problem(path, line, "%s and %s do not know each other" % (owner, door))
        elif "/" in name or not any(os.path.exists(os.path.join(f, name)) for f in private):
            problem(path, line, '"%s" is neither a door nor private to this room' % name)


def check_source(path, room):
    source = read(path)
    code = blank(source)
    level = ROOMS.get(room) if room else None
    if room and level is None:
        problem(path, 0, "the room %s has no level: add it to ROOMS in tests/house/check.py" % room)
    check_includes(path, room, level, source, code)
    lines = source.count("\n")
    if path.endswith(".c") and lines > FILE_LINES:
        problem(path, 0, "%d lines, at most %d: which of its two duties moves out?" % (lines, FILE_LINES))
    if not source.lstrip().startswith("/*"):
        problem(path, 1, "begins without a comment that says its purpose")
    if os.path.relpath(path, ROOT) != os.path.join("src", "base", "mem.c"):
        for m in re.finditer(HEAP, code):
            problem(path, line_of(code, m.start()), "%s: memory goes through mem.h" % m.group(0).strip(" ("))
    for m in re.finditer(r"^[ \t]*#[ \t]*(?:el)?if.*FEATURE_", code, re.M):
        problem(path, line_of(code, m.start()), "a feature is a folder or a file, not an #if")
    sizes = []
    for name, line, length in functions(code):
        sizes.append(length)
        if length > FUNCTION_LINES:
            problem(path, line, "%s() has %d lines, at most %d" % (name, length, FUNCTION_LINES))
    return lines, sizes


def check_doors():
    for path in files_below("include", ".h"):
        source = read(path)
        name = os.path.basename(path)[:-2]
        lines = source.count("\n")
        if lines > DOOR_LINES:
            problem(path, 0, "%d lines, a door has at most %d" % (lines, DOOR_LINES))
        if not source.startswith("/*"):
            problem(path, 1, "begins without a comment that says what the room is for")
        check_includes(path, name, DOORS.get(name), source, blank(source))
        for m in re.finditer(r"^[ \t]*#[ \t]*(?:el)?if.*FEATURE_", blank(source), re.M):
            problem(path, line_of(source, m.start()), "a feature is a folder or a file, not an #if")


def check_words():
    paths = [os.path.join(ROOT, f) for f in TEXT_FILES if os.path.exists(os.path.join(ROOT, f))]
    for folder in TEXT_FOLDERS:
        paths += files_below(folder)
    for path in paths:
        source = read(path)
        for m in MARKS.finditer(source):
            problem(path, line_of(source, m.start()), "'%s': finish it or write an issue" % m.group(0))
        for m in MACHINE.finditer(source):
            problem(path, line_of(source, m.start()), "a path of one machine: '%s…'" % m.group(0))


def check_rows(program):
    out = subprocess.run([program, "--rows"], capture_output=True, text=True, timeout=30)
    if out.returncode:
        problems.append("%s --rows failed: %s" % (program, out.stderr.strip()))
        return 0
    tested = set()
    for path in files_below("tests"):
        if not path.startswith(os.path.join(ROOT, "tests", "house")):
            tested.update(re.findall(r"\w+", read(path)))
    rows = 0
    for row in out.stdout.splitlines():
        kind, word, doc, example = row.split("\t")
        if kind not in ("selector", "action", "response action", "setting") or word.endswith("_"):
            continue
        rows += 1
        if not doc:
            problems.append("%s %s: its row has no sentence" % (kind, word))
        if not example and kind != "setting":
            problems.append("%s %s: its row has no example" % (kind, word))
        if word not in tested:
            problems.append("%s %s: no test mentions it" % (kind, word))
    return rows


def ninety(sizes):
    return sorted(sizes)[min(len(sizes) - 1, int(len(sizes) * 0.9))]


def check_mini():
    """What the mini build has of our own, when it was built here from these sources for x86-64, else None."""
    path = os.path.join(ROOT, "build", "mini", "shrewd")
    if not (os.path.exists(path) and os.path.exists(path + ".map")):
        return None
    if any(os.path.getmtime(p) > os.path.getmtime(path) for folder in ("src", "include") for p in files_below(folder)):
        return None
    with open(path, "rb") as f:
        head = f.read(20)
    if head[:5] != b"\x7fELF\x02" or head[18:20] != b"\x3e\x00":
        return None
    size = linkmap.own_bytes(path + ".map")
    if not size or size > MINI_BYTES:
        problem(path, 0, "%d bytes of our own, the mini build has at most %d" % (size, MINI_BYTES))
    return size


def main():
    global ROOT
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rows", metavar="PROGRAM")
    ask.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    given = ask.parse_args()
    ROOT = os.path.abspath(given.root)

    table, every_file, every_function = [], [], []
    source_root = os.path.join(ROOT, "src")
    for room in sorted(os.listdir(source_root), key=lambda r: (ROOMS.get(r, 9), r)):
        folder = os.path.join(source_root, room)
        if not os.path.isdir(folder):
            if room.endswith(".c"):
                check_source(folder, None)
            continue
        lines, sizes = [], []
        for path in files_below(os.path.join("src", room), ".c", ".h"):
            n, s = check_source(path, room)
            lines.append(n)
            sizes += s
        if lines:
            table.append((room, len(lines), sum(lines), max(lines), sizes))
            every_file += lines
            every_function += sizes
    check_doors()
    check_words()
    rows = check_rows(given.rows) if given.rows else None
    mini = check_mini()

    print("%-8s %6s %7s %9s %10s %8s %6s %8s" % ("room", "files", "lines", "largest", "functions", "median", "90 %", "longest"))
    table.append(("all", len(every_file), sum(every_file), max(every_file, default=0), every_function))
    for room, files, lines, largest, sizes in table:
        print("%-8s %6d %7d %9d %10d %8d %6d %8d" % (room, files, lines, largest, len(sizes),
              statistics.median(sizes) if sizes else 0, ninety(sizes) if sizes else 0, max(sizes, default=0)))
    print("rows of the language: %s" % (rows if rows is not None else "not checked (needs --rows)"))
    print("mini build: %s" % ("%d of %d bytes, without libraries" % (mini, MINI_BYTES) if mini is not None
                              else "not checked (not built from these sources)"))
    for p in problems:
        print("FAIL", p)
    print("PASS" if not problems else "FAIL: %d rules broken" % len(problems))
    return 1 if problems else 0


sys.exit(main())
