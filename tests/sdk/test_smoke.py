"""Both programs are there and say how they are used."""

import subprocess

import pytest


@pytest.mark.parametrize("program", ["ringmain_bin", "provider_sim_bin"])
def test_help(program, request):
    path = request.getfixturevalue(program)
    answer = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=10, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "Usage:" in answer.stdout
