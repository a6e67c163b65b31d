"""The operator's configuration file: what is wrong with it is said with its field."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from trainwright.api.loading import ManifestError
from trainwright.cli import app
from trainwright.controller.options import OperatorConfig, read_config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_what_is_not_said_is_the_default(file: Path) -> None:
    file.write_text("images: {jax: 'team/jax:1'}")
    assert read_config(file) == OperatorConfig(images={"jax": "team/jax:1"})


def test_every_mistake_is_named(file: Path) -> None:
    file.write_text("images: {pytorhc: x, jax: 1}\nnetworkPolices: true\nnetworkPolicies: often")
    with pytest.raises(ManifestError) as refusal:
        read_config(file)
    assert str(refusal.value).splitlines() == [
        f"{file}: images.pytorhc: got \"pytorhc\"; input should be 'pytorch', 'tensorflow', 'jax' or 'mxnet'",
        f"{file}: images.jax: got 1; input should be a valid string",
        f'{file}: networkPolicies: got "often"; input should be a valid boolean',
        f"{file}: networkPolices: there is no such field; expected one of images, networkPolicies",
    ]


def test_the_operator_does_not_start_with_a_wrong_configuration(file: Path) -> None:
    file.write_text("image: x")
    done = CliRunner().invoke(app, ["operator", f"--config={file}"])
    assert done.exit_code == 2
    assert done.output == f"{file}: image: there is no such field; expected one of images, networkPolicies\n"
