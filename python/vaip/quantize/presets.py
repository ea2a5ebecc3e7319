"""The presets by name: AMD Quark's, with what a user has to know to choose one. Pure data."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from vaip.quantize.errors import QuantizeError


@dataclass(frozen=True)
class Preset:
    name: str
    description: str
    activation: str  # number formats
    weight: str
    calibrated: bool = True  # its scales come from calibration data
    onnxruntime: bool = False  # onnxruntime.quantization can do it, too
    static_shapes: bool = False  # what it writes depends on every dimension but the batch
    fast_finetune: str | None = None

    @property
    def on_npu(self) -> bool:
        """Whether VitisAIEP runs it: integers and bfloat16, but neither float16 nor numbers in blocks."""
        kinds = (self.activation.removeprefix("u"), self.weight.removeprefix("u"))
        return all(kind.startswith("int") or kind in ("bfloat16", "float32") for kind in kinds)


_CNN = "power-of-two scales, by the rules of the NPU's CNN compiler; the fastest on the device"
_BLOCK = "one exponent for a block of values"
_BASES = (
    Preset("XINT8", f"8 bit, {_CNN}", "uint8", "int8", static_shapes=True),
    Preset("VINT8", "8 bit, power-of-two scales for AMD's Versal", "int8", "int8"),
    Preset("A8W8", "8 bit, float scales, symmetric", "int8", "int8", onnxruntime=True),
    Preset("A16W8", "16 bit activations, 8 bit weights, float scales, symmetric", "int16", "int8", onnxruntime=True),
    Preset("S8S8_AAWS", "8 bit, asymmetric activations, percentile calibration", "int8", "int8", onnxruntime=True),
    Preset("U8S8_AAWS", "8 bit, unsigned activations, percentile calibration", "uint8", "int8", onnxruntime=True),
    Preset("U8U8_AAWA", "8 bit, everything unsigned and asymmetric", "uint8", "uint8", onnxruntime=True),
    Preset(
        "S16S8_ASWS", "16 bit activations, 8 bit weights, percentile calibration", "int16", "int8", onnxruntime=True
    ),
    Preset("U16S8_AAWS", "16 bit unsigned activations, 8 bit weights", "uint16", "int8", onnxruntime=True),
    Preset("FP16", "float16 everywhere", "float16", "float16", calibrated=False),
    Preset("BF16", "bfloat16 everywhere: next to no loss, slower than 8 bit", "bfloat16", "bfloat16", calibrated=False),
    Preset("BFP16", f"block floating point of 16 bit, {_BLOCK}", "bfp16", "bfp16", calibrated=False),
    *(
        Preset(f"MX{bits}", f"micro-exponents of {bits} bit, {_BLOCK}", f"mx{bits}", f"mx{bits}", calibrated=False)
        for bits in (4, 6, 9)
    ),
    *(
        Preset(f"MX{element}", f"OCP microscaling, {_BLOCK}", f"mx{element.lower()}", f"mx{element.lower()}", False)
        for element in ("FP8E5M2", "FP8E4M3", "FP6E3M2", "FP6E2M3", "FP4E2M1", "INT8")
    ),
    Preset("BF16_MIXED_BFP16", "bfloat16 with the layers that bear it in BFP16", "bfloat16", "bfp16"),
    Preset("BF16_MIXED_MXINT8", "bfloat16 with the layers that bear it in MXINT8", "bfloat16", "mxint8"),
)
_FINETUNED = {
    "adaround": [b.name for b in _BASES if b.name in ("XINT8", "S8S8_AAWS", "U8S8_AAWS", "S16S8_ASWS", "A8W8", "A16W8")]
    + ["U16S8_AAWS"],
    "adaquant": [b.name for b in _BASES if b.name not in ("VINT8", "U8U8_AAWA")],
}
_PLAIN = (
    Preset("UINT8_DYNAMIC_QUANT", "8 bit, scales computed at run time", "uint8", "uint8", False, True),
    Preset("S16S16_MIXED_S8S8", "16 bit with the layers that bear it in 8 bit", "int16", "int16"),
    Preset("BF16_BFP16", "bfloat16 activations, BFP16 weights", "bfloat16", "bfp16", calibrated=False),
    Preset("BF16_MXINT8", "bfloat16 activations, MXINT8 weights", "bfloat16", "mxint8", calibrated=False),
    Preset("MX9_INT8", "micro-exponents of 9 bit, 8 bit weights", "mx9", "int8"),
    Preset("INT8_CNN_DEFAULT", "8 bit for convolutional networks", "uint8", "int8", onnxruntime=True),
    Preset("INT16_CNN_DEFAULT", "16 bit for convolutional networks", "uint16", "int16", onnxruntime=True),
    Preset("INT8_TRANSFORMER_DEFAULT", "8 bit for transformers", "uint8", "int8", onnxruntime=True),
    Preset("INT16_TRANSFORMER_DEFAULT", "16 bit for transformers", "uint16", "int16", onnxruntime=True),
    *(
        Preset(f"INT{bits}_{kind}_ACCURATE", f"{bits} bit for {what}, AdaRound", f"uint{bits}", f"int{bits}")
        for bits in (8, 16)
        for kind, what in (("CNN", "convolutional networks"), ("TRANSFORMER", "transformers"))
    ),
    Preset("MATMUL_NBITS", "4 bit weights of matrix products alone", "float32", "uint4", False, True),
)
_TITLES = {"adaround": "AdaRound", "adaquant": "AdaQuant"}


def _all() -> dict[str, Preset]:
    presets = {}
    for base in _BASES:
        presets[base.name] = base
        for algorithm, names in _FINETUNED.items():
            if base.name in names:
                name = f"{base.name}_{algorithm.upper()}"
                description = f"{base.name} with fast finetuning by {_TITLES[algorithm]}"
                presets[name] = replace(
                    base,
                    name=name,
                    description=description,
                    calibrated=True,
                    onnxruntime=False,
                    fast_finetune=algorithm,
                )
    for plain in _PLAIN:
        finetune = "adaround" if plain.name.endswith("_ACCURATE") else None
        presets[plain.name] = replace(plain, fast_finetune=finetune)
    return presets


PRESETS: dict[str, Preset] = _all()


def find_preset(name: str) -> Preset:
    """The preset of that name in any case; an error with the nearest names else."""
    preset = PRESETS.get(name.upper())
    if preset is None:
        near = difflib.get_close_matches(name.upper(), PRESETS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "`vaip quantize --presets` lists them"
        raise QuantizeError(f"unknown preset '{name}': {hint}")
    return preset
