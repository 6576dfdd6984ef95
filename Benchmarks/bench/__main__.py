# SPDX-License-Identifier: Apache-2.0
"""`make bench`: measures mobyfs beside its peers, prints one table and writes it to .build/bench/result.json.

The exit status is 0 when every row was measured or skipped, whether or not the budgets are kept, and 1 when one could not
be measured: a server answered wrongly, for example.
"""

import sys
import time
import traceback

import machine
import results
import rows
from workplace import Skipped, Workplace


def main() -> int:
    with Workplace() as place:
        chosen = place.options.rows or list(rows.ALL)
        unknown = [name for name in chosen if name not in rows.ALL]
        if unknown:
            print(f"there is no row {', '.join(unknown)}; there are {', '.join(rows.ALL)}", file=sys.stderr)
            return 2
        about = machine.facts(place)
        for key, value in about.items():
            print(f"{key}: {value}", flush=True)
        lines, is_broken = [], False
        for name in chosen:
            began = time.monotonic()
            try:
                lines += rows.ALL[name](place)
            except Skipped as skipped:
                lines.append(results.missing(name, f"skipped: {skipped}"))
            except Exception as error:
                traceback.print_exc()
                lines.append(results.missing(name, f"failed: {error}"))
                is_broken = True
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        file = place.build / "result.json"
        results.write(file, about, lines)
        budgets = [line.is_met for line in lines if line.is_met is not None]
        print(f"\n{results.table(lines)}\n\n{sum(budgets)} of {len(budgets)} budgets are kept; all samples: {file}")
        return 1 if is_broken else 0


sys.exit(main())
