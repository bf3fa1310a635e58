"""Records what Python makes of JSON's numbers and keys: str, json.dumps, and the order of keys. CPython 3.

usage: python json_values.py       writes json_values.json
"""
import json
import math
import pathlib
import platform
import random
import struct

draw = random.Random(7)
TEXTS = [
    "0", "-0", "7", "-12", "9007199254740991", "9007199254740992", "12345678901234567890", "-98765432109876543210", "1" + "0" * 40,
    "1.0", "-0.0", "0.5", "0.10", "1.50", "100.0", "1e5", "1E5", "1e-5", "1e-05", "0.0001", "0.00001", "1e16", "1e+16", "1e15", "9999999999999998.0",
    "123456789012345678.0", "1e21", "1e22", "5e-324", "1.7976931348623157e308", "0.1", "2.5e-8", "-1.25e-7", "3.141592653589793", "1e0", "12.0e-1",
]


def any_float():
    value = struct.unpack("<d", draw.randbytes(8))[0]
    return value if math.isfinite(value) else 0.25


FLOATS = [any_float() for _ in range(200)] + [round(draw.uniform(-1e3, 1e3), draw.randrange(6)) for _ in range(100)]
FLOATS += [10.0**n * m for n in range(-8, 24) for m in (1, 1.5, 9.999)]
rows = [{"text": text, "str": str(json.loads(text)), "dumps": json.dumps(json.loads(text)), "type": type(json.loads(text)).__name__} for text in TEXTS]
floats = [[struct.pack("<d", value).hex(), repr(value)] for value in FLOATS]
out = pathlib.Path(__file__).with_name("json_values.json")
out.write_text(json.dumps({"python": platform.python_version(), "numbers": rows, "floats": floats}) + "\n")
