"""What rules say of the operations that they need is what their left sides need."""

from __future__ import annotations

import pytest

from symgrad.rewrite.pattern import Rule
from symgrad.rewrite.short import SHORT
from symgrad.rewrite.stable import STABLE


@pytest.mark.parametrize("rule", [*STABLE.rules, *SHORT.rules], ids=lambda rule: rule.name)
def test_a_rule_is_indexed_by_what_its_left_side_needs(rule: Rule) -> None:
    assert rule.at.split() == rule.derived()
