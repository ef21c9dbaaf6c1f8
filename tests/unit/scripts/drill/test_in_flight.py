from scripts.drill.in_flight import LEASE_S, SOON_S, InFlight

VICTIM, OTHER = (1, "victim"), (2, "other")


def test_what_stays_in_the_same_hands_was_in_flight() -> None:
    claims = {VICTIM: 2, OTHER: 1}
    in_flight = InFlight(lambda: claims)
    in_flight.note(0)
    # The other notifier records its own, and claims anew.
    claims = {VICTIM: 2, (2, "another"): 1, (3, "other"): 5}
    in_flight.look(SOON_S / 2)
    assert in_flight.count == 0
    in_flight.look(SOON_S)
    in_flight.look(SOON_S + 1)
    assert in_flight.count == 2


def test_when_nobody_could_look_in_time_all_counts() -> None:
    claims = {VICTIM: 2, OTHER: 1}
    in_flight = InFlight(lambda: claims)
    in_flight.note(0)
    claims = {}
    in_flight.look(LEASE_S + 1)
    assert in_flight.count == 3
