"""What the deployment before its redesign needs: to be removed with it."""

from pathlib import Path

from stack import STACK, Stack, readme_block


def is_legacy(stack: Stack) -> bool:
    return "OperatorKeySha256" in readme_block(stack.tree / "README.md")


def deploy(stack: Stack) -> str:
    """As the README says, but for the question, and with the operator key that its block made."""
    config = stack.tree / "samconfig.toml"
    config.write_text(config.read_text().replace("confirm_changeset = true", "confirm_changeset = false"))
    operator = Path("../operator")
    block = readme_block(stack.tree / "README.md") + f'\nprintf %s "$OPERATOR" >{operator}\n'
    stack.run(["bash", "-euo", "pipefail", "-c", block])
    stack.look()
    return (stack.tree / operator).read_text()
