"""`model.json` is whole or missing, and tells of what it is."""

import json

import pytest

from luthier.errors import StorageError
from luthier.tasks import read_about, write_about


def test_what_is_written_is_read(tmp_path):
    folder = write_about(tmp_path / "a" / "b", "ridge", {"trial": None}, weights=[1.5, 2.5])
    about = read_about(folder, "ridge")
    assert (about["task"], about["weights"], about["details"]) == ("ridge", [1.5, 2.5], {"trial": None})
    write_about(folder, "ridge", weights=[])
    assert read_about(folder)["details"] == {} and [p.name for p in folder.iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        (json.dumps({"format": 1, "task": "ridge"}), "is damaged"),
        (json.dumps({"format": 2, "task": "ridge", "details": {}}), "reads up to 1: upgrade it"),
        (json.dumps({"format": "1", "task": "ridge", "details": {}}), "reads up to 1: upgrade it"),
        (json.dumps({"format": 1, "task": "curve", "details": {}}), "for the task 'curve', not for 'ridge'"),
    ],
)
def test_what_is_not_one_is_refused(text, message, tmp_path):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(StorageError, match=message):
        read_about(tmp_path, "ridge")


def test_a_folder_without_one_and_one_that_cannot_be(tmp_path):
    with pytest.raises(StorageError, match=r"there is no model in .*model\.json is missing"):
        read_about(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written to"):
        write_about(tmp_path / "file" / "model", "ridge")


def test_what_is_not_json_leaves_the_old_one(tmp_path):
    write_about(tmp_path, "ridge", {"trial": 1})
    with pytest.raises(TypeError):
        write_about(tmp_path, "ridge", {"trial": object()})
    assert read_about(tmp_path)["details"] == {"trial": 1}
