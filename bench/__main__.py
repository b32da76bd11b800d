"""`python -m bench`: run the benchmarks and print their figures."""

from __future__ import annotations

import argparse
import os

from bench import demo, engine


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("demo", "engine", "all"), default="all", help="all by default")
    parser.add_argument("--minutes", type=float, default=10, help="how old the demo is when its memory is measured")
    options = parser.parse_args()
    print(f"on {os.cpu_count()} cores")
    if options.what != "demo":
        for figure in engine.measure():
            print(figure, flush=True)
    if options.what != "engine":
        for figure in demo.measure(minutes=options.minutes):
            print(figure, flush=True)


if __name__ == "__main__":
    main()
