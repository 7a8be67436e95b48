"""What a customer does with the deployed stack."""

import json
import re
from dataclasses import dataclass
from typing import Any

from api import Api, Receiver, until
from emulator import Emulator
from stack import Stack

FIRST_ID = "evt_00000000000000000000000000"


@dataclass
class Customer:
    """A project with a key, and its endpoint at the receiver."""

    api: Api
    receiver: Receiver
    operator: str
    project: str
    key: str
    endpoint: dict[str, Any]

    @classmethod
    def create(cls, api: Api, receiver: Receiver, operator: str) -> "Customer":
        project = api.expect(201, "POST", "/projects", operator, {"name": "Acme"})["id"]
        scopes = {"scopes": ["endpoints", "events", "read"]}
        key = api.expect(201, "POST", f"/projects/{project}/keys", operator, scopes)["key"]
        return cls(
            api, receiver, operator, project, key, create_endpoint(api, receiver, key, "/first")
        )

    def post(self, kind: str) -> str:
        return self.api.expect(202, "POST", "/events", self.key, {"kind": kind, "data": {"id": 1}})[
            "id"
        ]

    def delivery(self, event: str) -> dict[str, Any]:
        return self.api.expect(200, "GET", f"/webhooks/messages/{event}", self.key)["deliveries"][0]


def create_endpoint(api: Api, receiver: Receiver, key: str, path: str) -> dict[str, Any]:
    wanted = {"url": receiver.url(path), "topics": ["task.*"]}
    return api.expect(201, "POST", "/webhooks/endpoints", key, wanted)


def refuses_strangers(api: Api) -> None:
    api.expect(200, "GET", "/openapi.json")
    api.expect(404, "GET", "/no/such/route")
    api.expect(401, "GET", "/projects")
    api.expect(401, "GET", "/webhooks/endpoints")
    api.expect(401, "POST", "/events", "phk_wrong", {"kind": "task.created", "data": {}})


def delivers(customer: Customer, endpoints: list[dict[str, Any]]) -> str:
    """To each endpoint, signed with its secret."""
    event = customer.post("task.succeeded")
    arrives(customer, event, endpoints)
    return event


def arrives(
    customer: Customer, event: str, endpoints: list[dict[str, Any]], seconds: float = 30
) -> None:
    for endpoint in endpoints:
        path = "/" + endpoint["url"].rsplit("/", 1)[1]
        got = lambda: customer.receiver.got(event, path)
        first = until(got, f"{event} has arrived at {path}", seconds)[0]
        assert first.is_signed_with(endpoint["secret"]), f"the signature at {path} is wrong"


def retries(customer: Customer, emulator: Emulator) -> str:
    """At once and after 5 s, both refused. The next attempt is in 5 min, so the message must stay on its queue."""
    customer.receiver.answers[:] = [500, 500]
    event = customer.post("task.failed")
    until(lambda: len(customer.receiver.got(event)) == 2, "a second attempt")
    until(
        lambda: re.search(r"\d+ partial failures", emulator.logged()),
        "batchItemFailures were heard",
    )
    kept = lambda: customer.delivery(event)["attempts"] == 2
    until(kept, "both attempts are on record")
    assert customer.delivery(event)["status"] == "pending"
    return event


def streams(customer: Customer, event: str) -> None:
    headers = {"Last-Event-ID": FIRST_ID}
    answer = customer.api.stream("?topic=task.*", customer.key, headers)
    assert answer.status == 200, answer.text[:300]
    assert answer.headers["content-type"] == "text/event-stream"
    assert f'"id":"{event}"' in answer.text and "event: task.succeeded" in answer.text, answer.text[
        :500
    ]
    assert customer.api.stream("", None, {}).status == 401


def runs_jobs(stack: Stack) -> None:
    """As its schedule does."""
    event = (stack.tree / "events" / "every-minute.json").read_bytes()
    answer = stack.client("lambda").invoke(FunctionName=stack.ids["JobsFunction"], Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()


def nothing_denied(stack: Stack) -> None:
    """Neither a function nor a batch met a missing permission."""
    words = re.compile("AccessDenied|not authorized|AccessDeniedException")
    denied = [line for lines in stack.logged().values() for line in lines if words.search(line)]
    assert not denied, "a role lacks a permission:\n" + "\n".join(denied[:5])


def a_permission_less(stack: Stack, api: Api, operator: str) -> None:
    """Roles count for something here: without dynamodb:PutItem, no project can be made."""
    iam, role = stack.client("iam"), stack.ids["AdminRole"]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    less = json.dumps(policy).replace('"dynamodb:PutItem"', '"dynamodb:DescribeTable"')
    put = lambda document: iam.put_role_policy(
        RoleName=role, PolicyName=name, PolicyDocument=document
    )
    put(less)
    try:
        api.expect(503, "POST", "/projects", operator, {"name": "Denied"})
    finally:
        put(json.dumps(policy))
    api.expect(201, "POST", "/projects", operator, {"name": "Allowed"})


def logs_no_secret(stack: Stack, secrets: list[str]) -> int:
    groups = stack.logged()
    lines = [line for group in groups.values() for line in group]
    assert lines, "no function has logged anything"
    for secret in secrets:
        # A secret is also known by its part behind whsec_ and the like.
        bare = secret.split("_", 1)[-1]
        found = [name for name, group in groups.items() if any(bare in line for line in group)]
        assert not found, f"{found} hold {secret[:8]}…"
    return len(lines)
