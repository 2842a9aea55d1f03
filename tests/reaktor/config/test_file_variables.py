"""Where files are kept, as the environment says it."""

from __future__ import annotations

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError
from reaktor.settings.storages import files_storage


def test_files_are_kept_in_the_data_directory_unless_told_otherwise(tmp_path: object) -> None:
    config = config_from({"DATA_DIR": str(tmp_path)})
    assert config.files_dir == config.data_dir / "files"
    assert files_storage(config)["OPTIONS"]["location"] == config.files_dir
    elsewhere = config_from({"FILES_DIR": f"{tmp_path}/x", "FILES_SHARED": "on"})
    assert (str(elsewhere.files_dir), elsewhere.files.is_shared) == (f"{tmp_path}/x", True)


def test_an_object_storage_is_private_and_its_key_is_a_secret() -> None:
    config = config_from({"S3_BUCKET": "b", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "hush"})
    options = files_storage(config)["OPTIONS"]
    assert (options["bucket_name"], options["default_acl"], options["secret_key"]) == ("b", None, "hush")
    assert "hush" not in repr(config)


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"S3_BUCKET": "b", "S3_ENDPOINT": "ftp://x"}, "S3_ENDPOINT is no http"),
        ({"S3_ENDPOINT": "https://x"}, "S3_ENDPOINT needs S3_BUCKET"),
        ({"S3_BUCKET": "b", "S3_ACCESS_KEY": "a"}, "give both S3_ACCESS_KEY and S3_SECRET_KEY"),
        ({"FILES_SCAN": "scan 'x"}, "FILES_SCAN is no command line"),
        ({"LIMIT_FILE_BYTES": "0"}, "LIMIT_FILE_BYTES"),
    ],
)
def test_what_can_not_be_is_told(env: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        config_from(env)
