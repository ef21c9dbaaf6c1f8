import json
import stat
from pathlib import Path

import pytest
from cryptography import x509

from scripts.gateway.credentials import CredentialsError, prepare_credentials


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_credentials_are_private_and_stay_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "gateway"
    first = prepare_credentials(folder, "https://127.0.0.1:1/token")
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 4
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    second = prepare_credentials(folder, "https://127.0.0.1:2/token")
    changed = {path.name for path in folder.iterdir() if path.read_bytes() != before[path.name]}
    # The port of the token end point is all that changes.
    assert changed == {"service-account.json"}
    assert json.loads(second.service_account_file.read_bytes())["token_uri"] == "https://127.0.0.1:2/token"
    assert first.account_key.public_numbers() == second.account_key.public_numbers()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    tmp_path.chmod(0o755)
    with pytest.raises(CredentialsError, match="holds something else"):
        prepare_credentials(tmp_path, "https://127.0.0.1:1/token")
    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CredentialsError, match="name a folder of your own with --folder"):
        prepare_credentials(tmp_path / "file" / "gateway", "https://127.0.0.1:1/token")


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "service-account.json", "AuthKey_CRAWLPUSH1.p8"])
def test_a_damaged_file_is_named_as_damage(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "gateway"
    prepare_credentials(folder, "https://127.0.0.1:1/token")
    (folder / name).write_text("{}")
    with pytest.raises(CredentialsError, match="delete the folder"):
        prepare_credentials(folder, "https://127.0.0.1:1/token")


def test_the_server_certificate_is_for_loopback_and_signed_by_the_ca(tmp_path: Path) -> None:
    credentials = prepare_credentials(tmp_path / "gateway", "https://127.0.0.1:1/token")
    ca = x509.load_pem_x509_certificate(credentials.ca_file.read_bytes())
    server = x509.load_pem_x509_certificate(credentials.server_file.read_bytes())
    server.verify_directly_issued_by(ca)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    # The authority's key is not kept: nothing else can ever be signed with it.
    assert b"PRIVATE KEY" not in credentials.ca_file.read_bytes()
