"""Certificates for tests, made with openssl: an authority, and what it has signed."""

import subprocess
from pathlib import Path

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
ED = ["-newkey", "ed25519", "-nodes"]
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


class Authority:
    """An authority of its own, in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl("req", "-x509", *EC, "-subj", f"/CN={name}", "-days", "2", "-keyout", self._key,
                 "-out", self.certificate)  # fmt: skip

    def sign(self, name: str, names: str = NAMES, *, days: int = 2, sort: list[str] = EC) -> tuple[Path, Path]:
        """A certificate and its key, of a sort. Negative `days`: one that has expired."""
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        request = self._folder / f"{name}.csr"
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"{names}\n")
        _openssl("req", "-new", *sort, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", str(days), "-extfile", extensions, "-out", certificate)  # fmt: skip
        return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
