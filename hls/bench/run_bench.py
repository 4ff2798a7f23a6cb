# SPDX-License-Identifier: Apache-2.0
"""Build and run the bench with cocotb's runner, in a process of its own: the runner ends the process where it fails.

Called with a JSON job: sources of a folder, top module and its parameters, and a cocotb module on Python's path. The
simulation runs in that folder, from which emitted designs read their memories.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any


def main(job: dict[str, Any]) -> None:
    """Leave ``results.xml`` in the job's home, and the simulator's words in ``build.log`` and ``run.log``."""
    from cocotb_tools.runner import get_runner

    logging.basicConfig(level=logging.WARNING)
    folder, home = Path(job["folder"]), Path(job["home"])
    runner = get_runner(job["simulator"])
    runner.build(
        sources=[folder / name for name in job["sources"]],
        hdl_toplevel=job["top"],
        build_args=job["build_args"],
        parameters=job["parameters"],
        timescale=("1ns", "1ps"),
        build_dir=home / "build",
        log_file=home / "build.log",
        always=True,
    )
    runner.test(
        hdl_toplevel=job["top"],
        test_module=job["module"],
        test_dir=folder,
        results_xml=str(home / "results.xml"),
        log_file=home / "run.log",
        extra_env={"SLIMFAB_BENCH": str(home)},
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
