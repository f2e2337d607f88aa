# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSF model signatures, checked when a model is locked: a key or a certificate says who vouches for which bytes.

The ``model-signing`` library judges the signature. Left alone it would then read every file again; here it is only
asked what was signed, which is compared with the digests that the lock knows already. Files that were signed in another
way (in shards, with BLAKE) are read once more. https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import contextlib
import datetime
import io
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import signed, trust
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.trusted import fingerprint
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context, HashedFile

FILE = "model.sig"
LIMIT = 64 * 1024 * 1024  # bytes; a signature of 100,000 files stays well below


def verify(
    settings: Mapping[str, Any],
    files: Sequence[HashedFile],
    *,
    context: Context,
    there: Collection[str] | None = None,
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.timezone.utc),
) -> Mapping[str, Any]:
    """What the signature of a set says, for the lock: ``{state, method, trusted, key | certificate …}``.

    A set with files that the signature does not cover counts as ``unchecked``, and names them under ``uncovered``.

    :param settings: ``method`` (key, certificate), ``public_key`` or ``certificate_chain`` (paths from
        ``context.base``), ``required``, ``file`` (path of the signature among the files).
    :param files: the set, the signature's own file among them.
    :param there: every path that the source has; a signed file beyond them was taken away. ``None``: not known.
    :raises DrydockError: ``signature_refused``: it is required and missing or does not cover all, or it is there and
        wrong; ``invalid_input``: a key or certificate cannot be read; ``extra_missing``.
    """
    name, required = str(settings.get("file") or FILE), bool(settings.get("required"))
    signature = next((item for item in files if item.path == name), None)
    if signature is None:
        if required:
            raise DrydockError(
                "signature_refused",
                f"A signature is required, and there is no {name} among the files. Likely cause: the model was not "
                "signed, its signature has another name (signature.file), or include and exclude leave it out.",
            )
        return {"state": "unsigned"}
    trusted = trust.read(settings, context.base)
    with tempfile.TemporaryDirectory(prefix="drydock-") as folder:
        place = Path(folder) / "model.sig"
        place.write_bytes(_content(signature))
        manifest = _signed_manifest(place, trusted)
        identity = {**trusted.identity(place, now()), "trusted": fingerprint(settings, context.base)}
    found = signed.compare(manifest, [item for item in files if item.path != name])
    missing = () if there is None else tuple(path for path in found.missing if path not in set(there))
    if found.wrong or missing:
        raise DrydockError("signature_refused", _other_content(name, found.wrong, missing))
    if found.uncovered and required:
        raise DrydockError(
            "signature_refused",
            f"A signature is required, and {name} does not cover {signed.some(found.uncovered)}. Next step: leave them "
            "out (exclude), or have the whole set signed.",
        )
    if found.uncovered:
        return {"state": "unchecked", **identity, "uncovered": list(found.uncovered)}
    return {"state": "verified", **identity}


def _other_content(name: str, wrong: Sequence[str], missing: Sequence[str]) -> str:
    parts = [f"{signed.some(wrong)} differ from what was signed"] if wrong else []
    parts += [f"{signed.some(missing)} were signed and are not there"] if missing else []
    return (
        f"The signature {name} is genuine, but the files are not those it was made for: {' and '.join(parts)}. Likely "
        "cause: the files were changed after they were signed. Next step: do not use them, and ask who signed them."
    )


class _Asked:
    """Stands where the library would hash files and compare: keeps what was signed, and agrees."""

    def __init__(self) -> None:
        self.manifest: Any = None

    def add_ignored_paths(self, **_paths: Any) -> None:
        """Files that the signer passed over are not covered, whatever the signature says of them."""

    def hash(self, _folder: Any, **_options: Any) -> _Asked:
        return self

    def __eq__(self, other: object) -> bool:
        self.manifest = other
        return True

    __hash__ = None  # type: ignore[assignment]  # compared, never kept


def _signed_manifest(place: Path, trusted: trust.Trust) -> Any:
    """What the signature covers, once the library has found it genuine."""
    try:
        from model_signing import verifying  # noqa: PLC0415 - an optional extra, loaded when a signature is checked
    except ImportError as error:
        raise DrydockError(
            "extra_missing",
            f"The Python library {'pyopenssl' if error.name == 'OpenSSL' else 'model-signing'} is missing on the "
            "controller, and a model's signature is to be checked. Next step: install model-signing and pyopenssl "
            "beside Ansible (in this repository: make setup-models).",
        ) from None
    asked = _Asked()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the library prints warnings
            config = trusted.configure(verifying.Config()).set_hashing_config(asked)
            config.verify(place.parent, place)
    except Exception as error:  # noqa: BLE001 - whatever it raises, the signature did not pass
        raise DrydockError("signature_refused", trusted.explain(error)) from None
    if asked.manifest is None:
        raise DrydockError(
            "signature_refused",
            "The library model-signing gave no list of what was signed. Likely cause: a version that is not known "
            "here. Next step: install the pinned one (requirements/models.txt).",
        )
    return asked.manifest


def _content(signature: HashedFile) -> bytes:
    if signature.size > LIMIT:
        raise DrydockError(
            "signature_refused", f"{signature.path} has {signature.size} bytes; no signature is that large."
        )
    with contextlib.closing(signature.open()) as handle:
        return handle.read(LIMIT)
