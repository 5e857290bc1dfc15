"""What is read of a log once more is told apart from what is new."""

from netwatchd.events import Flow
from netwatchd.sources.recalled import Recalled, row_of


def flow(number: int) -> Flow:
    return Flow(number << 12, 10, 20, 0xC0A80105, number, 0xC6336407, 443, 6, 1, 100, 2, 1000, "closed", "zeek")


def flows(*numbers: int) -> list[Flow]:
    return [flow(number) for number in numbers]


def recalled(*numbers: int, in_order: bool = True) -> Recalled:
    return Recalled(map(row_of, flows(*numbers)), in_order=in_order)


def test_what_is_stored_is_left_out_and_what_follows_is_told() -> None:
    known = recalled(1, 2, 3)
    assert known.new(flows(1, 2)) == []
    assert known
    assert known.new(flows(3, 4, 5)) == flows(4, 5)
    assert not known
    assert known.repeated == 3
    assert known.new(flows(1)) == flows(1), "from here on everything is new"


def test_equal_flows_are_counted() -> None:
    known = recalled(1, 1)
    assert known.new(flows(1, 1, 1)) == flows(1)


def test_what_was_merged_with_another_sources_flow_is_not_told_later() -> None:
    known = recalled(1, 3)
    assert known.new(flows(1, 2)) == []
    assert known.new(flows(3, 4)) == flows(4)


def test_where_the_order_says_nothing_what_was_not_found_is_told() -> None:
    known = recalled(1, 3, in_order=False)
    assert known.new(flows(1, 2)) == []
    assert known.new(flows(3, 4)) == flows(2, 4)


def test_what_is_never_found_again_holds_nothing_back_for_ever() -> None:
    known = recalled(1, 9)
    assert known.new(flows(1, 2)) == []
    assert known.rest() == flows(2)
    assert not known
