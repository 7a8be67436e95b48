"""ministack with IAM and TLS, on loopback, in a temporary folder."""

import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

REGION = "us-east-1"
HERE = Path(__file__).parent


class Emulator:
    def __init__(self, folder: Path):
        self.certificate, key = folder / "certificate.pem", folder / "key.pem"
        self.log = folder / "emulator.log"
        make_certificate(self.certificate, key)
        self.url = f"https://localhost:{free_port()}"
        self.tls = ssl.create_default_context(cafile=str(self.certificate))
        environment = without_aws(os.environ) | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": self.url.rsplit(":", 1)[1],
            "MINISTACK_HOST": "localhost",
            "AUTH": "true",  # every call is signed, and held to its caller's policies
            "USE_SSL": "1",  # the queues' own policies refuse calls without TLS
            "MINISTACK_SSL_CERT": str(self.certificate),
            "MINISTACK_SSL_KEY": str(key),
            "AWS_ENDPOINT_URL": self.url,  # for the functions, as is the next
            "SSL_CERT_FILE": str(self.certificate),
            "IOT_MTLS_ENABLED": "0",  # else it listens for MQTT on all addresses
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "INFO",
            "TMPDIR": str(folder),
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "shims.py")],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop it
            )

    def wait(self) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(
                    f"{self.url}/_ministack/health", context=self.tls, timeout=2
                ):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the emulator doesn't start")

    def client_environment(self) -> dict[str, str]:
        """For SAM, boto3 and the README's commands: nothing of the caller's own AWS account remains."""
        return without_aws(os.environ) | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def shims(self, ending: str) -> list[str]:
        return [
            line
            for line in self.logged().splitlines()
            if line.startswith("shim ") and ending in line
        ]

    def stop(self) -> None:
        """And every function that it runs: they are of its process group."""
        try:
            os.killpg(self.process.pid, 15)
            self.process.wait(timeout=10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()


def without_aws(environment: "os._Environ[str]") -> dict[str, str]:
    return {
        name: value for name, value in environment.items() if not name.startswith(("AWS_", "SAM_"))
    }


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def make_certificate(certificate: Path, key: Path) -> None:
    names = f"DNS:localhost,DNS:*.execute-api.localhost,DNS:*.lambda-url.{REGION}.localhost"
    # Not a CA: rustls, which the functions use, refuses a CA's own certificate as a server's.
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]
        + ["-keyout", str(key), "-out", str(certificate)]
        + ["-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True,
        capture_output=True,
    )


def listening(group: int) -> set[str]:
    """Where processes of the group listen, as the kernel writes addresses; /proc rather than a tool that may be missing."""
    inodes = {inode for process in members(group) for inode in sockets(process)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].split(":")[0])
    return found


def members(group: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                found.append(int(process.name))
        except ProcessLookupError:
            continue
    return found


def sockets(process: int) -> list[str]:
    found = []
    for descriptor in Path(f"/proc/{process}/fd").glob("*"):
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
        except OSError:
            continue
        if match:
            found.append(match[1])
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def check_listens_on_loopback_only(emulator: Emulator) -> None:
    if not Path("/proc/net/tcp").exists():
        return
    addresses = listening(emulator.process.pid)
    assert addresses, "the emulator's sockets can't be found"
    assert addresses <= LOOPBACK, f"the emulator listens beyond loopback: {addresses - LOOPBACK}"
