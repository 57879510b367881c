"""Three gateways that hold limits together in a real Redis: while it answers, while it is frozen or gone, and after."""

import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import free_port
from support import FAST, poll, prompt, provider, route, send

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server here")


class Redis:
    """A server of this test alone."""

    def __init__(self, folder):
        self.port, self.folder = free_port(), folder
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        poll(self.ping, "redis answers", within=15)

    def ping(self):
        try:
            return self.say("PING") == b"+PONG\r\n"
        except OSError:
            return False

    def say(self, text):
        import socket

        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(text.encode() + b"\r\n")
            return connection.recv(4096)

    def stop(self):
        self.child.send_signal(signal.SIGCONT)
        self.child.kill()
        self.child.wait()


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def sim(start_provider_sim):
    return start_provider_sim()


def fleet(start_ringmain, sim, redis, limits, count=3):
    config = {
        "providers": {"a": provider(sim, "a", "openai")},
        "routes": [route("text", "a/gpt-4o")],
        "keys": [{"name": "team", "key": "sk-team", "limits": limits}],
        "defaults": FAST,
        "state": {"shared": f"redis://127.0.0.1:{redis.port}"},
    }
    return [start_ringmain(config) for _ in range(count)]


def ask(gateway):
    path, body = prompt("openai", model="text", max_tokens=1000)
    return send(gateway.url, path, body, {"authorization": "Bearer sk-team"}).status


def asks(gateways, count, threads=12):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda n: ask(gateways[n % len(gateways)]), range(count)))


def test_three_processes_hold_one_limit(start_ringmain, sim, redis):
    gateways = fleet(start_ringmain, sim, redis, ["30 requests/day"])
    statuses = asks(gateways, 90)
    assert (statuses.count(200), statuses.count(429)) == (30, 60)


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_an_outage_fails_nobody_and_is_made_up_for(start_ringmain, sim, redis, how):
    gateways = fleet(start_ringmain, sim, redis, ["1000 requests/day", "5M tokens/day"])
    assert set(asks(gateways, 30)) == {200}
    if how == "frozen":
        redis.child.send_signal(signal.SIGSTOP)
    else:
        redis.child.kill()
        redis.child.wait()
    began = time.monotonic()
    assert set(asks(gateways, 90)) == {200}, "nobody fails"
    assert time.monotonic() - began < 30
    if how == "frozen":
        redis.child.send_signal(signal.SIGCONT)
    else:
        redis.start()
    assert set(asks(gateways, 30)) == {200}

    # Without a restart the processes hold limits together again.
    poll(lambda: all("can be asked again" in gateway.output() for gateway in gateways), "each is back", within=20)
    assert set(asks(gateways, 30)) == {200}
