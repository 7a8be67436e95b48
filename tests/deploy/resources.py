"""What came up, against what SAM's transform makes of the template, and AWS's limits on it."""

import json
import re

from stack import Stack
from template import Template

LAMBDA_POLICY_LIMIT = 20 * 1024  # Lambda: a function's resource policy
ENVIRONMENT_LIMIT = 4 * 1024  # Lambda: all of a function's environment variables


def check(stack: Stack, template: Template) -> int:
    wanted = set(template.resources)
    assert wanted == set(stack.ids), f"not as in the template: {sorted(wanted ^ set(stack.ids))}"
    functions(stack, template)
    queues(stack, template)
    mappings(stack, template)
    alarms(stack, template)
    stream_url(stack)
    return len(wanted)


def functions(stack: Stack, template: Template) -> None:
    for name, wanted in template.of_type("AWS::Lambda::Function").items():
        deployed = stack.function(name)
        for field in ("Runtime", "Handler", "MemorySize", "Timeout"):
            assert deployed[field] == wanted[field], f"{name}.{field}: {deployed[field]}"
        variables = deployed["Environment"]["Variables"]
        assert set(variables) == set(wanted["Environment"]["Variables"]), name
        unresolved = {
            variable for variable, value in variables.items() if "{{" in value or "${" in value
        }
        assert not unresolved, (
            f"{name} got text that CloudFormation should have resolved: {unresolved}"
        )
        assert len(json.dumps(variables)) < ENVIRONMENT_LIMIT, (
            f"{name}'s environment is too large for Lambda"
        )
        assert policy_size(stack, name) < LAMBDA_POLICY_LIMIT, (
            f"{name}'s policy is too large for Lambda"
        )
        group = wanted["LoggingConfig"]["LogGroup"]["Ref"]
        assert deployed["LoggingConfig"]["LogGroup"] == stack.ids[group], name


def policy_size(stack: Stack, function: str) -> int:
    client = stack.client("lambda")
    try:
        return len(client.get_policy(FunctionName=stack.ids[function])["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return 0


def queues(stack: Stack, template: Template) -> None:
    client = stack.client("sqs")
    for name, wanted in template.of_type("AWS::SQS::Queue").items():
        answer = client.get_queue_attributes(QueueUrl=stack.ids[name], AttributeNames=["All"])
        deployed = answer["Attributes"]
        for field in ("VisibilityTimeout", "MessageRetentionPeriod", "MaximumMessageSize"):
            if field in wanted:
                assert deployed[field] == str(wanted[field]), f"{name}.{field}: {deployed[field]}"
        assert deployed["SqsManagedSseEnabled"] == "true", f"{name} is not encrypted"
        assert "aws:SecureTransport" in deployed["Policy"], f"{name} takes calls without TLS"
        if "RedrivePolicy" in wanted:
            limit = json.loads(deployed["RedrivePolicy"])["maxReceiveCount"]
            assert int(limit) == wanted["RedrivePolicy"]["maxReceiveCount"], name


def mappings(stack: Stack, template: Template) -> None:
    wanted = template.of_type("AWS::Lambda::EventSourceMapping")
    deployed = stack.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert len(deployed) == len(wanted), [mapping["EventSourceArn"] for mapping in deployed]
    for mapping in deployed:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2, mapping


def alarms(stack: Stack, template: Template) -> None:
    deployed = {
        alarm["AlarmName"]: alarm
        for alarm in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    wanted = template.of_type("AWS::CloudWatch::Alarm")
    assert set(deployed) == {stack.ids[name] for name in wanted}, "alarms differ"
    for name, properties in wanted.items():
        for dimension in deployed[stack.ids[name]].get("Dimensions", []):
            assert dimension["Value"], f"{name} watches nothing"


def stream_url(stack: Stack) -> None:
    """Both permissions are needed since October 2025."""
    policy = json.loads(
        stack.client("lambda").get_policy(FunctionName=stack.ids["StreamFunction"])["Policy"]
    )
    actions = {statement["Action"] for statement in policy["Statement"]}
    assert actions == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}, actions


def routes(stack: Stack, template: Template) -> int:
    """Every route that the template names leads to the function that it names."""
    client = stack.client("apigatewayv2")
    api = stack.ids["Api"]
    uris = {
        each["IntegrationId"]: each["IntegrationUri"]
        for each in pages(client.get_integrations, api)
    }
    deployed = {
        each["RouteKey"]: uris[each["Target"].split("/")[1]]
        for each in pages(client.get_routes, api)
    }
    wanted = dict(wanted_routes(template))
    assert set(deployed) == set(wanted), sorted(set(deployed) ^ set(wanted))
    for key, function in wanted.items():
        assert f":function:{stack.ids[function]}/" in deployed[key], (
            f"{key} leads to {deployed[key]}"
        )
    return len(wanted)


def wanted_routes(template: Template):
    (api,) = template.of_type("AWS::ApiGatewayV2::Api").values()
    for path, operations in api["Body"]["paths"].items():
        for method, operation in operations.items():
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if path == "/$default" else f"{verb} {path}"
            yield key, re.search(r"\$\{(\w+)\.Arn\}", uri)[1]


def pages(call, api: str) -> list[dict]:
    found: list[dict] = []
    token: dict[str, str] = {}
    while True:
        answer = call(ApiId=api, MaxResults="500", **token)
        found += answer["Items"]
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}
