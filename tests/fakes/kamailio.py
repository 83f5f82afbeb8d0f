"""A Kamailio that answers JSON-RPC over a real UNIX datagram socket, from replies of a real one."""

import json
import socket
import threading
from pathlib import Path
from typing import Final, Self

RECORDING: Final = Path(__file__).parents[1] / "data/lab/kamailio-5.6.3/seven-calls.json"
"""Results by command, recorded while seven calls of three tenants were up (3 acme, 2 bolt, 2 globex)."""


class FakeKamailio:
    """Answers what was recorded; what wasn't it refuses, as Kamailio does. `asked` are the commands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []
        self.mute = False
        self._recorded = json.loads(RECORDING.read_text())
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._sock.bind(str(self.path))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.path))
        self._thread.join()
        self._sock.close()
        self.path.unlink()

    def forget_calls(self) -> None:
        """Answer from now on as after the last call ended."""
        self._recorded["dlg.profile_get_size"] = dict.fromkeys(self._recorded["dlg.profile_get_size"], 0)

    def _serve(self) -> None:
        while data := (got := self._sock.recvfrom(65_536))[0]:
            request = json.loads(data)
            self.asked.append(request["method"])
            if not self.mute:
                self._sock.sendto(json.dumps(self._answer(request), indent=1).encode(), got[1])

    def _answer(self, request: dict[str, object]) -> dict[str, object]:
        result = self._recorded.get(request["method"])
        params = request["params"]
        assert isinstance(params, list)
        if request["method"] == "dlg.profile_get_size":
            result = result.get(params[1])
        if request["method"] == "stats.fetchn":
            result = {name: value for name, value in result.items() if f"{name.split('.')[0]}:" in params}
        if result is None:
            error = {"code": 500, "message": "Method Not Found"}
            return {"jsonrpc": "2.0", "error": error, "id": request["id"]}
        return {"jsonrpc": "2.0", "result": result, "id": request["id"]}
