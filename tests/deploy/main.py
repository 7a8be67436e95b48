"""Deploys the unchanged template as the README says, uses what came up, and follows it over the life of its stacks.

The order of the steps is the story; each is a function of another file.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import keys
import resources
import use
from api import Api, Receiver
from emulator import Emulator, check_listens_on_loopback_only
from stack import Stack, ending
from use import Customer

STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.1f}s  {text}", flush=True)


def story(emulator: Emulator, stack: Stack) -> None:
    emulator.wait()
    say("the emulator runs, with IAM and TLS")
    operator = deploy_twice(stack)
    template = stack.template()
    say(
        f"{resources.check(stack, template)} resources as the transform has them, within AWS's limits"
    )
    say(f"{resources.routes(stack, template)} routes, each to its function")
    customer = is_used(emulator, stack, operator)
    secrets = [operator, customer.key, customer.endpoint["secret"]]
    a_new_version_keeps_all(stack, customer)
    outlives_its_stack(stack, customer, secrets)


def deploy_twice(stack: Stack) -> str:
    """Answers with the first operator key."""
    made = stack.deploy_as_readme_says()
    say("the README's deploy block, which ends with the first operator key")
    before = stack.snapshot()
    again = stack.deploy_as_readme_says()
    assert again["kind"] == "conflict", f"the block, run again, makes another key: {again}"
    changed = [name for name, value in stack.snapshot().items() if before.get(name) != value]
    assert not changed, f"the README's deploy block, run again, changes {changed}"
    say("the README's deploy block again: nothing changes")
    return made["key"]


def is_used(emulator: Emulator, stack: Stack, operator: str) -> Customer:
    check_listens_on_loopback_only(emulator)
    api = Api(emulator, stack)
    use.refuses_strangers(api)
    customer = Customer.create(api, Receiver(), operator)
    event = use.delivers(customer, [customer.endpoint])
    say("HTTP API, events, SQS, deliver: a signed request arrives")
    use.retries(customer, emulator)
    say("a failure is tried again after 5 s, and kept on its queue by batchItemFailures")
    use.streams(customer, event)
    say("the function URL streams")
    use.runs_jobs(stack)
    say("jobs runs, and finds nothing to do")
    use.nothing_denied(stack)
    say("no call was denied to a role")
    use.a_permission_less(stack, api, operator)
    say("with one permission less, 503")
    check_listens_on_loopback_only(emulator)
    say("nothing listens beyond loopback")
    return customer


def a_new_version_keeps_all(stack: Stack, customer: Customer) -> None:
    before = stack.snapshot()
    source = stack.tree / "template.yaml"
    source.write_text(source.read_text().replace("MemorySize: 1024", "MemorySize: 1025", 1))
    stack.run(["sam", "build"])
    stack.deploy()
    assert stack.function("DeliverFunction")["MemorySize"] == 1025, (
        "the new version was not deployed"
    )
    changed = [name for name, value in stack.snapshot().items() if before.get(name) != value]
    assert not changed, f"a new version changes {changed}"
    use.delivers(customer, [customer.endpoint])
    say("a new version is deployed: names, parameters and endpoints stay")


def outlives_its_stack(stack: Stack, customer: Customer, secrets: list[str]) -> None:
    kept = keys.Kept.of(stack)
    generated = keys.generated_key(stack, kept.secrets_key)
    assert keys.is_32_bytes_in_base64(generated), "the generated key is not 43 letters and digits"
    delete(stack, [*secrets, generated])
    keys.check_only_tables_and_secret_are_left(stack, kept)
    say("sam delete: three tables and the secret stay, nothing else")
    event = keys.refuses_another_key(stack, kept, customer)
    say("adopted with another key: the API answers 5xx, events are accepted and wait")
    keys.adopts(stack, kept, customer)
    use.arrives(customer, event, [customer.endpoint], 60)
    say("adopted with the right key: old secrets open, and what waited arrives")
    own = keys.rotates(stack, customer)
    say("a key of one's own in front: endpoints of both keys are served")
    delete(stack, [*secrets, generated, own])
    left = keys.a_failed_first_deployment_leaves(stack)
    tables = list(left.get("tables", []))
    keys.check_only_tables_stay(left)
    keys.delete_tables(stack, tables)
    say("a failed first deployment leaves three tables, which can be deleted")


def delete(stack: Stack, secrets: list[str]) -> None:
    """Its logs go with it."""
    lines = use.logs_no_secret(stack, secrets)
    say(f"no secret in {lines} lines of log")
    stack.delete()


def report_shims(emulator: Emulator) -> None:
    print(
        f"        {len(emulator.shims('is in place'))} shims for gaps of the emulator", flush=True
    )
    for line in emulator.shims("is no longer needed"):
        print(f"\n!!!!!!  {line}\n", flush=True)


def explain(emulator: Emulator, stack: Stack | None) -> None:
    """The ends of what there is to read, most telling last."""
    print(f"\n--- the emulator\n{ending(emulator.logged(), 25)}", file=sys.stderr)
    if stack is None or emulator.process.poll() is not None:
        return
    try:
        for group, lines in stack.logged().items():
            if lines:
                print(f"\n--- {group}\n" + "\n".join(lines[-8:]), file=sys.stderr)
    except Exception as error:  # the failure itself matters more
        print(f"(the log groups can't be read: {error})", file=sys.stderr)


def main(repository: Path, binaries: Path) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="deploy-test-"))
    emulator = Emulator(folder)
    stack = None
    try:
        path = os.environ["PATH"]
        environment = emulator.client_environment()
        os.environ.clear()
        os.environ.update(environment | {"PATH": path})
        stack = Stack(repository, binaries, folder, emulator)
        story(emulator, stack)
    except KeyboardInterrupt:
        return 130
    except Exception:
        explain(emulator, stack)
        raise
    finally:
        emulator.stop()
        report_shims(emulator)
        shutil.rmtree(folder, ignore_errors=True)
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
