"""Event files: framing, checksums and messages, both ways."""

import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.errors import DataError
from allometry.tables.trackers import events
from allometry.tables.trackers.protobuf import Malformed, fields
from allometry.tables.trackers.records import CutShort, crc32c, framed, records
from allometry.tables.trackers.source import import_runs
from allometry.tables.trackers.wandb_log import BLOCK, HEAD, log_records

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
CONFIG = st.dictionaries(
    TEXT, st.one_of(TEXT, st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False))
)
POINTS = st.lists(
    st.tuples(TEXT, st.floats(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=20
)


def test_checksums_are_those_of_the_standard():
    """RFC 3720, B.4, and the check value of the catalogue of CRCs."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@given(st.integers(4000, 9000), st.integers(0, 2**32))
def test_checksums_of_long_contents_are_those_byte_by_byte(size, seed):
    content = np.random.default_rng(seed).bytes(size)
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert crc32c(content) == crc ^ 0xFFFFFFFF


@given(POINTS, CONFIG, st.booleans())
def test_what_is_written_is_what_is_read(points, config, success):
    for tag, value, step in points:
        read = events.event_of(events.scalar(tag, value, step, 1.5))
        ((tag_read, value_read),) = read.scalars
        assert (tag_read, read.step) == (tag, step)
        assert value_read == value or (math.isnan(value) and math.isnan(value_read))
    written = events.hyperparameters(config, 1.5)
    assert events.event_of(written).hyperparameters == config
    ended = events.event_of(events.session_end(1.5, success=success)).end
    assert ended == ("finished" if success else "failed")


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_records_come_back_whole(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "whole.tfevents"
    path.write_bytes(b"".join(map(framed, contents)))
    assert [content for _, content in records(path)] == contents


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(content):
    for read in (lambda: list(fields(content)), lambda: events.event_of(content)):
        try:
            read()
        except (Malformed, ValueError, TypeError):
            continue


def file_of(folder, *contents, name="events.out.tfevents.1.host"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(framed(c) for c in (events.version(1.0), *contents)))
    return path


def test_a_flipped_bit_is_named_wherever_it_is(tmp_path):
    path = file_of(tmp_path / "r", *(events.scalar("loss", 1.0, s, 1.0) for s in range(3)))
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 16
        path.write_bytes(changed)
        with pytest.raises(DataError, match=r"tfevents\.1\.host, byte [\d,]+: an event file"):
            import_runs(tmp_path)


def test_a_file_that_ends_inside_a_record_is_read_up_to_there(tmp_path):
    path = file_of(tmp_path / "r", *(events.scalar("loss", 9.0 - s, s, 1.0) for s in range(3)))
    path.write_bytes(path.read_bytes()[:-7])
    runs = import_runs(tmp_path)
    assert runs["loss"].tolist() == [8.0]
    assert "ends inside a record" in runs.notes[0]
    assert isinstance(list(records(path))[-1], CutShort)


def test_a_length_that_nothing_could_have_is_refused(tmp_path):
    length = struct.pack("<Q", 2**60)
    crc = crc32c(length)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    (tmp_path / "tfevents").write_bytes(length + struct.pack("<I", masked))
    with pytest.raises(DataError, match="records up to 64 MB are read"):
        import_runs(tmp_path / "tfevents")


def test_a_value_written_again_at_a_step_counts(tmp_path):
    """A run that was killed and went on from a checkpoint writes some steps twice."""
    folder = tmp_path / "r"
    file_of(folder, *(events.scalar("loss", 100.0 + s, s, 1.0) for s in range(5)))
    file_of(folder, *(events.scalar("loss", float(s), s, 2.0) for s in (3, 4)),
            name="events.out.tfevents.2.host")  # fmt: skip
    runs = import_runs(tmp_path)
    assert runs["run"].tolist() == ["r"] and runs["loss"].tolist() == [4.0]
    assert import_runs(tmp_path, value="max")["loss"].tolist() == [102.0]


def test_a_restart_drops_what_was_written_beyond_it(tmp_path):
    restart = b"\x10\x02" + b"\x3a\x02\x08\x01"  # step 2, session_log {status: START}
    file_of(tmp_path / "r", *(events.scalar("loss", 100.0 + s, s, 1.0) for s in range(5)), restart)
    assert import_runs(tmp_path)["loss"].tolist() == [101.0]


def test_scalars_are_told_from_other_tensors(tmp_path):
    """Of TensorProto a number of float or double is a scalar, in tensor_content or in its field."""

    def tensor(*parts):
        inner = b"".join(parts)
        value = b"\x0a\x01a" + b"\x42" + bytes([len(inner)]) + inner
        summary = b"\x0a" + bytes([len(value)]) + value
        return events.event_of(b"\x2a" + bytes([len(summary)]) + summary).scalars

    assert tensor(b"\x08\x01", b"\x22\x04" + struct.pack("<f", 0.5)) == [("a", 0.5)]
    assert tensor(b"\x08\x01", b"\x2d" + struct.pack("<f", 0.5)) == [("a", 0.5)]
    assert tensor(b"\x08\x02", b"\x32\x08" + struct.pack("<d", 0.1)) == [("a", 0.1)]
    assert tensor(b"\x08\x07", b"\x42\x01x") == []  # a text
    assert tensor(b"\x08\x01", b"\x12\x04\x12\x02\x08\x01", b"\x22\x04" + bytes(4)) == []  # an axis


# ---- the files of wandb have other frames ----------------------------------------------------


def in_blocks(contents):
    """Records as LevelDB's log format splits them into blocks."""
    out = bytearray(HEAD)
    for content in contents:
        first = True
        while True:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                left = BLOCK
            part, content = content[: left - 7], content[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[
                first, not content
            ]
            out += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind)
            out += part
            first = False
            if not content:
                break
    return bytes(out)


@given(st.lists(st.integers(0, 80_000), max_size=5), st.integers(0, 2**32))
def test_records_of_wandb_come_back_whole(tmp_path_factory, sizes, seed):
    generator = np.random.default_rng(seed)
    contents = [generator.bytes(size) for size in sizes]
    path = tmp_path_factory.getbasetemp() / "run-whole.wandb"
    path.write_bytes(in_blocks(contents))
    assert [content for _, content in log_records(path)] == contents
