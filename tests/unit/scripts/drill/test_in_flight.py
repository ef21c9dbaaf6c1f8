from scripts.drill.in_flight import LEASE_S, SOON_S, InFlight

VICTIM, OTHER = (1, "victim"), (2, "other")
HELD = {VICTIM: [(7, "one"), (7, "two")], OTHER: [(7, "three")]}


def test_what_stays_in_the_same_hands_was_in_flight() -> None:
    claims = HELD
    in_flight = InFlight(lambda: claims)
    in_flight.note(0)
    # The other notifier records its own, and claims anew.
    claims = {VICTIM: HELD[VICTIM], (2, "another"): [(7, "three")], (3, "other"): [(8, "four")]}
    in_flight.look(SOON_S / 2)
    assert not in_flight.sends
    in_flight.look(SOON_S)
    in_flight.look(SOON_S + 1)
    assert in_flight.sends == {(7, "one"): 1, (7, "two"): 1}


def test_when_nobody_could_look_in_time_all_counts() -> None:
    claims = HELD
    in_flight = InFlight(lambda: claims)
    in_flight.note(0)
    claims = {}
    in_flight.look(LEASE_S + 1)
    assert in_flight.sends.total() == 3
