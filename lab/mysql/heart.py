"""A heart: the process that writes the time into a server, and that can be stopped."""

import asyncio
import sys
from pathlib import Path

from lab.base import LabContext
from lab.files import write_private
from lab.processes import python_path


class Heart:
    """The heartbeat writer of one server; a process of its own."""

    def __init__(
        self, lab: LabContext, server: str, number: int, socket: Path, password: str, interval: float
    ) -> None:
        self._lab = lab
        self.server = server
        self._process = f"{server}-heart"
        self._number = number
        self._socket = socket
        self._password = password
        self.interval = interval

    @property
    def beats(self) -> bool:
        """Whether the writer runs."""
        return self._lab.processes.alive(self._process)

    def start(self) -> None:
        """Start the writer; while its server is away or read-only it keeps trying. Raises LabError."""
        password_file = self._socket.parent.parent / f"{self._process}.password"
        write_private(password_file, self._password)
        self._lab.processes.start(
            self._process,
            [
                *(sys.executable, "-m", "lab.mysql.heartbeat", "--socket", str(self._socket)),
                *("--server-id", str(self._number), "--password-file", str(password_file)),
                *("--interval", str(self.interval)),
            ],
            env={"PYTHONPATH": python_path()},
        )

    async def stop(self) -> None:
        """End the writer; its last beat stays in the table, and grows old."""
        await asyncio.to_thread(self._lab.processes.stop, self._process)

    def log_tail(self) -> str:
        """Return the end of what it said."""
        return self._lab.processes.log_tail(self._process)
