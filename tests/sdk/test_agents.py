"""Coding agents as callers: Claude Code and Codex, headless, each at work through the gateway with a scripted model of
another dialect. `cargo xtask test --agents` installs them; where they are not installed, these tests are skipped.

Nothing leaves loopback: the agents' own traffic is turned off by their settings, and what they would try all the same is
sent to a proxy that is not there.
"""

import glob
import json
import os
import subprocess

import pytest
from support import FAST, provider, route

AGENTS = os.environ.get("RINGMAIN_AGENTS", "")
PROGRAMS = {
    "claude": "@anthropic-ai/claude-code-*/claude",
    "codex": "@openai/codex-*/vendor/*/bin/codex",
}
MODELS = {
    "openai": "gpt-4o",
    "items": "some-model",
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-2.5-flash-lite",
    "bedrock": "anthropic.claude-sonnet-4-6",
    "cohere": "command-a-plus-05-2026",
}
TASK = "Read notes.txt and act on it."
SECRET, MADE, DONE = "the word is xyzzy", "made by hand", "All is done, word for word."
TIMEOUT_S = 180
# No session waits for these clocks; a loaded machine may.
CALM = {**FAST, "timeouts": {"connect": "30s", "race_after": "60s", "first_token": "60s", "idle": "60s"}}


def program(agent: str) -> str:
    found = glob.glob(f"{AGENTS}/{PROGRAMS[agent]}") if AGENTS else []
    if not found:
        pytest.skip(f"{agent} is not installed; `cargo xtask test --agents` installs it")
    return found[0]


def environment(home, **more) -> dict:
    """Nothing of the surroundings but the path, a home of its own, and no way out but loopback."""
    nowhere = "http://127.0.0.1:9"
    proxies = {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1,localhost"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **proxies, **more}


def claude(gateway, model, home, work):
    """A session of Claude Code: what it says at the end."""
    off = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING")
    env = environment(
        home,
        ANTHROPIC_BASE_URL=gateway.url,
        ANTHROPIC_API_KEY="sk-of-the-caller",
        ANTHROPIC_MODEL=model,
        ANTHROPIC_SMALL_FAST_MODEL=model,
        **dict.fromkeys(off, "1"),
    )
    command = [program("claude"), "-p", TASK, "--output-format", "json", "--allowedTools", "Read Bash"]
    answer = json.loads(run(command, env, work))
    assert not answer["is_error"], answer
    assert answer["permission_denials"] == [] and answer["usage"]["output_tokens"] > 0
    return answer["result"]


def codex(gateway, model, home, work):
    """A session of Codex: what it says at the end."""
    (home / "config.toml").write_text(f"""
model = {json.dumps(model)}
model_provider = "ringmain"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
[analytics]
enabled = false
[history]
persistence = "none"
[model_providers.ringmain]
name = "Ringmain"
base_url = "{gateway.url}/v1"
env_key = "RINGMAIN_KEY"
wire_api = "responses"
""")
    env = environment(home, CODEX_HOME=str(home), RINGMAIN_KEY="sk-of-the-caller")
    lines = run([program("codex"), "exec", "--skip-git-repo-check", "--json", TASK], env, work).splitlines()
    events = [json.loads(line) for line in lines]
    assert events[-1]["type"] == "turn.completed", events
    assert events[-1]["usage"]["output_tokens"] > 0
    commands = [event["item"] for event in events if event.get("item", {}).get("type") == "command_execution"]
    assert all(item["exit_code"] == 0 for item in commands if item["status"] != "in_progress"), commands
    return [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"][-1]


def run(command, env, work) -> str:
    done = subprocess.run(command, cwd=work, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


SESSIONS = {"claude": claude, "codex": codex}


def dialogue(agent: str, work) -> list:
    """Two calls of the agent's own tools, the second after the first one's result, and a last word."""
    make = f"echo {MADE} > made.txt && cat made.txt"
    if agent == "claude":
        read = {"name": "Read", "arguments": {"file_path": str(work / "notes.txt")}}
        write = {"name": "Bash", "arguments": {"command": make, "description": "Make a file"}}
    else:
        read, write = ({"name": "exec_command", "arguments": {"cmd": command}} for command in ("cat notes.txt", make))
    return [{"say": "I look at it.", "calls": [read]}, {"calls": [write]}, {"say": DONE}]


@pytest.fixture
def folders(tmp_path):
    """A home and a folder with something to read."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "notes.txt").write_text(SECRET + "\n")
    return home, work


@pytest.mark.parametrize(
    ("agent", "vendor"),
    [
        *(("claude", vendor) for vendor in ("openai", "items", "gemini", "bedrock", "cohere", "anthropic")),
        *(("codex", vendor) for vendor in ("anthropic", "gemini", "bedrock", "cohere", "items")),
    ],
)
def test_a_session(start_ringmain, provider_sim, folders, agent, vendor):
    """It reads a file, writes another and ends, as the model says; what its tools gave arrives at the provider."""
    home, work = folders
    program(agent)
    kind = {"items": "openai-compatible"}.get(vendor, vendor)
    more = {"dialect": "openai-responses"} if vendor == "items" else {}
    gateway = start_ringmain({"providers": {vendor: provider(provider_sim, vendor, kind, **more)}, "defaults": CALM})
    provider_sim.behave(vendor, dialogue=dialogue(agent, work))
    assert SESSIONS[agent](gateway, f"{vendor}/{MODELS[vendor]}", home, work) == DONE
    assert (work / "made.txt").read_text() == MADE + "\n"
    asked = [entry["body"] for entry in provider_sim.received(vendor)]
    assert SECRET in asked[-1] and MADE in asked[-1] and SECRET not in asked[0]


@pytest.mark.parametrize("agent", SESSIONS)
def test_a_session_outlives_its_provider(start_ringmain, start_provider_sim, folders, tmp_path, agent):
    """After the first turn, its provider is overloaded for good; one of another dialect ends what it began."""
    home, work = folders
    program(agent)
    first, second = {"claude": ("openai", "gemini"), "codex": ("anthropic", "openai")}[agent]
    well = {"dialogue": dialogue(agent, work)}
    steps = [{"requests": 1, "behavior": well}, {"behavior": {"fault": "overloaded"}}]
    script = {"providers": {first: {"steps": steps}, second: {"steps": [{"behavior": well}]}}}
    (tmp_path / "script.yaml").write_text(json.dumps(script))
    sim = start_provider_sim("--script", str(tmp_path / "script.yaml"))
    providers = {vendor: provider(sim, vendor, vendor) for vendor in (first, second)}
    targets = [f"{vendor}/{MODELS[vendor]}" for vendor in (first, second)]
    gateway = start_ringmain({"providers": providers, "routes": [route("work", *targets)], "defaults": CALM})
    assert SESSIONS[agent](gateway, "work", home, work) == DONE
    assert (work / "made.txt").read_text() == MADE + "\n"
    assert len(sim.received(first)) > 1 and SECRET in sim.received(second)[-1]["body"]


def test_a_patch_crosses_dialects(start_ringmain, provider_sim, folders):
    """Under a name of OpenAI's, Codex offers a free-form tool for patches; a Claude calls it as a function of one text."""
    home, work = folders
    program("codex")
    patch = f"*** Begin Patch\n*** Add File: made.txt\n+{MADE}\n*** End Patch\n"
    lines = [{"calls": [{"name": "apply_patch", "arguments": {"input": patch}}]}, {"say": DONE}]
    provider_sim.behave("patching", dialogue=lines)
    providers = {"anthropic": provider(provider_sim, "patching", "anthropic")}
    routes = [route("gpt-5.5", f"anthropic/{MODELS['anthropic']}")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": CALM})
    assert codex(gateway, "gpt-5.5", home, work) == DONE
    assert (work / "made.txt").read_text() == MADE + "\n"
