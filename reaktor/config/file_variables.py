"""The variables of files that people send: where they are kept, how large and how many they may be. Pure."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlsplit

from reaktor.config.model import MIB, Files
from reaktor.config.variables import Reader


def read_files(reader: Reader) -> Files:
    reader.section = "Files"
    default = Files()
    directory = reader.text(
        "FILES_DIR",
        "",
        "The directory of the files that people send. Several hosts need one that all of them mount, or an object "
        "storage.",
        unit="path",
        shown="`files` in DATA_DIR",
    )
    files = Files(
        directory=Path(directory).absolute() if directory else None,
        is_shared=reader.switch(
            "FILES_SHARED",
            default.is_shared,
            "Say `on` where FILES_DIR is a volume that all hosts mount. Without it a second host is refused.",
        ),
        max_bytes=reader.number(
            "LIMIT_FILE_BYTES",
            default.max_bytes,
            "The largest file. A proxy in front must let bodies of that size through.",
            unit="bytes",
            maximum=1024 * MIB,
        ),
        quota_bytes=reader.number(
            "FILES_QUOTA",
            default.quota_bytes,
            "How much one user may keep here in all. It is reserved before the first byte of a file comes.",
            unit="bytes",
            maximum=2**50,
        ),
        at_once=reader.number(
            "LIMIT_UPLOADS", default.at_once, "How many files one user may send at the same time.", maximum=100
        ),
        unsent_s=reader.seconds("FILES_UNSENT", default.unsent_s, "After so long a file goes that is in no message."),
        scan_command=reader.text(
            "FILES_SCAN",
            "",
            "A command that looks at each file before it is taken: it is given the path as its last argument, and "
            "refuses the file by an exit code other than 0. It has 60 seconds. Empty: none.",
        ),
        s3_bucket=reader.text("S3_BUCKET", "", "The bucket of an S3-compatible object storage. Empty: FILES_DIR."),
        s3_endpoint=reader.text(
            "S3_ENDPOINT", "", "The address of the object storage, where it is not Amazon's own.", unit="URL"
        ),
        s3_region=reader.text("S3_REGION", "", "The region of the bucket, where the storage has regions."),
        s3_access_key=reader.text("S3_ACCESS_KEY", "", "The key's id for the object storage.", secret=True),
        s3_secret_key=reader.text("S3_SECRET_KEY", "", "The key's secret for the object storage.", secret=True),
    )
    if files.s3_endpoint and urlsplit(files.s3_endpoint).scheme not in {"http", "https"}:
        reader.problems.append("S3_ENDPOINT is no http or https address")
    if bool(files.s3_access_key) != bool(files.s3_secret_key):
        reader.problems.append("give both S3_ACCESS_KEY and S3_SECRET_KEY, or neither")
    if files.s3_endpoint and not files.s3_bucket:
        reader.problems.append("S3_ENDPOINT needs S3_BUCKET")
    try:
        shlex.split(files.scan_command)
    except ValueError:
        reader.problems.append("FILES_SCAN is no command line: a quote is not closed")
    return files
