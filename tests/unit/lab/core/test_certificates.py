"""The certificates that a lab makes for its servers."""

import ssl
from pathlib import Path

import pytest

from lab import certificates
from lab.base import LabContext, LabError
from lab.certificates import Certificates
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from lab.sample import sample


@pytest.fixture
def context(tmp_path: Path) -> LabContext:
    """Make a lab without any server."""
    return LabContext(
        root=tmp_path,
        cache=tmp_path,
        ports=LoopbackPorts(tmp_path, tmp_path / "claims.json"),
        processes=LabProcesses(tmp_path),
        sample=sample(tmp_path / "accounts.csv"),
    )


def handshake(made: Certificates, name: str, ca: Path | None = None) -> None:
    """Do a TLS handshake in memory as a client that asks for that name."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made.chain, made.key)
    client = ssl.create_default_context(cafile=ca or made.ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    pipes = [ssl.MemoryBIO() for _ in range(2)]
    sides = [
        client.wrap_bio(pipes[0], pipes[1], server_hostname=name),
        server.wrap_bio(pipes[1], pipes[0], server_side=True),
    ]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", "clusterpbx.example"])
def test_who_trusts_the_labs_authority_trusts_its_servers_by_each_name(
    context: LabContext, name: str
) -> None:
    handshake(certificates.certificates(context), name)


def test_another_name_or_another_labs_authority_is_no_good(context: LabContext, tmp_path: Path) -> None:
    made = certificates.certificates(context)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(made, "acme.ntek.clusterpbx.example")
    (tmp_path / "other").mkdir()
    other = certificates.certificates(
        LabContext(tmp_path / "other", tmp_path, context.ports, context.processes, context.sample)
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "127.0.0.1", ca=other.ca)


def test_keys_are_private_and_the_authoritys_is_gone(context: LabContext) -> None:
    made = certificates.certificates(context)
    assert {path.stat().st_mode & 0o077 for path in (made.ca.parent, *made.ca.parent.iterdir())} == {0}
    keys = [path for path in made.ca.parent.iterdir() if path.is_file() and "PRIVATE" in path.read_text()]
    assert keys == [made.key]


def test_they_stay_with_the_lab_until_they_are_about_to_end(
    context: LabContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = certificates.certificates(context).chain.read_text()
    assert certificates.certificates(context).chain.read_text() == first
    monkeypatch.setattr(certificates, "_FRESH", 400 * 86_400)
    assert certificates.certificates(context).chain.read_text() != first


def test_without_openssl_it_says_what_to_install(
    context: LabContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert certificates.missing() == ["openssl: apt-get install openssl"]
    with pytest.raises(LabError, match="apt-get install openssl"):
        certificates.certificates(context)


def test_what_openssl_complained_of_is_told_and_no_key_is_left(
    context: LabContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/openssl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no entropy' >&2\ntouch tls/ca.key\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.chdir(context.root)
    with pytest.raises(LabError, match="openssl made no certificate: no entropy"):
        certificates.certificates(context)
    assert not (context.root / "tls/ca.key").exists()
