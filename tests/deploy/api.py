"""The deployed API, as a customer calls it, and a receiver that it sends to."""

import base64
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Callable

from emulator import REGION, Emulator
from stack import Stack


@dataclass
class Answer:
    status: int
    text: str
    headers: Any

    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    def __init__(self, emulator: Emulator, stack: Stack):
        self.emulator, self.stack = emulator, stack

    def call(self, method: str, path: str, key: str | None = None, body: Any = None) -> Answer:
        host = f"{self.stack.ids['Api']}.execute-api.localhost"
        return self.send(method, host, path, key, body, {})

    def expect(
        self, status: int, method: str, path: str, key: str | None = None, body: Any = None
    ) -> Any:
        answer = self.call(method, path, key, body)
        assert answer.status == status, (
            f"{method} {path}: {answer.status} instead of {status}: {answer.text[:300]}"
        )
        return answer.json() if answer.text else None

    def stream(self, query: str, key: str | None, headers: dict[str, str]) -> Answer:
        url = self.stack.outputs["StreamUrl"]
        name, path = re.fullmatch(r"https://([a-z0-9]+)\.lambda-url\.[^/]*(/.*)", url).groups()
        host = f"{name}.lambda-url.{REGION}.localhost"
        return self.send("GET", host, path + query, key, None, headers)

    def send(
        self, method: str, host: str, path: str, key: str | None, body: Any, headers: dict[str, str]
    ) -> Answer:
        """To the emulator, which tells APIs apart by the name of the host."""
        headers = {"Host": host, "Content-Type": "application/json", **headers}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.emulator.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.emulator.tls, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), error.headers)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_with(self, secret: str) -> bool:
        """By Standard Webhooks; during a rotation, one of several signatures is enough."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = (
            f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
            + self.body
        )
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{mac}" in self.headers["webhook-signature"].split()


@dataclass
class Receiver:
    """Answers with the statuses that a test put into `answers`, then with 200."""

    requests: list[Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(self.path, headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def got(self, event: str, path: str | None = None) -> list[Request]:
        """The attempts of an event."""
        found = [request for request in self.requests if request.headers.get("webhook-id") == event]
        return [request for request in found if path in (None, request.path)]


def until(what: Callable[[], Any], meaning: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, f"after {seconds:.0f} s still not: {meaning}"
        time.sleep(0.1)
    return value
