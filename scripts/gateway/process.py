"""A gateway in a process of its own, for tests, benches and the demo."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.gateway.faults import Faults
from scripts.local.processes import ServerProcess, get_json, post_json


class GatewayProcess(ServerProcess):
    """A running gateway process: what it received, and how to make it fail."""

    def __init__(self, folder: Path, *, keep: int = 100_000, usual_page: bool = False) -> None:
        """usual_page: the page of the phones at its usual port, if that is free; else at any."""
        arguments = ["--folder", str(folder), "--keep", str(keep)]
        for name in ("fcm", "apns", "apns-sandbox", *(() if usual_page else ("admin",))):
            arguments += [f"--{name}-port", "0"]
        super().__init__("scripts.gateway", arguments)

    @property
    def admin_url(self) -> str:
        """The address of the admin page."""
        return str(self.addresses["admin_url"])

    def environment(self) -> dict[str, str]:
        """Return the settings that point the product to this gateway."""
        return dict(self.addresses["environment"])

    def received(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the accepted messages whose number is above `since`, oldest first."""
        return list(get_json(f"{self.admin_url}/admin/received?since={since}"))

    def phones(self) -> list[dict[str, Any]]:
        """Return every phone with what it shows; `sends` of a notification above 1 are replacements."""
        return list(get_json(f"{self.admin_url}/admin/phones"))

    def messages(self) -> list[tuple[str, str, str, bool, bool, str]]:
        """Return all that was accepted, in short, as `PushRecord.messages` does. For great numbers."""
        return [tuple(row) for row in get_json(f"{self.admin_url}/admin/messages")]

    def stats(self) -> dict[str, Any]:
        """Return the counters."""
        return dict(get_json(f"{self.admin_url}/admin/stats"))

    def set_faults(self, **faults: object) -> None:
        """Follow the failure plan with these fields of Faults; the others are at rest. Raises FaultsError."""
        post_json(f"{self.admin_url}/admin/faults", Faults.from_json(faults).to_json())

    def set_owners(self, owners: Mapping[tuple[str, str], str]) -> None:
        """Tell whose phones they are, by platform and token: the page draws these first, and with their names."""
        rows = [{"platform": platform, "token": token, "owner": owner} for (platform, token), owner in owners.items()]
        post_json(f"{self.admin_url}/admin/owners", rows)

    def reset(self) -> None:
        """Forget what was received, and fail no more."""
        post_json(f"{self.admin_url}/admin/reset", {})


@contextmanager
def gateway_process(
    folder: Path | None = None, *, keep: int = 100_000, usual_page: bool = False, **faults: object
) -> Iterator[GatewayProcess]:
    """Run a gateway process on free ports, its credentials in `folder` (a temporary one if none is given).

    `faults` are fields of Faults. The process ends with the block, and also when this process is killed.
    """
    with (
        TemporaryDirectory(prefix="crawlpush-gateway-") as temporary,
        GatewayProcess(folder or Path(temporary) / "gateway", keep=keep, usual_page=usual_page) as gateway,
    ):
        if faults:
            gateway.set_faults(**faults)
        yield gateway
