"""Finding SIPp: the versions that will do, and a sentence for every way in which there is none."""

from pathlib import Path

import anyio
import pytest

from synthetic.sipp.program import Sipp, SippLocator, SippMissingError, find_sipp
from tests.fakes.sipp_program import SippProgram


@pytest.fixture
def program(tmp_path: Path) -> SippProgram:
    return SippProgram(tmp_path)


async def refusal(path: str | None, **rest: float) -> str:
    with pytest.raises(SippMissingError) as refused:
        await find_sipp(path, **rest)
    return refused.value.detail


@pytest.mark.parametrize(
    ("banner", "version", "features"),
    [
        ("3.6.1-SCTP-PCAP-RTPSTREAM", (3, 6, 1), {"SCTP", "PCAP", "RTPSTREAM"}),
        ("3.7.3-TLS-SCTP-PCAP", (3, 7, 3), {"TLS", "SCTP", "PCAP"}),
        ("3.6", (3, 6, 0), set()),
        ("3.7.0_rc1-TLS", (3, 7, 0), {"TLS"}),
        ("4.0.0-TLS", (4, 0, 0), {"TLS"}),
    ],
)
async def test_a_version_that_will_do_is_told_with_its_features(
    program: SippProgram, banner: str, version: tuple[int, int, int], features: set[str]
) -> None:
    path = program.version(banner)
    assert await find_sipp(path) == Sipp(path, version, frozenset(features))


@pytest.mark.parametrize("banner", ["3.5.2-TLS-PCAP", "3.4.1", "2.0.1"])
async def test_too_old_a_version_is_named(program: SippProgram, banner: str) -> None:
    said = await refusal(program.version(banner))
    assert said.startswith(f"sipp {banner.partition('-')[0]} is too old; 3.6 or later is needed: ")


async def test_no_program_on_path_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no program sipp on PATH: install the Debian package sip-tester" in await refusal(None)
    assert "no program sipp37 on PATH" in await refusal("sipp37")


async def test_without_its_launcher_sipp_is_not_used(
    program: SippProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = program.version("3.6.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "setpriv is missing: install the Debian package util-linux" in await refusal(path)


async def test_a_path_that_leads_nowhere_or_to_no_program_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("SIPp v3.6.1")
    assert f"{tmp_path}/none does not exist" in await refusal(f"{tmp_path}/none")
    assert f"{plain} is not executable" in await refusal(str(plain))
    assert f"{tmp_path} is not executable" in await refusal(str(tmp_path))


async def test_a_file_that_the_kernel_does_not_start_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "sipp"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    assert f"{broken} can't be started: Exec format error" in await refusal(str(broken))


@pytest.mark.parametrize(
    ("said", "quoted"),
    [("", "it says nothing"), ("GNU bash 5.2", "it says 'GNU bash 5.2'"), ("SIPp vX", "'SIPp vX'")],
)
async def test_a_program_that_is_another_is_quoted(program: SippProgram, said: str, quoted: str) -> None:
    answer = await refusal(program.says(said))
    assert "is not SIPp" in answer
    assert quoted in answer


async def test_a_program_that_prints_without_end_is_cut_off(program: SippProgram) -> None:
    assert "is not SIPp: asked for its version, it says 'nothing to do with SIP" in await refusal(
        program.floods()
    )


async def test_a_program_that_hangs_is_given_up_and_its_children_are_ended(
    program: SippProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "-v did not end within 0.5 s" in await refusal(program.hangs(), within=0.5)
    await gone(int((tmp_path / "child.pid").read_text()))


async def gone(pid: int) -> None:
    with anyio.fail_after(10):
        while _runs(pid):  # noqa: ASYNC110 - the kernel sets no Event
            await anyio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_program_is_asked_once_and_again_when_it_is_another(
    program: SippProgram, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    count = f"echo x >> {asked}; "
    path = program.script(f"{count} echo SIPp v3.6.1; exit 99")
    locator = SippLocator(path)
    assert (await locator.find()).version == (3, 6, 1)
    assert (await locator.find()).version == (3, 6, 1)
    assert asked.read_text().count("x") == 1
    program.script(f"{count} echo SIPp v3.7.3-TLS; exit 99")
    assert (await locator.find()).version == (3, 7, 3)


async def test_a_program_that_appears_later_is_found_then(program: SippProgram, tmp_path: Path) -> None:
    locator = SippLocator(str(tmp_path / "sipp"))
    with pytest.raises(SippMissingError):
        await locator.find()
    program.version("3.6.1")
    assert (await locator.find()).version == (3, 6, 1)
    (tmp_path / "sipp").unlink()
    with pytest.raises(SippMissingError):
        await locator.find()
