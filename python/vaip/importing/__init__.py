"""Trained models of PyTorch, TensorFlow 2 and 1, and ONNX as ONNX models that quantizers and VitisAIEP like.

    from vaip.importing import import_model
    import_model("mymodels:make_net", "net.onnx", shapes=["image=1,3,224,224"])

The frameworks are imported when a source needs them; the error of a missing one names its extra.
"""

from vaip.importing.errors import ModelImportError
from vaip.importing.run import ImportResult, import_model

__all__ = ["ImportResult", "ModelImportError", "import_model"]
