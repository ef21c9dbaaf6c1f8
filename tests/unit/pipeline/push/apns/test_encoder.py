"""Header blocks as they go to APNs: hpack's own decoder, which counts the same table, must read each of them."""

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.push.apns.compat import hpack
from pipeline.push.apns.http2_state import PlainEncoder

NAMES = st.sampled_from([":method", ":path", ":authority", "authorization", "apns-id", "apns-topic", "x"])
VALUES = st.sampled_from(["", "GET", "POST", "/", "v" * 126, "v" * 127, "v" * 3000, "ä"]) | st.text(max_size=3)
HEADERS = st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6)


@given(st.lists(HEADERS | st.sampled_from([0, 40, 100, 4096]), max_size=12))
@example([0, [], 40, 40, [("x", "", False), ("x", "", False)]])
def test_each_block_is_read_as_it_was_meant_whatever_came_before_it(steps):
    encoder, decoder = PlainEncoder(), hpack.Decoder()
    for step in steps:
        if isinstance(step, int):
            # The server allows a table of another size.
            encoder.header_table_size = step
            continue
        block = encoder.encode(
            [hpack.NeverIndexedHeaderTuple(name, value) if never else (name, value) for name, value, never in step]
        )
        read = decoder.decode(block, raw=True)
        assert [(name.decode(), value.decode()) for name, value in read] == [header[:2] for header in step]
        assert [type(header) is hpack.NeverIndexedHeaderTuple for header in read] == [header[2] for header in step]


def test_what_is_the_same_in_each_request_costs_a_byte_and_what_may_never_be_kept_is_not():
    encoder, decoder = PlainEncoder(), hpack.Decoder()
    for number in range(5):
        token = f"bearer {number}"
        block = encoder.encode([
            (":method", "POST"), ("apns-topic", "com.example"), hpack.NeverIndexedHeaderTuple("authorization", token)
        ])  # fmt: skip
        decoder.decode(block)
    assert len(block) == 1 + 1 + len(b"\x1f\x08") + 1 + len(token)
    assert [name for name, _ in decoder.header_table.dynamic_entries] == [b"apns-topic"]
