"""Records what Python's strftime (with glibc, in the C locale) writes for every directive and flag that chat templates may use.

usage: TZ=UTC python strftime.py > strftime.json
"""
import datetime
import json
import platform
import random

DIRECTIVES = "YyCGgmdeBbhAauwHIklpPMSfjUWVzZ%cDFRTXrx"
FLAGS = ["", "-", "_", "^"]

if __name__ == "__main__":
    random.seed(7)
    # Ends of years, where weeks change theirs, at any time of the day.
    days = [(year, month, day) for year in range(2018, 2030) for month, day in ((1, 1), (1, 3), (12, 31))]
    days += [(2024, 2, 29), (2000, 3, 7), (1999, 10, 10), (1970, 6, 15)]
    times = [(random.randrange(24), random.randrange(60), random.randrange(60), random.randrange(1000)) for _ in days]
    times[:4] = [(0, 0, 0, 0), (12, 0, 0, 0), (13, 5, 9, 7), (23, 59, 59, 999)]
    rows = []
    for (year, month, day), (hour, minute, second, milli) in zip(days, times):
        moment = datetime.datetime(year, month, day, hour, minute, second, 1000 * milli)
        written = [moment.strftime("|".join(f"%{flag}{one}" for one in DIRECTIVES)) for flag in FLAGS]
        rows.append({"moment": [year, month, day, hour, minute, second, milli], "written": written})
    versions = {"python": platform.python_version(), "libc": " ".join(platform.libc_ver())}
    head = {"versions": versions, "directives": DIRECTIVES, "flags": FLAGS}
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    print(json.dumps(head)[:-1] + ', "rows": [\n' + lines + "\n]}")
