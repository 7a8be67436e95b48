# Python tools that tests share, pinned, each in a folder of its own below target/. Sourced from the
# root of the repository.
# shellcheck shell=bash

# Pinned, so that a new rule, a new gap or a closed one breaks nobody's unrelated change.
SAM_VERSION=1.170.0
MINISTACK_VERSION=1.5.33
SAM_TRANSLATOR_VERSION=1.115.0
CFN_LINT_VERSION=1.58.0
PARLIAMENT_VERSION=1.6.4

export SAM_CLI_TELEMETRY=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

# SAM, in front of PATH.
install_sam() {
  local venv="$PWD/target/ci-venv"
  if [ -x "$venv/bin/sam" ] && "$venv/bin/sam" --version | grep -q " $SAM_VERSION\$"; then
    export PATH="$venv/bin:$PATH"
    return
  fi
  # Some systems ship python3 without venv, and some of those refuse to install beside their own
  # packages.
  if python3 -m venv "$venv"; then
    "$venv/bin/python" -m pip install --quiet "aws-sam-cli==$SAM_VERSION"
    export PATH="$venv/bin:$PATH"
  else
    python3 -m pip install --quiet --user "aws-sam-cli==$SAM_VERSION" ||
      python3 -m pip install --quiet --user --break-system-packages "aws-sam-cli==$SAM_VERSION"
    PATH="$(python3 -m site --user-base)/bin:$PATH"
    export PATH
  fi
}

# install_packages FOLDER PACKAGE==VERSION…: into a folder for PYTHONPATH. That needs no venv, which
# some systems' python3 lacks, touches nothing of the system's, and keeps packages apart whose
# requirements conflict.
install_packages() {
  local folder=$1
  shift
  if [ "$(cat "$folder/installed" 2>/dev/null)" = "$*" ]; then return; fi
  rm -rf "$folder"
  python3 -m pip install --quiet --target "$folder" "$@" 2>"$folder.log" || {
    cat "$folder.log" >&2
    echo "$* can't be installed from PyPI: see pip's output above" >&2
    return 1
  }
  echo "$*" >"$folder/installed"
}

# ministack, and the transform of SAM templates, which it needs for them. Sets MINISTACK to the
# folder.
install_ministack() {
  MINISTACK="$PWD/target/ministack-$MINISTACK_VERSION"
  install_packages "$MINISTACK" "ministack==$MINISTACK_VERSION" "aws-sam-translator==$SAM_TRANSLATOR_VERSION"
}

# cfn-lint and parliament. Sets LINTERS to the folder.
install_linters() {
  LINTERS="$PWD/target/linters"
  install_packages "$LINTERS" "cfn-lint==$CFN_LINT_VERSION" "parliament==$PARLIAMENT_VERSION" \
    "aws-sam-translator==$SAM_TRANSLATOR_VERSION"
}
