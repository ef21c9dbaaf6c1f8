"""A demo board in a process of its own, for tests and the demo."""

from pathlib import Path
from typing import Any

from scripts.board.pages import listing_params
from scripts.board.posts import DEFAULT_SEED
from scripts.local.processes import ServerProcess, get_json, post_json


class BoardProcess(ServerProcess):
    """A running board process. `every` is the number of seconds between posts; 0: only those that are added.

    `port` 0 is any free port, None the usual one if it is free. With `file` the posts survive a restart.
    """

    def __init__(
        self, *, every: float = 5.0, seed: int = DEFAULT_SEED, port: int | None = 0, file: Path | None = None
    ) -> None:
        arguments = ["--every", str(every), "--seed", str(seed)]
        if port is not None:
            arguments += ["--port", str(port)]
        if file is not None:
            arguments += ["--file", str(file)]
        super().__init__("scripts.board", arguments)

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at the end."""
        return str(self.addresses["base_url"])

    @property
    def url(self) -> str:
        """The board's first page."""
        return f"{self.base_url}/notice"

    @property
    def feed_url(self) -> str:
        """The same posts as RSS."""
        return f"{self.base_url}/feed.xml"

    def posts(self) -> list[dict[str, Any]]:
        """Return all posts, newest first: id, title, body, author, published_at, pinned."""
        return list(get_json(f"{self.base_url}/admin/posts"))

    def add_post(self, title: str, body: str = "", *, pinned: bool = False) -> dict[str, Any]:
        """Add a post and return it; raises ServerProcessError with the board's reason when it is refused."""
        return dict(post_json(f"{self.base_url}/admin/posts", {"title": title, "body": body, "pinned": pinned}))

    def edit_post(self, number: int, title: str, body: str = "") -> None:
        """Give a post other texts."""
        post_json(f"{self.base_url}/admin/posts/{number}", {"title": title, "body": body})

    def set_new_ids(self, new: bool) -> None:
        """Whether every post has another id, and so another address, at each look at the board."""
        post_json(f"{self.base_url}/admin/new-ids", new)

    def listing_params(self) -> dict[str, str]:
        """Return the parameters of the listing spider for this board."""
        return listing_params(self.base_url)
