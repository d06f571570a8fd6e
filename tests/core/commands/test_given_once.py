"""Options with one value are refused where they are given twice; those that append are not."""

import pytest

from core.commands.command_line import SUBCOMMANDS, main, parser


@pytest.mark.parametrize("words", [["--model", "demo", "--model", "demo"], ["--model=demo", "--model", "other"]])
@pytest.mark.parametrize("command", ["audit", "discover", "prepare"])
def test_a_second_value_is_refused_with_the_option_named(command, words, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, *words])
    assert end.value.code == 2
    assert "--model is given twice. Give it once." in capsys.readouterr().err


def test_what_appends_is_given_as_often_as_one_likes():
    options = parser().parse_args(["discover", "--set", "tokens=8", "--set", "seeds=[0]", "--model", "demo"])
    assert options.set == ["tokens=8", "seeds=[0]"] and options.model == "demo"


def test_every_subcommand_refuses():
    whole = parser()
    commands = next(a for a in whole._actions if a.dest == "command")
    assert {type(one) for one in commands.choices.values()} == {type(whole)} and set(commands.choices) == set(
        SUBCOMMANDS
    )
