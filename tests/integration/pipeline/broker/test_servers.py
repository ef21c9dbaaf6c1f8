"""Redis over TLS, and Redis that Sentinel names: the same on all transports."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.support.broker import Reader, connection, put, unacked, waiting
from tests.support.certificates import self_signed
from tests.support.redis_process import RedisProcess
from tests.support.tls_proxy import TLSProxy
from tests.support.waiting import wait_until


def read_and_acknowledge(url: str, transport: str, client: "redis.Redis", **options: object) -> None:
    with connection(url, transport, **options) as link:
        put(link, *range(5))
        reader = Reader(link)
        for message in reader.read(5)[:3]:
            message.ack()
        assert reader.bodies == [0, 1, 2, 3, 4]
    assert (sorted(waiting(client)), unacked(client)) == ([3, 4], [])


def test_messages_go_over_tls(redis_url: str, client: "redis.Redis", transport: str, tmp_path: Path) -> None:
    certificate, context = self_signed(tmp_path, "localhost")
    address = urlsplit(redis_url)
    assert address.port is not None
    with TLSProxy(address.port, context) as proxy:
        url = f"rediss://:{address.password}@localhost:{proxy.port}/0"
        trust = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": str(certificate)}
        read_and_acknowledge(url, transport, client, ssl=trust)


def test_a_certificate_that_nobody_vouches_for_is_refused(redis_url: str, transport: str, tmp_path: Path) -> None:
    _, context = self_signed(tmp_path, "localhost")
    address = urlsplit(redis_url)
    assert address.port is not None
    with TLSProxy(address.port, context) as proxy:
        url = f"rediss://:{address.password}@localhost:{proxy.port}/0"
        link = connection(url, transport, ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED})
        with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
            link.connect()


def test_sentinel_names_the_server(transport: str, tmp_path: Path) -> None:
    configuration = tmp_path / "sentinel.conf"
    with RedisProcess(tmp_path, "--save", "") as server, redis.Redis.from_url(server.url) as client:
        configuration.write_text(f"sentinel monitor main 127.0.0.1 {server.port} 1\n")
        with RedisProcess(tmp_path, str(configuration), "--sentinel") as sentinel:
            watch = redis.Sentinel([("127.0.0.1", sentinel.port)])
            wait_until(lambda: watch.discover_master("main"), "Sentinel knows the server")
            url = f"sentinel://127.0.0.1:{sentinel.port}/0"
            read_and_acknowledge(url, transport, client, master_name="main")
