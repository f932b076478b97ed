#!/usr/bin/env python3
"""Every word of dnsdist's configuration language, as listed in words.txt, exists: it works, or it fails by name with a
reason.  A word is called without arguments, under --check-config, in a file of its own."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SHREWD = os.environ["SHREWD"]
SLOW = float(os.environ.get("SHREWD_SLOW", "1"))
# tables and objects, not functions
CONSTANTS = ["DNSAction", "DNSResponseAction", "DNSClass", "DNSOpcode", "DNSQType", "DNSRCode", "DNSSection",
             "EDNSOptionCode", "DNSCryptExchangeVersion", "leastOutstanding", "firstAvailable", "roundrobin", "wrandom",
             "whashed", "chashed", "orderedWrandUntag"]


def check(folder, text):
    path = os.path.join(folder, "word.conf")
    with open(path, "w") as f:
        f.write(text)
    r = subprocess.run([SHREWD, "--check-config", "-C", path], capture_output=True, text=True, timeout=20 * SLOW,
                       stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout + r.stderr, path


def judge(word, code, out, path):
    """What is wrong with the answer, or None."""
    if "attempt to" in out or "Sanitizer" in out or code not in (0, 1):
        return "status %d: %s" % (code, out)
    if code == 0:
        return None
    if not re.search(re.escape(path) + r":3: " + re.escape(word) + r": \S", out):
        return "refused, but not as FILE:LINE: %s: reason: %s" % (word, out)
    return None


def main():
    with open(os.path.join(HERE, "words.txt")) as f:
        words = f.read().split()
    bad, works, refused, absent = [], 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for word in words:
            code, out, path = check(folder, "\n\n%s()\n" % word)
            wrong = judge(word, code, out, path)
            if wrong:
                bad.append("%s: %s" % (word, wrong))
            elif code == 0:
                works += 1
            elif "not in this build" in out or "not supported" in out:
                absent += 1
            else:
                refused += 1
        code, out, path = check(folder, "".join('if %s == nil then error("%s is missing") end\n' % (c, c) for c in CONSTANTS))
        if code:
            bad.append(out)
    for line in bad[:20]:
        print(line)
    print("%d words: %d accepted, %d want arguments, %d absent by name, %d wrong" %
          (len(words), works, refused, absent, len(bad)))
    return 1 if bad or len(words) < 450 else 0


sys.exit(main())
