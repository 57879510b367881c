"""Speech and transcription with OpenAI's own SDK: over OpenAI's shape, and over shapes of their own when that is out."""

import io
import wave

import openai
import pytest


@pytest.fixture
def gateway(provider_sim, start_ringmain):
    sim = provider_sim
    keys = {"keys": ["sk-simulated"]}
    gateway = start_ringmain(
        {
            "providers": {
                "openai": {"base_url": f"{sim.url}/p/openai/v1", **keys},
                "elevenlabs": {"base_url": f"{sim.url}/p/elevenlabs", **keys},
                "deepgram": {"base_url": f"{sim.url}/p/deepgram", **keys},
            },
            "routes": [
                {"name": "spoken", "match": {"operation": "speech"}, "targets": ["openai/tts-1", "elevenlabs/eleven_v3"]},
                {"name": "written", "match": {"operation": "transcription"}, "targets": ["openai/whisper-1", "deepgram/nova-3"]},
            ],
        }
    )
    gateway.sim = sim
    return gateway


@pytest.mark.parametrize("out", [False, True])
def test_the_sdk_hears_what_is_spoken(gateway, out):
    if out:
        gateway.sim.behave("openai", fault="overloaded")
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0)
    with client.audio.speech.with_streaming_response.create(
        model="spoken", voice="alloy", input="Ring the main bell.", response_format="wav"
    ) as answer:
        sound = b"".join(answer.iter_bytes())
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
    heard = client.audio.transcriptions.create(model="written", file=("a.wav", sound), response_format="verbose_json")
    assert heard.text.startswith(f"Heard {len(sound)} bytes") and heard.duration > 0
    pieces = list(client.audio.transcriptions.create(model="written", file=("a.wav", sound), stream=True))
    assert pieces[-1].type == "transcript.text.done" and pieces[-1].text == heard.text
    assert "".join(piece.delta for piece in pieces[:-1]) == heard.text
