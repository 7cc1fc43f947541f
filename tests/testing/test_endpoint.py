from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from http.client import IncompleteRead, RemoteDisconnected

import pytest

from rerank_plugins.testing.bodies import chat_completion, word_vector
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

QUESTION = {"model": "any", "messages": [{"role": "user", "content": "Which?"}]}


def post(endpoint, body=QUESTION, path="/chat/completions", timeout=5.0):
    request = urllib.request.Request(endpoint.base_url + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)


def text_of(body) -> str:
    return body["choices"][0]["message"]["content"]


def test_replies_come_in_order_and_the_last_repeats():
    with ScriptedEndpoint(["first", "second"]) as endpoint:
        assert [text_of(post(endpoint)) for _ in range(3)] == ["first", "second", "second"]


def test_a_function_sees_the_request():
    with ScriptedEndpoint(lambda asked: asked["messages"][0]["content"].upper()) as endpoint:
        assert text_of(post(endpoint)) == "WHICH?"


def test_a_whole_body_is_sent_as_it_is():
    body = chat_completion(None, finish_reason="content_filter", message={"refusal": "No."})
    with ScriptedEndpoint([body]) as endpoint:
        assert post(endpoint) == body


def test_what_arrived_is_recorded():
    before = time.monotonic()
    with ScriptedEndpoint() as endpoint:
        post(endpoint)
    (request,) = endpoint.requests
    assert (request.path, request.body) == ("/v1/chat/completions", QUESTION)
    assert request.headers["content-length"] and before <= request.at <= time.monotonic()


def test_embeddings_as_numbers_and_as_base64():
    with ScriptedEndpoint() as endpoint:
        asked = {"model": "any", "input": ["rye bread", "rye"]}
        numbers = post(endpoint, asked, "/embeddings")["data"]
        packed = post(endpoint, asked | {"encoding_format": "base64"}, "/embeddings")["data"]
    assert [row["embedding"] for row in numbers] == [word_vector("rye bread"), word_vector("rye")]
    assert struct.unpack("<32f", base64.b64decode(packed[1]["embedding"])) == tuple(word_vector("rye"))


def test_models_and_unknown_paths():
    with ScriptedEndpoint() as endpoint:
        with urllib.request.urlopen(endpoint.base_url + "/models") as response:
            assert json.load(response)["data"][0]["id"] == "scripted"
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(endpoint, path="/rankings")
    assert caught.value.code == 404


def test_a_status_comes_with_its_headers_and_error():
    fault = Fault("status", 429, {"Retry-After": "7"}, {"message": "slow down", "code": "rate_limit"})
    with ScriptedEndpoint([fault, "fine"]) as endpoint:
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(endpoint)
        assert text_of(post(endpoint)) == "fine"
    assert caught.value.code == 429 and caught.value.headers["Retry-After"] == "7"
    assert json.load(caught.value)["error"]["code"] == "rate_limit"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset"), ConnectionResetError),
        (Fault("truncated"), IncompleteRead),
        (Fault("html"), ValueError),
        (Fault("hang"), TimeoutError),
        (Fault("wrong-json"), KeyError),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_each_fault_looks_to_a_client_as_it_should(fault, error):
    with ScriptedEndpoint([fault]) as endpoint, pytest.raises(error):
        text_of(post(endpoint, timeout=0.2))


def test_a_drip_goes_on_as_long_as_the_client_reads():
    body = json.dumps(QUESTION).encode()
    with (
        ScriptedEndpoint([Fault("drip", pause_s=0.01)]) as endpoint,
        urllib.request.urlopen(endpoint.base_url + "/chat/completions", body) as response,
    ):
        assert response.read(5) == b"     "


def test_a_mistake_in_the_script_is_told_to_the_client(caplog):
    with ScriptedEndpoint(lambda asked: asked["no such key"]) as endpoint:
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(endpoint)
        assert "KeyError" in json.load(caught.value)["error"]["message"]
    assert "script" in caplog.text


async def test_two_hundred_connections_at_once():
    def ask():
        return text_of(post(endpoint))

    with ScriptedEndpoint(["yes"], delay_s=2) as endpoint:
        threads = [threading.Thread(target=ask) for _ in range(200)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert endpoint.peak == 200 and len(endpoint.requests) == 200 and endpoint.in_flight == 0


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_it_stops_at_once_with_open_connections(kind):
    with ScriptedEndpoint([Fault(kind)]) as endpoint:
        host, port = endpoint.base_url.removesuffix("/v1").removeprefix("http://").split(":")
        connections = [socket.create_connection((host, int(port))) for _ in range(20)]
        body = json.dumps(QUESTION).encode()
        for connection in connections:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        while endpoint.in_flight < 20:
            time.sleep(0.005)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 0.5
    for connection in connections:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_it_starts_in_milliseconds():
    started = time.monotonic()
    for _ in range(20):
        with ScriptedEndpoint():
            pass
    assert (time.monotonic() - started) / 20 < 0.05


def test_a_client_that_leaves_is_no_longer_in_flight():
    with ScriptedEndpoint([Fault("hang")]) as endpoint:
        with pytest.raises((TimeoutError, RemoteDisconnected)):
            post(endpoint, timeout=0.1)
        time.sleep(0.1)
        assert endpoint.in_flight == 0
