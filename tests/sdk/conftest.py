"""Fixtures for black-box tests: simulated providers and a gateway, each a child process on free loopback ports.

`cargo xtask test` sets RINGMAIN_BIN and PROVIDER_SIM_BIN. By hand:

    RINGMAIN_BIN=target/debug/ringmain PROVIDER_SIM_BIN=target/debug/provider-sim pytest tests/sdk
"""

import contextlib
import functools
import json
import os
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0

# Loopback must not go through a proxy that the surroundings set.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
# Nothing here speaks TLS, and yet each client of each SDK would read all certificates there are, for half a second.
ssl.create_default_context = functools.lru_cache(ssl.create_default_context)


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago, all held until the last is found: asked for one by one, a port can be
    given out twice."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def http(method: str, url: str, body=None, timeout: float = 5.0):
    """One plain request: (status, headers, body bytes). An error status is an answer, not an exception."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"content-type": "application/json"})
    try:
        with _direct.open(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@dataclass
class Process:
    """A running program with its log in a file."""

    name: str
    child: subprocess.Popen
    log: Path

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, is_up, what: str) -> None:
        """Polls until `is_up()` is true; fails the test with the log when the program ends or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                pytest.fail(f"{self.name} ended with {self.child.returncode} before {what}:\n{self.output()}")
            try:
                if is_up():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        pytest.fail(f"{self.name}: no {what} within {START_TIMEOUT_S:.0f} s:\n{self.output()}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL when it does not end in time."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


@dataclass
class ProviderSim(Process):
    """Simulated providers. `url` is the root; each dialect is at its vendor's path below it."""

    url: str = ""

    def behave(self, provider: str, **behavior) -> None:
        """Sets how a provider answers from now on, e.g. `behave("openai", words=8, token_delay="5ms")`."""
        status, _, body = http("PUT", f"{self.url}/_sim/behavior/{provider}", behavior)
        assert 200 <= status < 300, f"provider-sim refused {behavior}: {status} {body!r}"

    def heal(self, provider: str) -> None:
        """Gives a provider its usual behaviour back."""
        http("DELETE", f"{self.url}/_sim/behavior/{provider}")

    def received(self, provider: str | None = None) -> list:
        """What was received and how each answer ended, oldest first; of one provider or of all."""
        entries = json.loads(http("GET", f"{self.url}/_sim/log")[2])["entries"]
        return [entry for entry in entries if provider in (None, entry["label"])]

    def forget(self) -> None:
        """Empties the log."""
        http("DELETE", f"{self.url}/_sim/log")


@dataclass
class Ringmain(Process):
    """A gateway. `url` is its data plane, `admin` its admin plane, `path` its configuration file."""

    url: str = ""
    admin: str = ""
    config: dict = field(default_factory=dict)
    path: Path | None = None


def _program(variable: str) -> str:
    path = os.environ.get(variable)
    if not path:
        pytest.exit(f"{variable} is not set; run `cargo xtask test`", returncode=3)
    return path


@pytest.fixture(scope="session")
def ringmain_bin() -> str:
    return _program("RINGMAIN_BIN")


@pytest.fixture(scope="session")
def provider_sim_bin() -> str:
    return _program("PROVIDER_SIM_BIN")


def _spawn(kind, name: str, command: list, folder: Path, env=None, **fields):
    log = Path(tempfile.mkstemp(prefix=f"{name}-", suffix=".log", dir=folder)[1])
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, env=env)
    return kind(name=name, child=child, log=log, **fields)


def _provider_sims(program: str, folder: Path):
    running = []

    def start(*arguments: str) -> ProviderSim:
        port = free_port()
        command = [program, "--listen", f"127.0.0.1:{port}", *arguments]
        sim = _spawn(ProviderSim, "provider-sim", command, folder, url=f"http://127.0.0.1:{port}")
        running.append(sim)

        def listens() -> bool:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True

        sim.wait_until(listens, "open port")
        return sim

    yield start
    for sim in running:
        sim.stop()


def clean_environment(env=None) -> dict:
    """This process's environment without keys, base URLs and proxies of the surroundings, and with `env`."""
    unwanted = ("_API_KEY", "_BASE_URL", "_PROXY", "_proxy")
    clouds = ("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_")
    wanted = lambda name: not name.endswith(unwanted) and not name.startswith(clouds)
    return {**{name: value for name, value in os.environ.items() if wanted(name)}, **(env or {})}


def _ringmains(program: str, folder: Path):
    running = []

    def start(config, env=None, arguments=(), wait=True) -> Ringmain:
        listen, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
        options, path = [], None
        if config is None:
            listen, admin, parsed = "127.0.0.1:8080", "127.0.0.1:8081", {}
        elif isinstance(config, str):
            text, parsed = config.replace("{listen}", listen).replace("{admin}", admin), {}
        else:
            parsed = {**config, "server": {"listen": listen, "admin": admin, **config.get("server", {})}}
            listen, admin = parsed["server"]["listen"], parsed["server"]["admin"]
            # JSON is YAML.
            text = json.dumps(parsed, indent=2)
        if config is not None:
            path = Path(tempfile.mkstemp(prefix="ringmain-", suffix=".yaml", dir=folder)[1])
            path.write_text(text)
            options = ["--config", str(path)]
        command = [program, "serve", *options, *arguments]
        fields = {"url": f"http://{listen}", "admin": f"http://{admin}", "config": parsed, "path": path}
        gateway = _spawn(Ringmain, "ringmain", command, folder, env=clean_environment(env), **fields)
        running.append(gateway)
        if wait:
            gateway.wait_until(lambda: http("GET", f"{gateway.url}/readyz", timeout=1)[0] == 200, "/readyz")
        return gateway

    yield start
    for gateway in running:
        gateway.stop()


@pytest.fixture
def start_provider_sim(provider_sim_bin, tmp_path):
    """A function that starts simulated providers: `start_provider_sim(*extra_arguments) -> ProviderSim`."""
    yield from _provider_sims(provider_sim_bin, tmp_path)


@pytest.fixture(scope="module")
def shared_provider_sims(provider_sim_bin, tmp_path_factory):
    """`start_provider_sim` for simulators that the tests of a module share."""
    yield from _provider_sims(provider_sim_bin, tmp_path_factory.mktemp("sims"))


@pytest.fixture
def provider_sim(start_provider_sim) -> ProviderSim:
    """Simulated providers with their usual behaviour."""
    return start_provider_sim()


@pytest.fixture
def start_ringmain(ringmain_bin, tmp_path):
    """A function that starts a gateway and waits for `/readyz`:

    `start_ringmain(config, env=None, arguments=(), wait=True) -> Ringmain`, where `config` is a dict or YAML text, or
    `None` for a start without a file (on the default ports). A dict gets free ports where it names none; in text,
    write `{listen}` and `{admin}` where the two addresses go. The working folder is the test's own, so a database
    lands there. No provider key of the surroundings is handed on; `env` adds variables.
    """
    yield from _ringmains(ringmain_bin, tmp_path)


@pytest.fixture(scope="module")
def shared_ringmains(ringmain_bin, tmp_path_factory):
    """`start_ringmain` for gateways that the tests of a module share. Health outlives a test there: routes that break
    something need targets of their own."""
    yield from _ringmains(ringmain_bin, tmp_path_factory.mktemp("gateways"))


@pytest.fixture
def ringmain(start_ringmain, provider_sim) -> Ringmain:
    """A gateway with one OpenAI, one Anthropic and one Gemini provider, all simulated and without an outage."""
    return start_ringmain(
        {
            "providers": {
                "openai": {"base_url": f"{provider_sim.url}/v1", "keys": ["sk-test"]},
                "anthropic": {"base_url": provider_sim.url, "keys": ["sk-test"]},
                "gemini": {"base_url": provider_sim.url, "keys": ["sk-test"]},
            }
        }
    )
