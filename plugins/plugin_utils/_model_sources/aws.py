# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 through boto3, with the controller's credentials: one client, its failures in words, presigned addresses."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import S3Object

LIFETIME = 6 * 3600  # seconds a presigned address is good for, unless the credentials end sooner
SHORT = 60  # seconds below which an address is not worth making
DEFAULT_REGION = "us-east-1"  # what S3 look-alikes expect where nobody names a region

_HOW_TO_LOG_IN = (
    "Next step: give the controller credentials that may read there (AWS_PROFILE, AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or a login such as aws sso login)."
)
_CODES = {
    "NoSuchBucket": (
        "not_found",
        "there is no such bucket. Next step: compare its name, account and AWS_ENDPOINT_URL.",
    ),
    "NoSuchKey": ("not_found", "there is no such object. Next step: compare the key; it is case-sensitive."),
    "NoSuchVersion": ("not_found", "this version of the object is gone. Next step: lock again."),
    "404": ("not_found", "there is no such bucket or object. Next step: compare the address."),
    "403": ("refused", f"access is denied. {_HOW_TO_LOG_IN}"),
    "AccessDenied": (
        "refused",
        "access is denied. The credentials are good but need s3:GetObject, and s3:ListBucket to lock a prefix.",
    ),
    "InvalidAccessKeyId": ("refused", f"the access key is not known there. {_HOW_TO_LOG_IN}"),
    "SignatureDoesNotMatch": ("refused", f"the secret key does not belong to the access key. {_HOW_TO_LOG_IN}"),
    "ExpiredToken": ("refused", f"the credentials have expired. {_HOW_TO_LOG_IN}"),
    "InvalidToken": ("refused", f"the session token is not valid. {_HOW_TO_LOG_IN}"),
    "RequestTimeTooSkewed": ("refused", "the controller's clock is wrong. Next step: set it, then run again."),
}


class S3:
    """One controller's way to S3. Nothing is asked before the first use.

    :param environ: AWS_ENDPOINT_URL, AWS_PROFILE, AWS_REGION, keys; what is not there boto3 finds as it always does.
    """

    def __init__(self, environ: Mapping[str, str], *, ca_path: str | None = None) -> None:
        self._environ = environ
        self._ca_path = ca_path
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._regions: dict[str, str] = {}

    @property
    def endpoint(self) -> str | None:
        """Where an S3 of one's own answers, or ``None`` for Amazon's."""
        return self._environ.get("AWS_ENDPOINT_URL_S3") or self._environ.get("AWS_ENDPOINT_URL") or None

    def client(self, bucket: str) -> Any:
        """A client for the region the bucket is in.

        :raises DrydockError: ``extra_missing``, ``refused`` where there are no credentials.
        """
        region = self._region(bucket)
        if region not in self._clients:
            self._clients[region] = self._connect(region)
        return self._clients[region]

    def presign(self, address: S3Object, *, now: Callable[[], datetime.datetime] | None = None) -> str:
        """An https address that gives this object to whoever has it, for a while. It is a secret.

        :raises DrydockError: as ``client``; ``refused`` when the credentials end within a minute.
        """
        client = self.client(address.bucket)
        wanted = {"Bucket": address.bucket, "Key": address.key}
        if address.version:
            wanted["VersionId"] = address.version
        with named(str(address)):
            lifetime = self._lifetime(now or (lambda: datetime.datetime.now(datetime.UTC)))
            signed: str = client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=lifetime)
        return signed

    def _lifetime(self, now: Callable[[], datetime.datetime]) -> int:
        """Seconds: an address dies with the credentials that signed it, whatever it says itself."""
        ends = getattr(self._session.get_credentials(), "_expiry_time", None)
        left = LIFETIME if ends is None else min(LIFETIME, int((ends - now()).total_seconds()))
        if left < SHORT:
            raise DrydockError("refused", f"The controller's AWS credentials end within {SHORT} s. {_HOW_TO_LOG_IN}")
        return left

    def _region(self, bucket: str) -> str:
        default = self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION") or self._default_region()
        if self.endpoint:
            return default
        if bucket not in self._regions:
            self._regions[bucket] = self._ask_region(bucket, default)
        return self._regions[bucket]

    def _default_region(self) -> str:
        return str(self._boto().region_name or DEFAULT_REGION)

    def _ask_region(self, bucket: str, default: str) -> str:
        """A signature names the region; Amazon tells it even to those it refuses."""
        self._boto()
        import botocore.exceptions  # noqa: PLC0415 - comes with boto3

        client = self._clients.setdefault(default, self._connect(default))
        with named(f"s3://{bucket}/"):
            try:
                answer = client.head_bucket(Bucket=bucket)
            except botocore.exceptions.ClientError as error:
                answer = error.response
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(headers.get("x-amz-bucket-region") or default)

    def _boto(self) -> Any:
        if self._session is None:
            try:
                import boto3  # noqa: PLC0415 - an optional extra, loaded when an s3 address is met
            except ImportError:
                raise DrydockError(
                    "extra_missing",
                    "The Python library boto3 is missing on the controller, and a model lies in S3. "
                    "Next step: install it beside Ansible (pip install boto3; in this repository: make setup-models).",
                ) from None
            with named("s3"):
                self._session = boto3.Session(
                    aws_access_key_id=self._environ.get("AWS_ACCESS_KEY_ID") or None,
                    aws_secret_access_key=self._environ.get("AWS_SECRET_ACCESS_KEY") or None,
                    aws_session_token=self._environ.get("AWS_SESSION_TOKEN") or None,
                    profile_name=self._environ.get("AWS_PROFILE") or None,
                )
        return self._session

    def _connect(self, region: str) -> Any:
        session = self._boto()
        from botocore.config import Config  # noqa: PLC0415 - comes with boto3

        with named("s3"):
            if session.get_credentials() is None:
                raise DrydockError("refused", f"The controller has no AWS credentials. {_HOW_TO_LOG_IN}")
            return session.client(
                "s3",
                region_name=region,
                endpoint_url=self.endpoint,
                verify=self._ca_path,
                config=Config(
                    signature_version="s3v4",
                    connect_timeout=10,
                    read_timeout=30,
                    retries={"mode": "standard", "max_attempts": 4},
                ),
            )


@contextlib.contextmanager
def named(shown: str) -> Iterator[None]:
    """Turn boto3's failures into ours. Its texts are not kept: some repeat addresses or keys."""
    import botocore.exceptions as failures  # noqa: PLC0415 - comes with boto3

    try:
        yield
    except failures.ClientError as error:
        raise _from_answer(shown, error) from None
    except (failures.NoCredentialsError, failures.PartialCredentialsError, failures.TokenRetrievalError):
        raise DrydockError(
            "refused", f"The controller's AWS credentials are missing or not whole. {_HOW_TO_LOG_IN}"
        ) from None
    except failures.ProfileNotFound:
        raise DrydockError(
            "invalid_input", "AWS_PROFILE names a profile that the controller's AWS configuration does not have."
        ) from None
    except failures.SSLError:
        raise DrydockError(
            "tls",
            f"{shown}: the server's certificate is not accepted. "
            "Next step: name its authority's PEM file in AWS_CA_BUNDLE.",
        ) from None
    except (failures.HTTPClientError, failures.ConnectionError):
        raise DrydockError(
            "unreachable",
            f"{shown}: S3 did not answer the controller. Next step: see that it can be reached; "
            "AWS_ENDPOINT_URL names one that is not Amazon's.",
        ) from None
    except (failures.BotoCoreError, ValueError) as error:
        raise DrydockError(
            "invalid_input",
            f"{shown}: cannot be asked for ({type(error).__name__}). Next step: look at the AWS settings.",
        ) from None


def _from_answer(shown: str, error: Any) -> DrydockError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    kind, words = _CODES.get(code) or _CODES.get(status) or ("bad_response", f"S3 answered {status} ({code[:60]!r}).")
    return DrydockError(kind, f"{shown}: {words}")
