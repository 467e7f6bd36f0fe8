"""The manual page and the help texts name the same commands, and each tells its options."""

import re
import subprocess
import sys

from harness import BELFRY, SOURCE, run_cases


def commands():
    done = subprocess.run([BELFRY, "--help"], capture_output=True, text=True, timeout=30, check=True)
    return re.findall(r"^  (\w+) +\S", done.stdout, re.MULTILINE)


def every_command_is_in_the_manual():
    page = (SOURCE / "man" / "belfry.1").read_text(encoding="utf-8")
    described = re.findall(r"^\.It Ic (\w+)$", page, re.MULTILINE)
    assert sorted(described) == sorted(commands()), sorted(set(described) ^ set(commands()))


def every_command_has_help():
    for command in commands():
        done = subprocess.run([BELFRY, command, "--help"], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0 and done.stdout.startswith("usage: belfry " + command), (command, done)
        assert not done.stderr, (command, done.stderr)


def a_misspelt_command_is_refused():
    done = subprocess.run([BELFRY, "serv"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and "serv" in done.stderr, done


if __name__ == "__main__":
    sys.exit(run_cases([every_command_is_in_the_manual, every_command_has_help, a_misspelt_command_is_refused]))
