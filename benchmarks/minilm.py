"""Sentence embeddings of MiniLM in BF16 on VitisAIEP against FP32 on the CPU EP, on sentences of every length.

    python minilm.py [--sentences N] [--seed N] [--exporter NAME] [--model FILE] [--json]

all-MiniLM-L6-v2 with its weights, exported with dynamic axes, embeds sentences from the docstrings of Python's standard
library, each alone and so at its own length, and in padded batches. What is checked: the cosine of each embedding to
that in FP32, whether each sentence's nearest neighbour is the same, and how many nodes the IPU takes. The exit status
is 1 where a bound is missed. Needs pip install 'vaip[transformers]'.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vaip.sessions import NpuSession, cpu_session

sys.path.insert(0, str(Path(__file__).parent / "models"))

import pretrained

LEAST_COSINE, LEAST_SAME_NEIGHBOUR, LEAST_NODES = 0.999, 0.99, 0.95
# Two neighbours whose cosines to a sentence are nearer to each other than this are a tie at 8 bits of precision.
TIE = 0.002
BATCH = 8


@dataclass
class Result:
    sentences: int
    lengths: int  # different ones
    shortest: int
    longest: int
    least_cosine: float
    mean_cosine: float
    least_cosine_in_batches: float
    same_neighbour: float  # the share of the sentences whose nearest other sentence is the same
    same_clear_neighbour: float  # of those whose nearest two are no tie in FP32
    ties: int
    most_lost: float  # by how much the cosine in FP32 of the neighbour found falls short of the nearest one's
    same_five: float  # whose five nearest are the same, in the same order
    nodes: int
    nodes_on_ipu: int
    subgraphs: int

    def holds(self) -> bool:
        return (
            min(self.least_cosine, self.least_cosine_in_batches) >= LEAST_COSINE
            and self.same_clear_neighbour >= LEAST_SAME_NEIGHBOUR
            and self.nodes_on_ipu >= LEAST_NODES * self.nodes
        )


def docstring_sentences(count: int, seed: int = 0) -> list[str]:
    """First sentences of docstrings, of 4 to 60 words, from the standard library of the Python that runs this."""
    found = set()
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = " ".join((ast.get_docstring(node) or "").split())
                sentence = re.split(r"(?<=[.!?])\s", text)[0]
                if 4 <= len(sentence.split()) <= 60:
                    found.add(sentence)
    return random.Random(seed).sample(sorted(found), count)


class Embedder:
    """Token ids to embeddings, in both sessions."""

    def __init__(self, model: Path, threads: int = 0) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(str(pretrained.minilm_checkpoint()))
        self.npu = NpuSession(model, threads=threads)
        self.sessions = {"npu": self.npu.onnxruntime, "cpu": cpu_session(model, threads=threads)}
        self.names = [value.name for value in self.npu.onnxruntime.get_inputs()]

    def feeds(self, sentences: list[str]) -> dict[str, NDArray[np.int64]]:
        tokens = self.tokenizer(sentences, padding=True, truncation=True, max_length=256, return_tensors="np")
        return {name: np.asarray(tokens[name], np.int64) for name in self.names}

    def embed(self, session: str, sentences: list[str], batch: int) -> NDArray[np.float32]:
        runs = [sentences[i : i + batch] for i in range(0, len(sentences), batch)]
        return np.concatenate([self.sessions[session].run(None, self.feeds(run))[0] for run in runs])


def nearest(embeddings: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Per row the `count` others with the largest cosine, the largest first."""
    wide = embeddings.astype(np.float64)
    similarity = wide @ wide.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :count]


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    return (wide_a * wide_b).sum(1) / (np.linalg.norm(wide_a, axis=1) * np.linalg.norm(wide_b, axis=1))


def measure(model: Path, count: int = 200, seed: int = 0) -> Result:
    sentences = docstring_sentences(count, seed)
    embedder = Embedder(model)
    lengths = [embedder.feeds([sentence])["input_ids"].shape[1] for sentence in sentences]
    ours, theirs = (embedder.embed(session, sentences, 1) for session in ("npu", "cpu"))
    batches = cosines(embedder.embed("npu", sentences, BATCH), theirs)
    alone = cosines(ours, theirs)
    found, expected = nearest(ours, 5), nearest(theirs, 5)
    same = found == expected
    wide = theirs.astype(np.float64)
    closeness = np.take_along_axis(wide @ wide.T, np.c_[expected[:, :2], found[:, :1]], axis=1)
    clear = closeness[:, 0] - closeness[:, 1] >= TIE
    report = embedder.npu.report()
    return Result(
        sentences=count,
        lengths=len(set(lengths)),
        shortest=min(lengths),
        longest=max(lengths),
        least_cosine=float(alone.min()),
        mean_cosine=float(alone.mean()),
        least_cosine_in_batches=float(batches.min()),
        same_neighbour=float(same[:, 0].mean()),
        same_clear_neighbour=float(same[clear, 0].mean()),
        ties=int(np.count_nonzero(~clear)),
        most_lost=float((closeness[:, 0] - closeness[:, 2]).max()),
        same_five=float(same.all(1).mean()),
        nodes=report.nodes.total,
        nodes_on_ipu=report.nodes.ipu,
        subgraphs=report.subgraphs,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of sentences; default: %(default)s")
    parser.add_argument("--exporter", choices=pretrained.EXPORTERS, default=pretrained.EXPORTERS[0])
    parser.add_argument("--model", type=Path, help="an exported MiniLM; else it is exported first")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        model = arguments.model
        if model is None:
            model = Path(directory) / "minilm.onnx"
            pretrained.export("minilm", model, exporter=arguments.exporter)
        result = measure(model, arguments.sentences, arguments.seed)
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
    else:
        for name, value in asdict(result).items():
            print(f"{name:>24}  {value}")
    sys.exit(0 if result.holds() else 1)


if __name__ == "__main__":
    main()
