"""The project in a clean copy of its tree, and the stack that the README's own commands make of it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import boto3

from emulator import REGION, Emulator
from template import Template

STACK = "posthaste"


class Stack:
    def __init__(self, repository: Path, binaries: Path, folder: Path, emulator: Emulator):
        self.tree = folder / "tree"
        copy_tree(repository, self.tree)
        stand_ins = folder / "stand-ins"
        make_stand_ins(stand_ins, binaries)
        self.environment = emulator.client_environment()
        self.environment["PATH"] = f"{stand_ins}:{self.environment['PATH']}"
        # Its packages are the emulator's, not SAM's.
        self.environment.pop("PYTHONPATH", None)
        self.log = folder / "commands.log"
        self.session = boto3.Session()
        self.ids: dict[str, str] = {}
        self.outputs: dict[str, str] = {}

    def client(self, service: str):
        return self.session.client(service)

    def deploy_as_readme_says(self) -> dict:
        """Answers with what the block shows last: the first operator key."""
        shown = self.run(["bash", "-euo", "pipefail", "-c", readme_block(self.tree / "README.md")])
        self.look()
        return json.loads(shown.strip().splitlines()[-1])

    def deploy(self, **parameters: str) -> None:
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        self.run(["sam", "deploy", *(["--parameter-overrides", *overrides] if overrides else [])])
        self.look()

    def delete(self, name: str = STACK) -> None:
        self.run(["sam", "delete", "--no-prompts", "--region", REGION, "--stack-name", name])

    def run(self, command: list[str], fails: bool = False) -> str:
        """Nobody is there to answer a question: standard input is empty."""
        done = subprocess.run(
            command,
            cwd=self.tree,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
        said = f"{' '.join(command[:3])} … exits with {done.returncode}"
        assert (done.returncode != 0) == fails, f"{said}:\n{ending(done.stdout + done.stderr, 40)}"
        return done.stdout

    def look(self) -> None:
        formation = self.client("cloudformation")
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        outputs = formation.describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def template(self, **parameters: str) -> Template:
        built = (self.tree / ".aws-sam/build/template.yaml").read_text()
        return Template(built, REGION, parameters)

    def function(self, name: str) -> dict:
        return self.client("lambda").get_function_configuration(FunctionName=self.ids[name])

    def snapshot(self) -> dict[str, object]:
        """What must not change when the stack is deployed again: names, and what functions are told."""
        told = {
            f"{name}'s environment": self.function(name)["Environment"]["Variables"]
            for name in self.ids
            if name.endswith("Function")
        }
        return {**self.ids, **told}

    def logged(self) -> dict[str, list[str]]:
        """What the log groups hold."""
        logs = self.client("logs")
        groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
        return {name: read_group(logs, name) for name in groups}


def read_group(logs, name: str) -> list[str]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
    return [event["message"] for page in pages for event in page["events"]]


def readme_block(readme: Path) -> str:
    """The commands under "Deploy it", as they are printed: the test can't differ from them."""
    section = readme.read_text().split("\n## Deploy it\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return next(block for block in blocks if "sam deploy" in block)


def copy_tree(repository: Path, tree: Path) -> None:
    """What a clone of the repository, as it is on disk, would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, tree / name)


def make_stand_ins(folder: Path, binaries: Path) -> None:
    """In front of PATH: a cargo-lambda that hands over binaries which exist, and a pip that installs nothing, as the
    tools that the README installs are here already. What else is asked of cargo is cargo's: SAM asks for metadata."""
    cargo = shutil.which("cargo")
    assert cargo, "cargo is not on PATH"
    write_script(
        folder / "cargo",
        f"""
[ "$1 $2" = "lambda build" ] || exec {cargo!r} "$@"
while [ $# -gt 0 ]; do [ "$1" = --bin ] && name=$2; shift; done
mkdir -p "target/lambda/$name"
strip -o "target/lambda/$name/bootstrap" {str(binaries)!r}/"$name"
""",
    )
    write_script(folder / "cargo-lambda", f'exec {str(folder / "cargo")!r} "$@"')
    write_script(folder / "pip", "exit 0")


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\nset -eu\n{text}\n")
    path.chmod(0o755)


def ending(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])
