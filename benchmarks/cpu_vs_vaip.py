"""Host speed of VitisAIEP against onnxruntime's CPU EP over the light zoo: builds the models, runs `vaip bench`.

python cpu_vs_vaip.py [NAME ...] [--threads N] [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).parent / "models"))

from light_zoo import NAMES, quantized_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--threads", default="1")
    parser.add_argument("--runs", default="30")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for name in arguments.names or NAMES:
            path = Path(directory) / f"{name}.onnx"
            onnx.save(quantized_model(name), path)
            paths.append(str(path))
        options = ["--against", "cpu", "--threads", arguments.threads, "--runs", arguments.runs]
        command = [sys.executable, "-c", "from vaip.cli import main; main()", "bench", *paths, *options]
        sys.exit(subprocess.run([*command, "--json"] if arguments.json else command, check=False).returncode)


if __name__ == "__main__":
    main()
