"""Where the bytes of files are kept, as Django's STORAGES wants it: a directory, or an S3-compatible object storage."""

from __future__ import annotations

from typing import Any

from reaktor.config.model import MIB, Config

PART_BYTES = 8 * MIB
"""Of what goes to an object storage; it stands in memory while it is sent."""


def files_storage(config: Config) -> dict[str, Any]:
    """The entry for files that people send. Nothing of it has an address of its own: the server reads and checks."""
    files = config.files
    if not files.s3_bucket:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": config.files_dir,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    from boto3.s3.transfer import TransferConfig  # whoever has a directory need not load it
    from botocore.config import Config as ClientConfig

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": files.s3_bucket,
            "endpoint_url": files.s3_endpoint or None,
            "region_name": files.s3_region or None,
            "access_key": files.s3_access_key or None,
            "secret_key": files.s3_secret_key or None,
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": True,
            # Threads of its own would hold a part each in memory.
            "transfer_config": TransferConfig(
                use_threads=False, multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES
            ),
            "client_config": ClientConfig(connect_timeout=5, read_timeout=20, retries={"max_attempts": 3}),
        },
    }
