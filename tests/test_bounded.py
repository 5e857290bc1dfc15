"""A memory of detectors holds what was touched last, and never more than it may."""

from netwatchd.detectors.bounded import Bounded


def test_the_one_that_was_not_touched_for_longest_goes_first() -> None:
    memory: Bounded[str, list[int]] = Bounded(2, list)
    memory.touch("a").append(1)
    memory.touch("b").append(2)
    memory.touch("a").append(3)
    memory.touch("c")
    assert list(memory) == ["a", "c"]
    assert memory.get("a") == [1, 3]
    assert memory.get("b") is None
    assert memory.evicted == 1


def test_what_is_old_is_forgotten_up_to_the_first_that_is_not() -> None:
    memory: Bounded[str, list[int]] = Bounded(10, list)
    for key, time in (("a", 1), ("b", 2), ("c", 9)):
        memory.touch(key).append(time)
    memory.forget(lambda times: times[-1] < 5)
    assert list(memory) == ["c"]
    memory.drop("c")
    assert not len(memory)
