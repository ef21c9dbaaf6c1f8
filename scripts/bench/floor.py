"""The least that a notification costs: a notifier written by hand, with the same messages, leases, rows and requests.

No Celery and no SQLAlchemy: a batch is taken by one script, claimed by one statement, sent over kept TLS connections
with one epoll, recorded by one statement and acknowledged by one transaction. It bears nothing that goes wrong, and
knows PostgreSQL alone.

`python -m scripts.bench.floor` runs it until SIGTERM.
"""

import base64
import json
import os
import select
import signal
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import google.auth.transport.requests
import psycopg
from google.oauth2 import service_account
from redis import Redis

THREADS = 2
"""As many as a notifier has batches under way."""
CONNECTIONS = 50
"""Of each thread; a notifier has a hundred for both."""
BATCH = 300
IDLE_S = 0.01
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
MARK = "TOKEN"
KEYS = ("notify_tasks", "unacked:floor", "unacked_index:floor")
TAKE = """
local out = {}
for _ = 1, tonumber(ARGV[1]) do
  local raw = redis.call('RPOP', KEYS[1])
  if not raw then break end
  local tag = raw:match('"delivery_tag": "([^"]+)"')
  redis.call('ZADD', KEYS[3], ARGV[2], tag)
  redis.call('HSET', KEYS[2], tag, raw)
  out[#out + 1] = tag
  out[#out + 1] = raw
end
return out"""
CLAIM = """
WITH wanted AS (SELECT * FROM unnest(%(posts)s::bigint[], %(users)s::bigint[]) AS wanted(post_id, user_id)),
ours AS (
  UPDATE notifications
  SET status = 'sending', lease_token = %(token)s, lease_until = now() + interval '60 s', attempts = attempts + 1
  WHERE id = ANY(ARRAY(
    SELECT n.id FROM wanted JOIN notifications n USING (post_id, user_id)
    WHERE CASE n.status WHEN 'pending' THEN n.next_attempt_at <= now()
      WHEN 'sending' THEN n.lease_until < now() ELSE false END
    ORDER BY n.id FOR UPDATE OF n SKIP LOCKED))
  RETURNING id, post_id, user_id)
SELECT ours.id, ours.post_id, d.id, d.token, coalesce(l.attempts, 0) + 1, (
    SELECT count(*) FROM notifications o WHERE o.user_id = ours.user_id AND o.status = 'sent' AND o.read_at IS NULL)
FROM ours JOIN users u ON u.id = ours.user_id
JOIN devices d ON d.user_id = ours.user_id AND d.disabled_at IS NULL
LEFT JOIN deliveries l ON l.notification_id = ours.id AND l.device_id = d.id ORDER BY ours.id"""
TEXT = "SELECT p.title, p.body, p.url, s.name FROM posts p JOIN sites s ON s.id = p.site_id WHERE p.id = %s"
RECORD = """
WITH held AS (
  UPDATE notifications
  SET status = 'sent', sent_at = now(), enqueued_at = now(), lease_token = NULL, lease_until = NULL, reason = NULL
  WHERE id = ANY(%(ids)s::bigint[]) AND lease_token = %(token)s RETURNING id)
INSERT INTO deliveries (notification_id, device_id, platform, status, attempts, provider_id, at)
SELECT o.notification_id, o.device_id, 'fcm', 'delivered', o.attempts, o.provider_id, now()
FROM unnest(%(ids)s::bigint[], %(devices)s::bigint[], %(attempts)s::int[], %(names)s::text[])
  AS o(notification_id, device_id, attempts, provider_id) JOIN held ON held.id = o.notification_id
ON CONFLICT (notification_id, device_id) DO UPDATE
SET status = excluded.status, attempts = excluded.attempts, provider_id = excluded.provider_id, at = excluded.at"""


class Lines:
    """Kept TLS connections to FCM, each carrying one request at a time."""

    def __init__(self, endpoint: str, ca_file: str) -> None:
        where = urlsplit(endpoint)
        self.authority = where.netloc
        context = ssl.create_default_context(cafile=ca_file)
        self._epoll = select.epoll()
        self._sockets: dict[int, ssl.SSLSocket] = {}
        for _ in range(CONNECTIONS):
            raw = socket.create_connection((where.hostname, where.port or 443))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = context.wrap_socket(raw, server_hostname=where.hostname)
            secure.setblocking(False)
            self._epoll.register(secure, select.EPOLLIN)
            self._sockets[secure.fileno()] = secure

    def exchange(self, requests: Sequence[bytes]) -> list[bytes]:
        """Send all requests, and return the bodies of their answers."""
        answers: list[bytes] = [b""] * len(requests)
        waiting, under_way = deque(range(len(requests))), dict[int, int]()
        begun: dict[int, bytes] = {}
        for number, line in self._sockets.items():
            if waiting:
                under_way[number] = waiting.popleft()
                line.send(requests[under_way[number]])
        while under_way:
            for number, _ in self._epoll.poll():
                line = self._sockets[number]
                try:
                    data = line.recv(65536)
                except ssl.SSLWantReadError:
                    continue
                begun[number] = begun.get(number, b"") + data
                head, _, body = begun[number].partition(b"\r\n\r\n")
                if not data or not head.startswith(b"HTTP/1.1 200 "):
                    raise ConnectionError(f"no answer of a well gateway: {head[:100]!r}")
                if not body.endswith((b"}", b"}\n")):
                    continue
                answers[under_way.pop(number)] = body
                del begun[number]
                if waiting:
                    under_way[number] = waiting.popleft()
                    line.send(requests[under_way[number]])
        return answers


class Sender:
    """One thread: it takes, claims, sends, records and acknowledges."""

    def __init__(self, head: Callable[[str], str]) -> None:
        environment = os.environ
        self._redis = Redis.from_url(environment["REDIS_URL"])
        self._take = self._redis.register_script(TAKE)
        url = environment["DATABASE_URL"].replace("+psycopg", "")
        self._database = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self._lines = Lines(environment["FCM_ENDPOINT"], environment["PUSH_CA_FILE"])
        self._head = head(self._lines.authority).encode()
        self._posts: dict[int, Any] = {}
        self._forms: dict[tuple[int, int], list[bytes]] = {}

    def run(self, ended: threading.Event) -> None:
        """Work until told to end."""
        while not ended.is_set():
            taken: Any = self._take(keys=KEYS, args=[BATCH, time.time()])
            if not taken:
                time.sleep(IDLE_S)
                continue
            tags, messages = taken[0::2], [json.loads(raw) for raw in taken[1::2]]
            keys = [json.loads(base64.b64decode(message["body"]))[0] for message in messages]
            self._deliver(keys)
            with self._redis.pipeline() as pipe:
                pipe.zrem(KEYS[2], *tags)
                pipe.hdel(KEYS[1], *tags)
                pipe.execute()

    def _deliver(self, keys: Sequence[Sequence[int]]) -> None:
        posts, users = zip(*keys, strict=True)
        token = uuid4().hex
        rows = self._database.execute(
            CLAIM, {"posts": list(posts), "users": list(users), "token": token}, prepare=True
        ).fetchall()
        if not rows:
            return
        answers = self._lines.exchange([self._request(row[1], row[3], row[5] + 1) for row in rows])
        record = {
            "ids": [row[0] for row in rows],
            "devices": [row[2] for row in rows],
            "attempts": [row[4] for row in rows],
            "names": [json.loads(answer)["name"] for answer in answers],
            "token": token,
        }
        self._database.execute(RECORD, record, prepare=True)

    def _request(self, post_id: int, token: str, badge: int) -> bytes:
        form = self._forms.get((post_id, badge))
        if form is None:
            form = self._forms[post_id, badge] = self._form(post_id, badge).split(MARK.encode())
        body = form[0] + token.encode() + form[1]
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def _form(self, post_id: int, badge: int) -> bytes:
        if post_id not in self._posts:
            self._posts[post_id] = self._database.execute(TEXT, (post_id,)).fetchone()
        title, body, url, site = self._posts[post_id]
        tag = f"post-{post_id}"
        shown = {"tag": tag, "sound": "default", "notification_count": badge}
        aps = {"badge": badge, "sound": "default", "thread-id": site}
        message = {
            "token": MARK,
            "notification": {"title": title, "body": body},
            "android": {"priority": "high", "ttl": "259199s", "notification": shown},
            "apns": {"headers": {"apns-priority": "10", "apns-collapse-id": tag}, "payload": {"aps": aps}},
            "webpush": {"headers": {"TTL": "259199", "Urgency": "high"}, "notification": {"tag": tag}},
            "data": {"post_id": str(post_id), "site": site, "url": url},
        }
        return json.dumps({"message": message}).encode()


def main() -> None:
    """Work on two threads until SIGTERM."""
    credentials: Any = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
        os.environ["FCM_SERVICE_ACCOUNT_FILE"], scopes=[SCOPE]
    )
    credentials.refresh(google.auth.transport.requests.Request())

    def head(authority: str) -> str:
        return (
            f"POST /v1/projects/{credentials.project_id}/messages:send HTTP/1.1\r\nHost: {authority}\r\n"
            f"Authorization: Bearer {credentials.token}\r\nContent-Type: application/json\r\nContent-Length: "
        )

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threads = [threading.Thread(target=Sender(head).run, args=(ended,), daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    # One that fell over stands for all: what it leaves undone is what the benchmark waits for, and says.
    while not ended.wait(0.2) and all(thread.is_alive() for thread in threads):
        pass


if __name__ == "__main__":
    main()
