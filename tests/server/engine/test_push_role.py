"""The right to push frames: laws of the claims of a session's connections."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fitsense.server.engine.push_role import PushRole


@given(st.integers(1, 5), st.lists(st.integers(0, 4), max_size=20))
def test_claim_goes_to_newest_connection_that_pushed(connections: int, pushes: list[int]) -> None:
    role = PushRole()
    claims = [role.register() for _ in range(connections)]
    newest, tried = -1, set[int]()
    for push in pushes:
        at = push % connections
        assert role.claim(claims[at]) is (at >= newest)
        newest = max(newest, at)
        tried.add(at)
        # Each older connection that pushed, or tried to, is told; no other one is.
        told = {number for number, claim in enumerate(claims) if claim.taken_over.is_set()}
        assert told == {number for number in tried if number < newest}


def test_claim_of_connection_registered_later_takes_over() -> None:
    role = PushRole()
    first = role.register()
    assert role.claim(first)
    second = role.register()
    assert not first.taken_over.is_set()
    assert role.claim(second)
    assert first.taken_over.is_set()
    assert not role.claim(first)
    assert not second.taken_over.is_set()
