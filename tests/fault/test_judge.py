#!/usr/bin/env python3
"""The judge of the fault table over queries made by hand."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load  # noqa: E402

OK, BAD = load.NOERROR, load.SERVFAIL


def query(sent, latency=None, rcode=None):
    made = load.Query(sent)
    made.latency, made.rcode = latency, rcode
    return made


# What, queries, gaps (from, to, known), moment, what the row must say, words of the misses
CASES = [
    ("all well", [query(1, .02, OK), query(9, .02, OK)], [], 9, {"lost": 0, "clear_ms": 0}, []),
    ("lost with a path", [query(1), query(9, .02, OK)], [], 9, {"lost": 1, "lost_standing": 1}, ["1 lost with a path"]),
    ("SERVFAIL is lost too", [query(1, .02, BAD), query(9, .02, OK)], [], 9, {"lost_standing": 1, "servfail": 1},
     ["1 lost with a path"]),
    ("no path within its time", [query(1), query(17, .02, OK)], [(0, 17, False)], 17, {"lost": 1, "lost_later": 0}, []),
    ("a path came in its time", [query(13), query(17, .02, OK)], [(0, 17, False)], 17, {"lost_later": 1},
     ["1 lost though a path came"]),
    ("it came too late for that", [query(12.1), query(17, .02, OK)], [(0, 17, False)], 17, {"lost_later": 0}, []),
    ("sent just before the gap", [query(2.99), query(17, .02, OK)], [(3, 17, False)], 17, {"lost_standing": 0}, []),
    ("no route, told at once", [query(3.5, .01, BAD), query(4, .02, OK)], [(3, 4, True)], 4,
     {"told": 1, "lost_later": 0, "silent": 0}, []),
    ("no route, told late", [query(3.1, .6, BAD), query(4, .02, OK)], [(3, 4, True)], 4, {"told": 0, "lost_later": 1},
     ["1 lost though a path came"]),
    ("no route, silence", [query(3.5), query(14, .02, OK)], [(3, 14, True)], 14, {"silent": 1, "lost_later": 0},
     ["1 without a word"]),
    ("in flight when the route goes, told", [query(2.99, .1, BAD), query(4, .02, OK)], [(3, 4, True)], 4, {"told": 1},
     []),
    ("a SERVFAIL in a hole is no excuse", [query(3.5, .01, BAD), query(4, .02, OK)], [(3, 4, False)], 4, {"told": 0},
     ["1 lost though a path came"]),
    ("late after the moment", [query(5, .5, OK), query(6, .02, OK)], [], 5, {"clear_ms": 0, "first_ms": 500},
     ["recovery 500 ms"]),
    ("lost after the moment", [query(5.4), query(6, .02, OK)], [(1, 5, False)], 5, {"clear_ms": 400},
     ["1 lost with a path", "recovery 1020 ms"]),
    ("never again", [query(1, .02, OK), query(6), query(8)], [], 5, {"recovered": False, "first_ms": None},
     ["2 lost with a path", "not recovered"]),
    ("two gaps", [query(1), query(9, .02, OK)], [(1, 3, False), (3.1, 9, False)], 9, {"lost_later": 0}, []),
]
IDLE = [
    ("warm", [.021, .022, .02], True, 0, []),
    ("not warm", [.065, .021, .064], True, 0, ["first answer 64 ms"]),
    ("resumed", [.065, .063, .064], False, 0, []),
    ("not resumed", [.065, .063, .064], False, 3, ["3 handshakes not resumed"]),
    ("slow", [.12, .13, None], False, 0, ["1 lost with a path", "first answer 125 ms"]),
]


def main():
    wrong = 0
    for what, queries, gaps, moment, expected, misses in CASES:
        row = load.judge(queries, gaps, moment)
        got = {key: row[key] for key in expected}
        if got != expected or row["misses"] != misses:
            wrong += 1
            print("%s: expected %r %r, got %r %r" % (what, expected, misses, got, row["misses"]))
    for what, samples, warm, full, misses in IDLE:
        row = load.judge_idle(samples, warm, ({"full": 2}, {"full": 2 + full}))
        if row["misses"] != misses:
            wrong += 1
            print("%s: expected %r, got %r" % (what, misses, row["misses"]))
    print("%d of %d cases are wrong" % (wrong, len(CASES) + len(IDLE)))
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
