"""Writes networks of which latencies on AMD NPUs are published as ONNX files; those of vaip.networks.

python networks.py resnet50 yolov8m --out models/ [--precision float|xint8|a8w8] [--batch 1]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
from vaip.networks import NAMES, PRECISIONS, build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=(*NAMES, "all"), metavar="NAME", help=", ".join((*NAMES, "all")))
    parser.add_argument("--out", type=Path, default=Path(), help="directory for the models")
    parser.add_argument("--precision", choices=PRECISIONS, default="xint8")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--resolution", type=int, help="side of the image; default: that of the publication")
    parser.add_argument("--decode", action="store_true", help="YOLOv8 with its box decoding (in float)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in NAMES if "all" in arguments.names else arguments.names:
        model = build(
            name,
            arguments.precision,
            batch=arguments.batch,
            resolution=arguments.resolution,
            decode=arguments.decode and name.startswith("yolo"),
            seed=arguments.seed,
        )
        path = arguments.out / f"{name}_{arguments.precision}.onnx"
        unfinished = path.with_suffix(".unfinished")
        onnx.save(model, unfinished)
        unfinished.replace(path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
