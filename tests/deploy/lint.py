"""cfn-lint in every region, and parliament on every policy, of the template as CloudFormation sees it there.

The transform's output, with conditions decided for the region: cfn-lint does not look into a function's URL before the
transform, and takes minutes where it tries all values of all conditions in many regions.
"""

import json
import os
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Iterator

import parliament
from cfnlint.config import ConfigMixIn
from cfnlint.helpers import REGIONS
from cfnlint.runner import Runner

from template import Template

# Other partitions (China, GovCloud, isolated and sovereign ones) are not promised.
OTHER_PARTITIONS = re.compile("cn-|us-gov-|us-iso|eu-iso|eusc-")
ADOPTED = {
    "ExistingConfigTable": "config",
    "ExistingLogTable": "log",
    "ExistingStateTable": "state",
    "ExistingSecretsKey": "arn:aws:secretsmanager:us-east-1:000000000000:secret:key-AbCdEf",
}
ARN = "arn:aws:{service}:us-east-1:000000000000:{rest}"
ARNS = {
    "AWS::DynamoDB::Table": ARN.format(service="dynamodb", rest="table/name"),
    "AWS::SQS::Queue": ARN.format(service="sqs", rest="name"),
    "AWS::Logs::LogGroup": ARN.format(service="logs", rest="log-group:name:*"),
    "AWS::KMS::Key": ARN.format(service="kms", rest="key/00000000-0000-0000-0000-000000000000"),
}


def main(source: str) -> int:
    regions = [region for region in sorted(REGIONS) if not OTHER_PARTITIONS.match(region)]
    with ProcessPoolExecutor() as workers:
        findings = [
            line for lines in workers.map(lint, [source] * len(regions), regions) for line in lines
        ]
    print(f"cfn-lint: {len(regions)} regions, {len(findings)} findings")
    policies = [
        each
        for parameters in ({}, ADOPTED)
        for each in policies_of(Template(source, "us-east-1", parameters))
    ]
    for name, document in policies:
        found = parliament.analyze_policy_string(json.dumps(document)).findings
        findings += [f"{name}: {finding}" for finding in found]
    print(f"parliament: {len(policies)} policies")
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


def lint(source: str, region: str) -> list[str]:
    template = Template(source, region)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(json.dumps(template.as_deployed()))
        matches = list(Runner(ConfigMixIn(["--regions", region, "--", str(path)])).run())
    # Warnings are of what the deciding of conditions leaves unused; `sam validate --lint` reads the source.
    errors = [match for match in matches if match.rule.id.startswith("E")]
    return [f"{region}: {match.rule.id} {match.message}" for match in errors]


def policies_of(template: Template) -> Iterator[tuple[str, dict]]:
    for name, role in template.of_type("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            yield name, named(policy["PolicyDocument"], template)
    for name, policy in template.of_type("AWS::SQS::QueuePolicy").items():
        yield name, named(policy["PolicyDocument"], template)


def named(part: Any, template: Template) -> Any:
    """With ARNs in place of what CloudFormation fills in."""
    match part:
        case {"Fn::GetAtt": [resource, "Arn"]}:
            return ARNS[template.resources[resource]["Type"]]
        case {"Fn::Sub": str(text)}:
            own = lambda name: "name" if name in template.resources else template.values[name]
            return re.sub(r"\$\{([\w:]+)\}", lambda name: own(name[1]), text)
        case dict():
            return {key: named(item, template) for key, item in part.items()}
        case list():
            return [named(item, template) for item in part]
    return part


if __name__ == "__main__":
    # Also stops libraries from asking for the credentials of a machine in the cloud.
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    sys.exit(main(Path("template.yaml").read_text()))
