"""The template as CloudFormation sees it: what SAM's transform makes of it, with its conditions decided."""

import logging
from types import SimpleNamespace
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It warns of metrics that nobody collects.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

NOTHING = {"Ref": "AWS::NoValue"}


class Template:
    def __init__(self, text: str, region: str, parameters: dict[str, str] | None = None):
        source = yaml_parse(text)
        self.mappings = source.get("Mappings", {})
        self.values = {
            name: str(of.get("Default", "")) for name, of in source.get("Parameters", {}).items()
        }
        self.values |= parameters or {}
        self.values |= {
            "AWS::Region": region,
            "AWS::Partition": "aws",
            "AWS::AccountId": "000000000000",
        }
        self.values |= {"AWS::StackName": "posthaste", "AWS::URLSuffix": "amazonaws.com"}
        self.translated = translate(source)
        self.conditions = self.translated.get("Conditions", {})
        self.resources: dict[str, dict] = {
            name: resource
            for name, resource in self.translated["Resources"].items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }

    def of_type(self, kind: str) -> dict[str, dict]:
        """The properties of each resource of a type, with every Fn::If decided."""
        found = {
            name: resource for name, resource in self.resources.items() if resource["Type"] == kind
        }
        return {
            name: self.decided(resource.get("Properties", {})) for name, resource in found.items()
        }

    def as_deployed(self) -> dict:
        """A template without conditions."""
        resources = {
            name: self.decided(without(resource, "Condition"))
            for name, resource in self.resources.items()
        }
        outputs = {
            name: self.decided(without(output, "Condition"))
            for name, output in self.translated.get("Outputs", {}).items()
            if "Condition" not in output or self.holds({"Condition": output["Condition"]})
        }
        kept = {
            key: self.translated[key]
            for key in ("Parameters", "Mappings")
            if key in self.translated
        }
        return {**kept, "Resources": resources, "Outputs": outputs}

    def holds(self, condition: Any) -> bool:
        match condition:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Equals": [left, right]}:
                return str(self.value(left)) == str(self.value(right))
            case {"Fn::Not": [one]}:
                return not self.holds(one)
            case {"Fn::And": several}:
                return all(map(self.holds, several))
            case {"Fn::Or": several}:
                return any(map(self.holds, several))
        raise AssertionError(f"an unknown condition: {condition}")

    def value(self, part: Any) -> Any:
        """Of what a condition compares."""
        match part:
            case {"Ref": name}:
                return self.values[name]
            case {"Fn::FindInMap": [of, first, second]}:
                return self.mappings[self.value(of)][self.value(first)][self.value(second)]
        return part

    def decided(self, part: Any) -> Any:
        if isinstance(part, list):
            return [item for item in map(self.decided, part) if item != NOTHING]
        if not isinstance(part, dict):
            return part
        if part.keys() == {"Fn::If"}:
            name, yes, no = part["Fn::If"]
            return self.decided(yes if self.holds({"Condition": name}) else no)
        decided = {key: self.decided(item) for key, item in part.items()}
        return {key: item for key, item in decided.items() if item != NOTHING}


def without(part: dict, key: str) -> dict:
    return {name: item for name, item in part.items() if name != key}


def translate(source: dict) -> dict:
    """SAM wants code that is uploaded already, and the transform reads no managed policy."""
    source["Globals"]["Function"].pop("CodeUri", None)
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    return transform(source, {}, SimpleNamespace(load=dict))
