"""A certificate of a broker's own making, for 127.0.0.1."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from pathlib import Path

from schemas.errors import ProcessFailed

_VALID_DAYS = "3650"


class Certificate:
    """A key pair in a directory, signed by itself, and made once.

    Attributes
    ----------
    pem
        The certificate, which clients are given as ``ssl.ca.location``.
    """

    def __init__(self, directory: Path) -> None:
        self._keystore, self.pem = directory / "tls.p12", directory / "tls.pem"
        self._password = directory / "tls.password"

    def keystore(self) -> tuple[Path, str]:
        """Return the keystore and its password; they are made where they are missing.

        Raises
        ------
        ProcessFailed
            There is no ``keytool``, which comes with Java, or it fails.
        """
        if not self.pem.exists():
            self._password.write_text(secrets.token_hex(16), encoding="ascii")
            self._password.chmod(0o600)
            self._keystore.unlink(missing_ok=True)
            self._keytool(
                "-genkeypair", "-keyalg", "EC", "-dname", "CN=127.0.0.1", "-ext",
                "SAN=IP:127.0.0.1,DNS:localhost", "-validity", _VALID_DAYS,
            )  # fmt: skip
            self._keytool("-exportcert", "-rfc", "-file", str(self.pem))
        return self._keystore, self._password.read_text(encoding="ascii")

    def _keytool(self, *arguments: str) -> None:
        keytool = shutil.which("keytool")
        if keytool is None:
            raise ProcessFailed("TLS takes keytool, which comes with Java: install Java")
        keystore = ("-alias", "broker", "-storetype", "PKCS12", "-keystore", str(self._keystore))
        command = [keytool, *arguments, *keystore, "-storepass:file", str(self._password)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise ProcessFailed(f"keytool fails: {(done.stdout + done.stderr).strip()[:400]}")
