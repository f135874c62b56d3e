"""Fusing attention and skip connections with onnxruntime's transformer optimiser, before quantisation.

What onnxruntime fuses by itself when it loads a graph (layer norms, exact Gelu with its bias, integer linear
layers with their scales) is left to it. FastGelu is never used: it is an approximation.
"""

from pathlib import Path

from contract.bundle import Architecture
from export.errors import BadInput
from export.quiet import quiet

_FUSED = "MultiHeadAttention"


def fuse(traced: Path, shape: Architecture, path: Path) -> None:
    """Write a graph whose attention is one operator after its three linear layers.

    The inputs of linear layers keep their names, so that what calibration saw of them still holds. The mask
    stays one of tokens, whatever side is padded.

    Args:
        traced: the graph; it is not changed.
        shape: of the network.
        path: where the new graph goes.

    Raises:
        BadInput: onnxruntime does not know this family's attention.
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
                f"onnxruntime fuses the attention of {found} of {shape.layers} layers of {shape.family!r}"
            )
        fused.save_model_to_file(str(path))
