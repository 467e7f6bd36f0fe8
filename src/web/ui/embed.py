#!/usr/bin/env python3
"""Turns the page's files into C: embed.py OUT FILE... writes one byte array per file and a table of them."""
import pathlib
import sys

out, *files = sys.argv[1:]
with open(out, "w", encoding="ascii") as c:
    c.write('#include "web/ui.h"\n\n')
    names = []
    for number, name in enumerate(files):
        data = pathlib.Path(name).read_bytes()
        c.write(f"static const unsigned char file_{number}[] = {{\n")
        for start in range(0, len(data), 24):
            c.write("    " + "".join(f"{byte}," for byte in data[start:start + 24]) + "\n")
        c.write("};\n\n")
        names.append((pathlib.Path(name).name, number, len(data)))
    c.write("const UiFile ui_files[] = {\n")
    for name, number, size in names:
        c.write(f'    {{"{name}", file_{number}, {size}}},\n')
    c.write("    {0},\n};\n")
