"""Anything on the wire, for a while; `python -m benchmarks.fuzz --count 1000000` goes on for longer."""

from __future__ import annotations

from benchmarks import fuzz


def test_twenty_thousand_mutilated_payloads_are_decoded_or_refused_with_a_reason() -> None:
    found = fuzz.run(20_000, seed=7)
    assert found.crashed == []
    assert found.decoded + found.refused.total() == found.count == 20_000
    assert set(found.refused) <= {
        "bad_json", "bad_encoding", "too_large", "unknown_topic", "unknown_campus", "unknown_entity", "invalid_field",
    }  # fmt: skip
    assert found.decoded > 3000, "most of what is not mutilated is read"
    assert found.grown < fuzz.GROWTH


def test_every_sample_is_among_those_that_are_fed() -> None:
    assert len(fuzz.samples()) > 100
    assert len(fuzz.everything().by_source) > 50
