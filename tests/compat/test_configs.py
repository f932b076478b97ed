#!/usr/bin/env python3
"""Configurations as people write them load: those of conf/ and those of configs/.  Those of configs/refused/ use what is
not in every build: where it is absent they fail at line 3 by the name of the word; where it is there, for the certificate
that they lack.  Those of configs/encrypted/ load, or name the feature that this build lacks."""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SHREWD, SOURCE = os.environ["SHREWD"], os.environ["SHREWD_SOURCE"]
SLOW = float(os.environ.get("SHREWD_SLOW", "1"))


def check(path):
    made = ["--self-signed", "localhost"] if os.path.basename(path) == "quickstart.lua" else []
    r = subprocess.run([SHREWD, "--check-config", "-C", path] + made, capture_output=True, text=True, timeout=20 * SLOW,
                       stdin=subprocess.DEVNULL, cwd=os.path.join(HERE, "configs"))
    return r.returncode, r.stdout + r.stderr


def main():
    bad = []
    good = glob.glob(os.path.join(SOURCE, "conf", "*.lua")) + glob.glob(os.path.join(SOURCE, "conf", "*.conf"))
    good += glob.glob(os.path.join(HERE, "configs", "*.conf"))
    for path in sorted(good):
        code, out = check(path)
        if os.path.basename(path) in ("cpe.lua", "quickstart.lua") and re.search(r"\(FEATURE_(TLS|DOH)\)", out):
            continue  # encrypted, too
        if code or "OK" not in out:
            bad.append("%s: status %d\n%s" % (path, code, out))
    encrypted = sorted(glob.glob(os.path.join(HERE, "configs", "encrypted", "*.conf")))
    for path in encrypted:
        code, out = check(path)
        if (code or "OK" not in out) and not re.search(r"not in this build \(FEATURE_(TLS|DOH)\)", out):
            bad.append("%s: status %d\n%s" % (path, code, out))
    refused = sorted(glob.glob(os.path.join(HERE, "configs", "refused", "*.conf")))
    for path in refused:
        word = os.path.basename(path).split(".")[0].split("_")[0]
        code, out = check(path)
        if not re.search(r"%s:3: %s: .*(not in this build|not supported)" % (re.escape(path), word), out) or code != 1:
            if code or "OK" not in out:  # a build that has it may take it, or miss the certificate
                if code != 1 or not re.search(r"\.(pem|cert|key)\b", out):
                    bad.append("%s: status %d\n%s" % (path, code, out))
    for line in bad:
        print(line)
    print("%d configurations that load, %d encrypted ones, %d that are refused by name, %d wrong" %
          (len(good), len(encrypted), len(refused), len(bad)))
    return 1 if bad or len(good) < 12 or len(encrypted) < 2 or len(refused) < 7 else 0


sys.exit(main())
