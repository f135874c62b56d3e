"""Fuses attention and skip connections with onnxruntime's transformer optimiser, before quantisation.

onnxruntime itself fuses layer norms, exact Gelu with its bias, and integer linear layers with their scales
when it loads a graph, so this module does not. FastGelu is never used, because it is an approximation.
"""

from pathlib import Path

from commandline.counted import counted
from contract.bundle import Architecture
from export.errors import BadInput
from export.quiet_libraries import quiet

_FUSED = "MultiHeadAttention"


def fuse(traced: Path, shape: Architecture, path: Path) -> None:
    """Write a graph whose attention is one operator after its three linear layers.

    The inputs of linear layers keep their names, so the results of calibration remain valid. The mask keeps
    one value per token, so either side may be padded.

    Args:
        traced: file of the traced graph; it is not changed.
        shape: shape of the network.
        path: file of the new graph.

    Raises:
        BadInput: onnxruntime does not recognise the attention of this family.
    """
    with quiet():
        from onnxruntime.transformers.fusion_options import FusionOptions
        from onnxruntime.transformers.optimizer import optimize_model

        options = FusionOptions("bert")
        options.use_multi_head_attention = True
        options.enable_embed_layer_norm = False
        options.use_raw_attention_mask(True)
        fused = optimize_model(
            str(traced),
            model_type="bert",
            num_heads=shape.attention_heads,
            hidden_size=shape.hidden_size,
            optimization_options=options,
            opt_level=0,
        )
        found = fused.get_fused_operator_statistics().get(_FUSED, 0)
        if found != shape.layers:
            raise BadInput(
                f"onnxruntime can fuse the attention of only {found} of "
                f"{counted(shape.layers, 'layer')} of {shape.family!r}"
            )
        fused.save_model_to_file(str(path))
