"""What every precision of a model is held against: its fp32 graph, itself compared with PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from contract.bundle import MODEL_FILE, Manifest
from contract.questions import QuestionFile
from export.answering import verification
from export.answering.inference import Cutter, onnx_network, torch_network
from export.answering.verification import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RANDOM_QUESTIONS: Final = 4
"""Verify random weights on: their answers mean nothing, and BERT-Large takes a second for each."""


class BuildCheck(NamedTuple):
    """What the fp32 graph answers; compares drafts of bundles with it."""

    asked: QuestionFile
    cutter: Cutter
    said: list[Reading]
    """By the network."""
    readings: list[Reading]
    """Of the traced graph."""
    trained: bool

    def verify(self, manifest: Manifest, draft: Path) -> dict[str, Any]:
        """What the manifest says of the verification.

        Raises:
            VerificationFailed: the draft does not answer as it should.
        """
        found = verification.read(onnx_network(draft / MODEL_FILE), self.cutter, self.asked.questions)
        if manifest.precision == "fp32":
            comparison = verification.compare(self.asked.questions, self.said, found)
            verification.check_exact(comparison, draft.name, self.trained)
            return verification.recorded(comparison, "PyTorch", self.asked.sha256)
        comparison = verification.compare(self.asked.questions, self.readings, found)
        if self.trained:
            verification.check_quantised(comparison, draft.name)
        return verification.recorded(comparison, "fp32", self.asked.sha256)


def check_graph(
    name: str,
    network: "PreTrainedModel",
    graph: Path,
    cutter: Cutter,
    asked: QuestionFile,
    *,
    trained: bool,
) -> BuildCheck:
    """Compare the fp32 graph with its network, and prepare the check of drafts against it.

    Args:
        name: of the model, for messages.
        network: the PyTorch network.
        graph: file of the traced graph.
        cutter: cuts the questions.
        asked: the questions, as many as should be asked.
        trained: whether the weights are; random ones may answer otherwise.

    Raises:
        VerificationFailed: the graph is not its network.
    """
    said = verification.read(torch_network(network), cutter, asked.questions)
    readings = verification.read(onnx_network(graph), cutter, asked.questions)
    verification.check_exact(verification.compare(asked.questions, said, readings), name, trained)
    return BuildCheck(asked, cutter, said, readings, trained)
