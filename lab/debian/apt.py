"""A private apt: its own lists, status and package cache, the machine's own mirrors and proxy settings.

apt does the work that must not be done by hand: it reads both formats of source lists, checks the
archive's signature against Debian's keyring, resolves dependencies and checks every package's hash.
Works as any user, because every folder that apt writes to is given to it (apt.conf(5), Dir::*).
"""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.base import LabError

_KEYRINGS: Final = tuple(
    Path("/usr/share/keyrings") / f"debian-archive-keyring.{ending}" for ending in ("pgp", "gpg")
)
_LIST_DEADLINE: Final = 30.0
_UPDATE_DEADLINE: Final = 240.0
_DOWNLOAD_DEADLINE: Final = 900.0

# What the machine's own settings may not decide: hooks would run on the system's folders (Docker images
# delete its package cache), further architectures would double the lists, and nothing unsigned gets in.
_CONFIGURATION: Final = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
#clear APT::Default-Release;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Keep-Downloaded-Packages "true";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "3";
Debug::NoLocking "true";
Dir::State "{home}/state";
Dir::State::Lists "{home}/lists";
Dir::State::status "{home}/state/status";
Dir::State::extended_states "{home}/state/extended";
Dir::Cache "{home}";
Dir::Cache::Archives "{home}/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::SourceList "{home}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Log "{home}/state";
"""


@dataclass(frozen=True, slots=True)
class Apt:
    """One suite's private apt in the folder `home`; not safe for two at once (the caller holds a lock)."""

    home: Path
    suite: str
    say: Callable[[str], None]

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Fetch the packages and all that they depend on; return the .deb files, sorted by name.

        What is already in the package cache is not fetched again. Raises LabError.
        """
        configuration = self._prepare()
        self._update(configuration)
        install = ("apt-get", "-qq", "-y", "-c", str(configuration), "--download-only")
        before = set(self._archives())
        self.say(f"downloading {', '.join(packages)} of Debian {self.suite} and what they need")
        _run([*install, "install", *packages], _DOWNLOAD_DEADLINE)
        chosen = self._chosen(_run([*install[:-1], "--simulate", "install", *packages], _LIST_DEADLINE))
        fresh = [path for path in chosen if path not in before]
        self.say(f"{len(chosen)} packages, {len(fresh)} of them new ({_megabytes(fresh)} MB)")
        return chosen

    def _prepare(self) -> Path:
        for folder in ("state", "lists/partial", "archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        # An empty status: to this apt nothing is installed, so the closure is complete down to libc.
        (self.home / "state/status").write_text("")
        path = self.home / "apt.conf"
        architecture = _run(["dpkg", "--print-architecture"], _LIST_DEADLINE).strip()
        path.write_text(_CONFIGURATION.format(home=self.home, architecture=architecture))
        return path

    def _update(self, configuration: Path) -> None:
        """Read the suite's lists from the first of the machine's archives that has it, signed by Debian."""
        key = next((path for path in _KEYRINGS if path.exists()), None)
        if key is None:
            raise LabError("no Debian archive keyring: apt-get install debian-archive-keyring")
        failures: list[str] = []
        for archive in archives():
            self.say(f"reading the package lists of Debian {self.suite} from {archive}")
            (self.home / "sources.list").write_text(
                f"deb [signed-by={key} lang=none target=Packages] {archive} {self.suite} main\n"
            )
            try:
                _run(
                    ["apt-get", "-qq", "-c", str(configuration), "--error-on=any", "update"], _UPDATE_DEADLINE
                )
            except LabError as error:
                failures.append(f"{archive}: {error}")
            else:
                return
        reasons = "\n".join(failures) or "the machine's apt sources name no Debian archive"
        raise LabError(f"Debian {self.suite} can't be read:\n{reasons}")

    def _archives(self) -> list[Path]:
        return sorted((self.home / "archives").glob("*.deb"))

    def _chosen(self, plan: str) -> list[Path]:
        """Return the files of a simulated installation (`Inst NAME (VERSION ...)` lines).

        The package cache may hold older versions as well; they must not be unpacked over new ones.
        """
        chosen: list[Path] = []
        for line in plan.splitlines():
            if line.startswith("Inst "):
                name, version = line.split()[1], line.split("(", 1)[1].split()[0]
                # apt escapes the epoch's colon in file names.
                stem = f"{name}_{version.replace(':', '%3a')}"
                found = [*(self.home / "archives").glob(f"{stem}_*.deb")]
                if not found:
                    raise LabError(f"apt did not download {stem} into {self.home / 'archives'}")
                chosen.extend(found)
        return sorted(chosen)


def archives() -> list[str]:
    """Return the Debian archives that this machine's apt sources name, the likeliest first.

    A third party's archive may call its suite like Debian's too, but it has no `-updates` beside it.
    The signature decides in the end. Raises LabError where the sources can't be read.
    """
    listing = _run(
        [
            "apt-get",
            "indextargets",
            "--no-release-info",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ],
        _LIST_DEADLINE,
    )
    seen: dict[str, set[str]] = {}
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[2] == "main" and not fields[0].startswith("cdrom:"):
            seen.setdefault(fields[0], set()).add(fields[1])
    main = {uri: suites for uri, suites in seen.items() if any("-security" not in s for s in suites)}
    return sorted(main, key=lambda uri: not any(suite.endswith("-updates") for suite in main[uri]))


def _run(argv: Sequence[str], deadline: float) -> str:
    """Run a program to its end and return its output. Raises LabError with the end of what it complained."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=deadline, check=False)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is missing: this needs Debian 12 or 13") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} took longer than {deadline:.0f} s") from None
    if done.returncode:
        complaint = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise LabError(f"{argv[0]} failed ({done.returncode}): {complaint}")
    return done.stdout


def _megabytes(files: Sequence[Path]) -> int:
    return round(sum(path.stat().st_size for path in files) / 1e6)
