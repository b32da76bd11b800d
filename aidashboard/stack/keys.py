"""The two keys of an installation, made at the first start and kept in its data folder, readable for its owner alone."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from aidashboard.stack.servers import ServerSetUpError, make_private_folder

FOLDER: Final = "secrets"


def _new_secret_key() -> str:
    return secrets.token_urlsafe(48)


def _new_encryption_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()  # as Fernet.generate_key() does


MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "SECRET_KEY": _new_secret_key,
    "ENCRYPTION_KEY": _new_encryption_key,
}


def ensure_key(name: str, *, data_dir: Path, has_data: bool) -> Path:
    """The file with the key `name`, made if it is missing.

    Raises: ServerSetUpError when the encryption key is missing although there is data that may be encrypted with it.
    """
    path = data_dir / FOLDER / name.lower()
    if path.exists():
        return path
    if name == "ENCRYPTION_KEY" and has_data:
        raise ServerSetUpError(
            f"{path} is missing, but {data_dir} holds data whose cluster credentials are encrypted with it. Put it back from a "
            "backup; or set AIDASHBOARD_ENCRYPTION_KEY to a new key, and enter the credentials of every cluster again."
        )
    make_private_folder(path.parent)
    draft = path.with_name(f"{path.name}.new-{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(MAKERS[name]())
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return path
