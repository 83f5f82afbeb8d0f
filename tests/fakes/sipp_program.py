"""Programs that stand in for sipp: other versions of it, and what is not it at all."""

import shlex
from pathlib import Path

BANNER = "\n SIPp v{version}.\n\n This program is free software; you can redistribute it\n"


class SippProgram:
    """Writes an executable script into a folder and returns its path.

    As the real one does, `-v` prints the banner and exits with 99; other arguments run the script's body.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def version(self, version: str, body: str = "exit 0") -> str:
        """Say that version; do the body when run with more than -v."""
        banner = shlex.quote(BANNER.format(version=version))
        return self.script(f'if [ "$1" = -v ]; then printf %s {banner}; exit 99; fi\n{body}')

    def says(self, text: str) -> str:
        """Print a text, whatever it is asked."""
        return self.script(f"printf %s {shlex.quote(text)}")

    def floods(self) -> str:
        """Print without end."""
        return self.script("while :; do echo nothing to do with SIP, line after line; done")

    def hangs(self) -> str:
        """Neither print nor end, and have a child that does not either."""
        return self.script("sleep 600 & echo $! > child.pid; wait")

    def deaf(self) -> str:
        """Run and ignore every signal that can be ignored, with a child that does too."""
        body = "trap '' USR1 TERM INT HUP\nsleep 600 & echo $! > child.pid\nwhile :; do wait; sleep 600; done"
        return self.version("3.6.1", body)

    def script(self, body: str) -> str:
        """Write a script of a POSIX shell."""
        path = self._folder / "sipp"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)
