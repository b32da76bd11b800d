"""`python -m bench`: run the benchmarks and print their figures."""

from __future__ import annotations

import argparse
import os

from bench import demo


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how old the demo is when its memory is measured")
    options = parser.parse_args()
    print(f"on {os.cpu_count()} cores")
    for figure in demo.measure(minutes=options.minutes):
        print(figure, flush=True)


if __name__ == "__main__":
    main()
