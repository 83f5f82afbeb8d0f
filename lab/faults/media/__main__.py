"""`python -m lab.faults.media SETTINGS`: relays RTP until its standard input ends; see relay.py."""

import json
import signal
import sys

from lab.faults.media.loop import Loop
from lab.faults.media.settings import Settings


def main() -> int:
    """Say the ports in a line, then serve; the exit code is 1 where no ports are free."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    settings = Settings.decode(sys.argv[1])
    try:
        loop = Loop(settings.calls, settings.to_caller, settings.to_callee, crossed=settings.crossed)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        sys.stdout.write(json.dumps(loop.ports) + "\n")
        sys.stdout.flush()
        loop.run(sys.stdin.fileno(), sys.stdout.fileno())
    finally:
        loop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
