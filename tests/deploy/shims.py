"""Starts ministack with one shim for each of its gaps that this deployment meets.

Each shim tries the gap first. Where the emulator has closed it, the shim stays away and says so: then it can be removed.
The table in docs/emulators.md says what was seen without each.
"""

import json
import string
import sys
from typing import Any, Callable

from ministack import app
from ministack.core import iam_actions
from ministack.services import apigateway, lambda_svc
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

NO_LONGER_NEEDED = "is no longer needed"
HTTP_API = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
EVENT_SOURCE = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]


class ApiBody:
    """CloudFormation ignores an HTTP API's `Body`, which holds every route that SAM makes."""

    name = "api-body"
    closed = "makes routes from an HTTP API's Body"

    @staticmethod
    def needed() -> bool:
        api, _ = HTTP_API["create"]("Probe", {"Body": body_of_one_route()}, "probe")
        routes = apigateway._routes.get(api)
        HTTP_API["delete"](api, {})
        return not routes

    @staticmethod
    def apply() -> None:
        create, update = HTTP_API["create"], HTTP_API["update"]

        def create_with_routes(logical_id: str, props: dict, stack: str) -> tuple:
            made = create(logical_id, props, stack)
            make_routes(made[0], props.get("Body"))
            return made

        def update_with_routes(
            physical_id: str, old: dict, new: dict, *rest: Any, **named: Any
        ) -> tuple:
            made = update(physical_id, old, new, *rest, **named)
            make_routes(made[0], new.get("Body"))
            return made

        HTTP_API.update(create=create_with_routes, update=update_with_routes)


def body_of_one_route() -> dict:
    integration = {
        "uri": "arn:aws:lambda:us-east-1:000000000000:function:probe",
        "payloadFormatVersion": "2.0",
    }
    return {"paths": {"/probe": {"get": {"x-amazon-apigateway-integration": integration}}}}


def make_routes(api: str, body: dict | None) -> None:
    apigateway._routes[api], apigateway._integrations[api] = {}, {}
    integrations: dict[str, str] = {}
    for path, operations in (body or {}).get("paths", {}).items():
        for method, operation in operations.items():
            wanted = operation["x-amazon-apigateway-integration"]
            if wanted["uri"] not in integrations:
                integrations[wanted["uri"]] = make_integration(api, wanted)
            target = f"integrations/{integrations[wanted['uri']]}"
            apigateway._create_route(api, {"routeKey": route_key(method, path), "target": target})


def make_integration(api: str, wanted: dict) -> str:
    made = apigateway._create_integration(
        api,
        {
            "integrationType": "AWS_PROXY",
            "integrationUri": wanted["uri"],
            "payloadFormatVersion": wanted["payloadFormatVersion"],
        },
    )
    return json.loads(made[2])["integrationId"]


def route_key(method: str, path: str) -> str:
    if path == "/$default":
        return "$default"
    verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
    return f"{verb} {path}"


class NumberParameters:
    """`!Ref` of a parameter of type Number gives text, and nothing polls a queue with `MaximumConcurrency: "50"`."""

    name = "number-parameters"
    closed = "takes a MaximumConcurrency that came from a parameter as a number"

    @staticmethod
    def needed() -> bool:
        mapping, _ = EVENT_SOURCE["create"](
            "Probe", {"ScalingConfig": {"MaximumConcurrency": "2"}}, "probe"
        )
        kept = lambda_svc._esms[mapping]["ScalingConfig"]["MaximumConcurrency"]
        EVENT_SOURCE["delete"](mapping, {})
        return not isinstance(kept, int)

    @staticmethod
    def apply() -> None:
        create, update = EVENT_SOURCE["create"], EVENT_SOURCE["update"]
        EVENT_SOURCE.update(
            create=lambda logical_id, props, stack: create(logical_id, with_number(props), stack),
            update=lambda physical_id, old, new, stack: update(
                physical_id, old, with_number(new), stack
            ),
        )


def with_number(props: dict) -> dict:
    scaling = props.get("ScalingConfig") or {}
    if "MaximumConcurrency" not in scaling:
        return props
    return props | {"ScalingConfig": {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}


class BatchActions:
    """A role must allow `sqs:SendMessageBatch` and the like, which are no actions of IAM on AWS."""

    name = "batch-actions"
    closed = "asks roles for sqs:SendMessage where a batch is sent"

    @staticmethod
    def needed() -> bool:
        headers = {"x-amz-target": "AmazonSQS.SendMessageBatch"}
        return (
            iam_actions.extract_iam_action("sqs", "POST", "/", headers, b"", {})
            != "sqs:SendMessage"
        )

    @staticmethod
    def apply() -> None:
        original = iam_actions.extract_iam_action

        def of_one_message(service: str, *rest: Any, **named: Any) -> str | None:
            action = original(service, *rest, **named)
            return action.removesuffix("Batch") if service == "sqs" and action else action

        iam_actions.extract_iam_action = of_one_message


class SecretString:
    """`GenerateSecretString` knows `ExcludeCharacters` only: the key would hold commas and quotes."""

    name = "secret-string"
    closed = "honours ExcludePunctuation of a generated secret"
    left_out = {
        "ExcludePunctuation": string.punctuation,
        "ExcludeNumbers": string.digits,
        "ExcludeLowercase": string.ascii_lowercase,
        "ExcludeUppercase": string.ascii_uppercase,
    }

    @staticmethod
    def needed() -> bool:
        wanted = {"PasswordLength": 500, "ExcludePunctuation": True}
        return not provisioners._sm_secret_string({"GenerateSecretString": wanted}).isalnum()

    @classmethod
    def apply(cls) -> None:
        original = provisioners._sm_secret_string

        def of_allowed_characters(props: dict) -> str:
            wanted = props.get("GenerateSecretString") or {}
            left_out = "".join(
                text for flag, text in cls.left_out.items() if is_true(wanted.get(flag))
            )
            excluded = wanted.get("ExcludeCharacters", "") + left_out
            return original(
                props | {"GenerateSecretString": wanted | {"ExcludeCharacters": excluded}}
                if wanted
                else props
            )

        provisioners._sm_secret_string = of_allowed_characters


def is_true(flag: Any) -> bool:
    return str(flag).lower() == "true"


class ConditionFunctions:
    """In `Conditions`, neither `Fn::FindInMap` nor `AWS::Region` is resolved: what compares them is false."""

    name = "condition-functions"
    closed = "resolves Fn::FindInMap and AWS::Region in Conditions"

    @staticmethod
    def needed() -> bool:
        here = {"Fn::FindInMap": ["Probe", {"Ref": "AWS::Region"}, "Here"]}
        template = {
            "Mappings": {"Probe": {engine.get_region(): {"Here": "yes"}}},
            "Conditions": {"Here": {"Fn::Equals": [here, "yes"]}},
        }
        return not engine._evaluate_conditions(template, {})["Here"]

    @staticmethod
    def apply() -> None:
        original = engine._evaluate_conditions

        def with_functions(template: dict, params: dict) -> dict:
            known = {name: param["Value"] for name, param in params.items()} | {
                "AWS::Region": engine.get_region()
            }
            resolved = resolve(template.get("Conditions", {}), known, template.get("Mappings", {}))
            return original({**template, "Conditions": resolved}, params)

        for module in (engine, changesets, handlers, provisioners, stacks):
            module._evaluate_conditions = with_functions


def resolve(value: Any, known: dict, mappings: dict) -> Any:
    if isinstance(value, list):
        return [resolve(item, known, mappings) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"} and value["Ref"] in known:
        return known[value["Ref"]]
    if value.keys() == {"Fn::FindInMap"}:
        return engine.find_in_map(
            value["Fn::FindInMap"], mappings, lambda part: resolve(part, known, mappings)
        )
    return {key: resolve(item, known, mappings) for key, item in value.items()}


def let_functions_reach_loopback() -> None:
    """No shim, but what the test needs: receivers on loopback, and streams that end before patience does."""
    original: Callable[[dict], dict] = lambda_svc._runtime_env_vars
    wanted = {"TARGET_POLICY": "local", "STREAM_SECONDS": "5"}

    def environment(config: dict) -> dict:
        deployed = original(config)
        return deployed | {name: value for name, value in wanted.items() if name in deployed}

    lambda_svc._runtime_env_vars = environment


def main() -> None:
    for shim in (ApiBody, NumberParameters, BatchActions, SecretString, ConditionFunctions):
        if shim.needed():
            shim.apply()
            print(f"shim {shim.name} is in place", flush=True)
        else:
            print(
                f"shim {shim.name} {NO_LONGER_NEEDED}: the emulator now {shim.closed}", flush=True
            )
    let_functions_reach_loopback()
    sys.argv = sys.argv[:1]
    app.main()


if __name__ == "__main__":
    main()
