#!/usr/bin/env python3
"""Every piece of Lua in docs/manual.md is a configuration that --check-config accepts, but for certificates that are not
here and features that this build lacks."""
import os
import re
import subprocess
import sys
import tempfile

SHREWD, SOURCE = os.environ["SHREWD"], os.environ["SHREWD_SOURCE"]


def main():
    with open(os.path.join(SOURCE, "docs", "manual.md"), encoding="utf-8") as f:
        text = f.read()
    pieces = [(text.count("\n", 0, m.start()) + 1, m[1]) for m in re.finditer(r"^```lua\n(.*?)^```$", text, re.M | re.S)]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "piece.lua")
        for line, code in pieces:
            with open(path, "w") as f:
                f.write(code)
            r = subprocess.run([SHREWD, "--check-config", "-C", path], capture_output=True, text=True, timeout=20)
            if r.returncode and not re.search(r"\.(pem|p12|key|ocsp)\b|not in this build \(FEATURE_", r.stdout + r.stderr):
                bad += 1
                print("docs/manual.md:%d: refused:\n%s%s%s" % (line, code, r.stdout, r.stderr))
    print("%d pieces of Lua, %d refused" % (len(pieces), bad))
    return 1 if bad or len(pieces) < 5 else 0


sys.exit(main())
