"""Reads the map that the linker writes beside the mini build (shrewd.map): whose the pieces of the program are."""
import re

# Sections of the program: text, as 'size' counts it, and data.
KINDS = ((".text", ".init", ".fini", ".rodata", ".eh_frame", ".gcc_except_table", ".mips16", ".MIPS.stubs"),
         (".data", ".sdata", ".got", ".init_array", ".fini_array", ".tdata", ".tm_clone_table"))
PIECE = re.compile(r"^ (\S+)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S.*)$")
OURS = re.compile(r"\blib(room_\w+|registry)\.a\(|/main\.c\.o$|\.ltrans\.o$")


def pieces(path):
    """(input section, the object it is of, 0 for text or 1 for data, bytes) of each piece."""
    kind, started = None, False
    with open(path) as f:
        lines = re.sub(r"(?m)^( \S+)\n\s+(0x[0-9a-f]+\s+0x[0-9a-f]+ )", r"\1 \2", f.read()).splitlines()
    for line in lines:
        started = started or line.startswith("Linker script and memory map")
        head = re.match(r"^(\.[\w.]+)", line)
        if head:
            kind = next((i for i, names in enumerate(KINDS) if head[1].startswith(names)), None)
        piece = PIECE.match(line)
        if started and kind is not None and piece and not piece[1].startswith("*"):
            yield piece[1], piece[3], kind, int(piece[2], 16)


def own_bytes(path):
    """Our own code and data, without libraries; 0 when the map does not tell."""
    return sum(size for _, origin, _, size in pieces(path) if OURS.search(origin))
