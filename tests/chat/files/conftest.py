"""A place for files of the test's own, and files that are kept there."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.domain.files import FileData
from chat.domain.ids import UserRef
from chat.files.receiving import Upload, file_reserve, file_store
from chat.files.storage import FileStorage
from reaktor.config.model import Config, Files
from reaktor.sandbox.pictures import Pictures
from reaktor.settings.storages import files_storage

Keep = Callable[..., FileData]


@pytest.fixture
def config(settings: Any, tmp_path: Path) -> Config:
    config: Config = dataclasses.replace(settings.REAKTOR, files=Files(directory=tmp_path / "files"))
    settings.STORAGES = {**settings.STORAGES, "files": files_storage(config)}
    return config


@pytest.fixture
def storage(config: Config) -> FileStorage:
    return FileStorage(config)


@pytest.fixture
def keep(config: Config, storage: FileStorage) -> Keep:
    """keep(user, content, name) → the file as it can be sent with a message."""

    def keep(user: UserRef, content: bytes = b"tea", name: str = "tea.txt") -> FileData:
        file_id = file_reserve(user_id=user.id, size=len(content), name=name, config=config.files)
        upload = Upload(file_id, storage, config.files, len(content))
        source = io.BytesIO(content)
        while chunk := source.read(65_536):
            upload.take(chunk)
        upload.sync()
        return file_store(file_id, upload.settle(name, Pictures()))

    return keep
