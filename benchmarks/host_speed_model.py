"""One model of host_speed.py with an input, made on first use.

python host_speed_model.py NETWORK QUANTIZER --models DIR runs as a process of its own: quantizers print, leak and may
die, and the threads of their frameworks must not be in the process that is timed. The last line of standard output is a
JSON object: where the model and its inputs are, or why there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parent / "models"))

from cached import float_model, quantized_model
from collection import ENCODERS, NETWORKS
from host_speed_cases import FLOAT

INPUT_SEED = 77  # not one of calibration


def make(network: str, quantizer: str, directory: Path) -> dict[str, str]:
    source = NETWORKS.get(network) or ENCODERS[network]
    directory.mkdir(parents=True, exist_ok=True)
    try:
        path = float_model(network, source, directory)
        inputs = directory / f"{network}.inputs.npz"
        if not inputs.exists():
            unfinished = directory / f"{network}.{os.getpid()}.npz"
            np.savez(unfinished, **source.inputs(onnx.load(path), INPUT_SEED))
            unfinished.replace(inputs)
        if quantizer != FLOAT:
            path = quantized_model(network, source, quantizer, directory)
    except ImportError as error:  # its message names the extra
        return {"skipped": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    return {"model": str(path), "inputs": str(inputs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("quantizer")
    parser.add_argument("--models", type=Path, required=True)
    arguments = parser.parse_args()
    # Quantizers print to standard output, also from C++.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(make(arguments.network, arguments.quantizer, arguments.models)), file=answer, flush=True)
    answer.close()


if __name__ == "__main__":
    main()
