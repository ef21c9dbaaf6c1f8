"""The neighbour: a small web process whose every answer costs some milliseconds of CPU, as a login does."""

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUNDS = 8_000
"""Of the password hash: about four milliseconds on a machine of today."""


class Login(BaseHTTPRequestHandler):
    """Hashes a password for each request."""

    def do_GET(self) -> None:
        """Answer with the hash."""
        body = hashlib.pbkdf2_hmac("sha256", b"password", b"salt", ROUNDS).hex().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def main() -> None:
    """Serve on a free port, which goes to standard output, until standard input ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Login) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
