"""The secrets key and the tables, over the life of stacks: what stays, adoption, a wrong key, rotation."""

import base64
import secrets
from dataclasses import dataclass

import use
from api import until
from stack import Stack
from use import Customer

# What a function logs that doesn't start (shared/runtime/src/start.rs).
REFUSAL = "the function can't start"
TABLES = ("ConfigTable", "LogTable", "StateTable")


@dataclass
class Kept:
    """What outlives a stack, as parameters of the next one."""

    config_table: str
    log_table: str
    state_table: str
    secrets_key: str

    @classmethod
    def of(cls, stack: Stack) -> "Kept":
        tables = (stack.ids[name] for name in TABLES)
        return cls(*tables, secret_arn(stack))

    def parameters(self) -> dict[str, str]:
        return {
            "ExistingConfigTable": self.config_table,
            "ExistingLogTable": self.log_table,
            "ExistingStateTable": self.state_table,
            "ExistingSecretsKey": self.secrets_key,
        }


def secret_arn(stack: Stack) -> str:
    name = stack.ids[only(stack, "AWS::SecretsManager::Secret")]
    return stack.client("secretsmanager").describe_secret(SecretId=name)["ARN"]


def only(stack: Stack, kind: str) -> str:
    (name,) = stack.template().of_type(kind)
    return name


def generated_key(stack: Stack, arn: str) -> str:
    return stack.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]


def is_32_bytes_in_base64(key: str) -> bool:
    return key.isalnum() and len(base64.b64decode(key + "=")) == 32


def what_is_left(stack: Stack) -> dict[str, list[str]]:
    """Of all that a stack makes, on an emulator that holds nothing else (but the bucket of SAM's uploads)."""
    keys = stack.client("kms")
    metadata = [
        keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys.list_keys()["Keys"]
    ]
    found = {
        "tables": stack.client("dynamodb").list_tables()["TableNames"],
        "secrets": [
            each["ARN"] for each in stack.client("secretsmanager").list_secrets()["SecretList"]
        ],
        "keys": [key["KeyId"] for key in metadata if key["KeyState"] != "PendingDeletion"],
        "queues": stack.client("sqs").list_queues().get("QueueUrls", []),
        "functions": [
            each["FunctionName"] for each in stack.client("lambda").list_functions()["Functions"]
        ],
        "roles": [each["RoleName"] for each in stack.client("iam").list_roles()["Roles"]],
        "log groups": [
            each["logGroupName"] for each in stack.client("logs").describe_log_groups()["logGroups"]
        ],
        "alarms": [
            each["AlarmName"]
            for each in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "APIs": [each["ApiId"] for each in stack.client("apigatewayv2").get_apis()["Items"]],
    }
    return {kind: names for kind, names in found.items() if names}


def check_only_tables_and_secret_are_left(stack: Stack, kept: Kept) -> None:
    left = what_is_left(stack)
    tables = {kept.config_table, kept.log_table, kept.state_table}
    assert set(left.pop("tables")) == tables, "tables differ"
    assert left.pop("secrets") == [kept.secrets_key], "secrets differ"
    assert not left, f"sam delete leaves {left}"


def refuses_another_key(stack: Stack, kept: Kept, customer: Customer) -> str:
    """Deploys the kept tables with another stack's key. Answers with an event that must wait."""
    other = stack.client("secretsmanager").create_secret(
        Name="another", SecretString=new_generated_key()
    )
    stack.deploy(**kept.parameters() | {"ExistingSecretsKey": other["ARN"]})
    # A message whose function failed is back at the visibility timeout, six minutes in the template.
    stack.client("sqs").set_queue_attributes(
        QueueUrl=stack.ids["DeliveriesQueue"], Attributes={"VisibilityTimeout": "3"}
    )
    answer = customer.api.call("GET", "/webhooks/endpoints", customer.key)
    assert answer.status >= 500, (
        f"endpoints starts with another key: {answer.status} {answer.text[:200]}"
    )
    event = customer.post("task.updated")
    # The emulator keeps what a function says before it is ready in its own log, not in the function's.
    said = lambda: REFUSAL in customer.api.emulator.logged()
    until(said, "a log line says that a function can't start")
    assert not customer.receiver.got(event), "an event was delivered with another key"
    return event


def new_generated_key() -> str:
    """Of the shape that Secrets Manager generates."""
    while not (
        key := base64.b64encode(secrets.token_bytes(32)).decode().removesuffix("=")
    ).isalnum():
        pass
    return key


def adopts(stack: Stack, kept: Kept, customer: Customer) -> None:
    stack.deploy(**kept.parameters())
    made = set(TABLES) & set(stack.ids)
    assert not made, f"a stack that adopts tables has made {made}"
    path = f"/webhooks/endpoints/{customer.endpoint['id']}/secret"
    secret = customer.api.expect(200, "GET", path, customer.key)["secret"]
    assert secret == customer.endpoint["secret"], "the old endpoint has another secret now"


def rotates(stack: Stack, customer: Customer) -> str:
    """As docs/deploy.md says: a key of one's own in front of the generated one. Answers with it."""
    own = base64.b64encode(secrets.token_bytes(32)).decode()
    stack.deploy(SecretsKey=own)
    later = use.create_endpoint(customer.api, customer.receiver, customer.key, "/second")
    use.delivers(customer, [customer.endpoint, later])
    return own


def a_failed_first_deployment_leaves(stack: Stack) -> dict[str, list[str]]:
    """The functions can't be made, as no such secret exists: the first deployment is rolled back."""
    before = what_is_left(stack)
    nowhere = "arn:aws:secretsmanager:us-east-1:000000000000:secret:nowhere-AbCdEf"
    command = ["sam", "deploy", "--stack-name", "failing"]
    stack.run([*command, "--parameter-overrides", f"ExistingSecretsKey={nowhere}"], fails=True)
    after = what_is_left(stack)
    left = {kind: sorted(set(names) - set(before.get(kind, []))) for kind, names in after.items()}
    stack.delete("failing")
    return {kind: names for kind, names in left.items() if names}


def check_only_tables_stay(left: dict[str, list[str]]) -> None:
    """They are empty, and protected: docs/deploy.md says how they go."""
    assert len(left.pop("tables", [])) == len(TABLES), "the tables of a failed deployment"
    assert not left, f"a failed first deployment leaves {left}"


def delete_tables(stack: Stack, names: list[str]) -> None:
    """As docs/deploy.md says."""
    client = stack.client("dynamodb")
    for name in names:
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.delete_table(TableName=name)
