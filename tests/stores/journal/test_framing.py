from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.stores.codec import to_json
from luthier.stores.journal.framing import frame, next_whole_frame, stretches, whole_frames

TEXTS = st.lists(st.one_of(st.text(), st.floats(allow_nan=False), st.lists(st.text())).map(to_json), max_size=6)


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.data())
def test_what_is_cut_off_is_the_end_alone(texts: list[str], data: st.DataObject) -> None:
    whole = b"".join(map(frame, texts))
    assert whole_frames(whole) == (texts, len(whole))
    cut = data.draw(st.integers(0, len(whole)))
    found, end = whole_frames(whole[:cut])
    assert found == texts[: len(found)]
    assert end == sum(len(frame(text)) for text in found)
    assert len(found) == len(texts) or end + len(frame(texts[len(found)])) > cut
    assert next_whole_frame(whole[:cut], end) == cut  # torn, not damaged


@settings(deadline=None, max_examples=100)
@given(TEXTS.filter(len), st.data())
def test_one_changed_byte_costs_its_frame_and_at_most_the_next(texts: list[str], data: st.DataObject) -> None:
    frames = list(map(frame, texts))
    whole = bytearray(b"".join(frames))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    hit = next(i for i in range(len(frames)) if place < sum(map(len, frames[: i + 1])))
    found = list(stretches(bytes(whole)))
    assert [start for start, _, _ in found] == [0, *(end for _, end, _ in found[:-1])]
    assert found[-1][1] == len(whole)
    saved = [text for _, _, part in found for text in part]
    is_line_feed = place == sum(map(len, frames[: hit + 1])) - 1
    assert saved == texts[:hit] + texts[hit + 1 + is_line_feed :]
