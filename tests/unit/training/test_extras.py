"""Missing packages are named with the command that installs them, before anything heavy is loaded."""

from __future__ import annotations

import pytest

from training.extras import check_extras, describe_missing
from userbot.domain.errors import MissingExtraError


def test_nothing_is_said_where_everything_is_installed() -> None:
    check_extras("json")


def test_missing_packages_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(MissingExtraError) as caught:
        check_extras("no_such_package", "json", "nor_this_one")

    assert (
        str(caught.value)
        == describe_missing("no_such_package, nor_this_one")
        == (
            "Training and local replies need no_such_package, nor_this_one: "
            "pip install '.[train]' in the program's folder."
        )
    )
