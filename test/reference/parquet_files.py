"""Writes small Parquet files as pyarrow does: structs padded with null, numbers and times of all kinds, and a text that is no UTF-8.

usage: python parquet_files.py       writes fixtures/parquet/
"""
import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).parent / "fixtures" / "parquet"
OUT.mkdir(parents=True, exist_ok=True)

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo", "days": None}}}
CHATS = [
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
    {"messages": [{"role": "user", "content": "q2"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "content": "r", "name": "weather"}]},
    {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "rain", "arguments": {"city": None, "days": 3}}}]}]},
]
pq.write_table(pa.Table.from_pylist(CHATS), OUT / "padded.parquet")

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 3, 7, 9, 5, 3, 120)
columns = {
    "whole": pa.array([12345678901234567, -1, None], pa.int64()),
    "large": pa.array([2**64 - 1, 0, 7], pa.uint64()),
    "small": pa.array([1, -2, 3], pa.int32()),
    "double": pa.array([1.0, 1e-05, 1e16], pa.float64()),
    "odd": pa.array([float("nan"), float("inf"), 0.1], pa.float64()),
    "single": pa.array([0.5, 0.1, 2.0], pa.float32()),
    "money": pa.array([decimal.Decimal("12.50"), decimal.Decimal("-0.05"), decimal.Decimal("12345678901234567890.10")], pa.decimal128(30, 2)),
    "flag": pa.array([True, False, None]),
    "day": pa.array([datetime.date(2026, 3, 7), datetime.date(1969, 12, 31), None]),
    "moment": pa.array([MOMENT, datetime.datetime(1969, 12, 31, 23, 59, 59), None], pa.timestamp("us")),
    "utc": pa.array([MOMENT.replace(tzinfo=UTC), None, None], pa.timestamp("ms", tz="UTC")),
    "map": pa.array([[("b", 1), ("a", 2)], [], None], pa.map_(pa.string(), pa.int64())),
    "lists": pa.array([[[1.0], []], None, [[0.25, 2.0]]], pa.list_(pa.list_(pa.float64()))),
    "text": pa.array(["é", "", "\ufeffx"]),
}
pq.write_table(pa.table(columns), OUT / "values.parquet", use_dictionary=["text"], compression="snappy")
print({name: [str(value) for value in column.to_pylist()] for name, column in columns.items()})

for name, dictionary in (("latin.parquet", False), ("latin_dictionary.parquet", True)):
    texts = pa.Array.from_buffers(
        pa.string(), 3, pa.array([b"fine", b"Caf\xe9", b"fine"], pa.binary()).buffers()
    )
    pq.write_table(pa.table({"text": texts}), OUT / name, use_dictionary=dictionary, compression="none")

lines = {"text": [f"line {n} of a story about the sea and the sea" for n in range(3)], "none": pa.array([None] * 3, pa.string())}
for codec in ("snappy", "gzip", "brotli", "zstd", "lz4"):
    pq.write_table(pa.table(lines), OUT / f"{codec}.parquet", compression=codec, use_dictionary=["none"])
