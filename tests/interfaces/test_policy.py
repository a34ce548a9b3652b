from __future__ import annotations

from dataclasses import fields

import pytest

from antsp2p.coordination.judgement import DEFAULT_POLICY, Policy
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.policy import help_text, read_policy


def test_nothing_said_is_the_default() -> None:
    assert read_policy([]) == DEFAULT_POLICY


def test_settings_are_read_by_name() -> None:
    policy = read_policy(["replicas=3", "declines_debtors=no", "ignores_bad=yes"])
    assert policy == Policy(replicas=3, declines_debtors=False)


def test_the_help_names_each_with_its_default_and_what_it_says_can_be_given() -> None:
    lines = help_text().splitlines()[1:]
    assert read_policy([line.split()[0] for line in lines]) == DEFAULT_POLICY
    assert [line.split("=")[0].strip() for line in lines] == [
        each.name for each in fields(Policy)]


@pytest.mark.parametrize("wrong", [
    "", "replicas", "replicas=", "replicas=two", "replicas=0", "replicas=1.5", "debts=-1",
    "declines_debtors=1", "declines_debtors=", "kindness=1", "good_ppm=1000001", "debts=²",
])
def test_a_mistake_gets_one_line(wrong: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_policy([wrong])
    assert caught.value.code is Exit.USAGE
    assert "\n" not in caught.value.line
