"""vaip_config.json and its schema: it is a JSON Schema, and the loader's interpreter agrees with `jsonschema`."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from vaip import _core

DATA = Path(__file__).parent.parent / "cpp" / "data" / "config"
CASES = json.loads((DATA / "schema_cases.json").read_text())
SCHEMA = json.loads(_core.config_schema())
# Words of the loader's errors that no schema can express: about other parts of the file, about devices, about spelling.
ABOUT_MEANING = (
    "target",
    "Pass not found",
    "device",
    "stack",
    "xdna",
    "regular expression",
    "array), got",
    "belongs in the section",
    "/sessionOptions/",
    "did you mean",
    "option",
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def loader_error(document: Any, directory: Path) -> str:
    """What the C++ loader says of the document, without the file's name; "" when it loads."""
    path = directory / "vaip_config.json"
    path.write_text(json.dumps(document))
    try:
        _core.check_config(str(path))
    except _core.Error as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def test_the_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_packaged_configuration_is_valid() -> None:
    VALIDATOR.validate(json.loads(_core.default_config()))


@pytest.mark.parametrize("path", sorted(DATA.glob("amd_*.json")), ids=lambda path: path.name)
def test_amd_files_are_valid(path: Path) -> None:
    VALIDATOR.validate(json.loads(path.read_text()))
    _core.check_config(str(path))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_cases(case: dict[str, Any], tmp_path: Path) -> None:
    document, expected = case["document"], case.get("error", "")
    errors = list(VALIDATOR.iter_errors(document))
    assert bool(errors) == bool(expected)
    message = loader_error(document, tmp_path)
    assert expected in message
    if expected.startswith("/"):  # the pointer is that of the deepest element that jsonschema blames
        pointer = expected.split(": ")[0]
        blamed = {"/" + "/".join(map(str, error.absolute_path)) for error in errors}
        if "unknown key" in expected:  # jsonschema blames the object, the loader names the key
            pointer = pointer.rpartition("/")[0]
        assert pointer in blamed


def mutations(document: Any, chance: random.Random) -> Any:
    """The document with one value, key or element replaced by something of another type."""
    document = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []
    pending = [document]
    while pending:
        parent = pending.pop()
        for key in parent if isinstance(parent, dict) else range(len(parent)):
            places.append((parent, key))
            if isinstance(parent[key], (dict, list)):
                pending.append(parent[key])
    parent, key = chance.choice(places)
    junk = [None, True, 0, 1, -1, 2.0, 2.5, "", "Conv", "x", [], ["Conv"], [1], {}, {"a": 1}]
    if isinstance(parent, dict) and chance.random() < 0.3:
        parent[chance.choice(["surplus", "name", "device"])] = chance.choice(junk)
    else:
        parent[key] = chance.choice(junk)
    return document


def test_mutated_documents_are_judged_alike(tmp_path: Path) -> None:
    """Independent oracle: whatever jsonschema rejects the loader rejects, and the reverse for what is about form."""
    chance = random.Random(1)
    seeds = [case["document"] for case in CASES if case["document"]]
    seeds += [json.loads(path.read_text()) for path in DATA.glob("amd_*.json")]
    rejected = 0
    for _ in range(2000):
        document = mutations(chance.choice(seeds), chance)
        by_jsonschema = not VALIDATOR.is_valid(document)
        message = loader_error(document, tmp_path)
        rejected += by_jsonschema
        if by_jsonschema:
            assert message, document
        elif message:  # valid in form, wrong in meaning
            assert any(word in message for word in ABOUT_MEANING), (message, document)
    assert 500 < rejected < 1800


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty; expected a JSON object"),
        ('{"vaip": {"minimum_nodes": "two"}}', '/vaip/minimum_nodes: expected an integer >= 1, got "two"'),
        ('{"vaip": {"minimum_nodes": 2}', "not valid JSON"),
        ("passes:\n  - init", "not valid JSON"),
    ],
)
def test_errors_name_the_file(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "vaip_config.json"
    path.write_text(text)
    with pytest.raises(_core.Error) as raised:
        _core.check_config(str(path))
    assert str(raised.value).startswith(f"{path}:")
    assert expected in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(_core.Error, match="no such file"):
        _core.check_config(str(tmp_path / "missing.json"))
    with pytest.raises(_core.Error, match="it is a directory"):
        _core.check_config(str(tmp_path))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"devise": "strix"}, 'option "devise": unknown option; did you mean "device"? (known options: '),
        ({"num_threads": "two"}, 'option "num_threads": expected an integer from 0 to 1024, got "two"'),
        ({"target": "X3"}, "No valid target found: X3; valid targets are: "),
        ({"xclbin": "5x5.xclbin"}, 'unknown xclbin name "5x5.xclbin"; accepted are '),
    ],
)
def test_option_errors(options: dict[str, str], expected: str) -> None:
    with pytest.raises(_core.Error) as raised:
        _core.resolve_options(options)
    assert expected in str(raised.value)


@pytest.mark.parametrize("device", _core.device_names())
def test_every_device_can_be_chosen(device: str) -> None:
    _core.resolve_options({"device": device})
