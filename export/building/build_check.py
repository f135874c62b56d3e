"""Checks each precision of a model against its fp32 graph, which is itself compared with PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from contract.bundle import MODEL_FILE, Manifest
from contract.questions import QuestionFile
from export.answering import verification
from export.answering.inference import Cutter, onnx_network, torch_network
from export.answering.verification import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RANDOM_QUESTIONS: Final = 2
"""Number of questions for random weights: their answers mean nothing, and BERT-Large takes a second each."""


class BuildCheck(NamedTuple):
    """The readings of the network and of its fp32 graph, with which drafts of bundles are compared."""

    asked: QuestionFile
    cutter: Cutter
    expected: list[Reading]
    """Readings of the PyTorch network."""
    readings: list[Reading]
    """Readings of the traced fp32 graph."""
    trained: bool
    """Whether the weights are trained; random weights may give other answers."""

    def verify(self, manifest: Manifest, draft: Path) -> dict[str, Any]:
        """Compare a draft, and return the entry of the manifest about the verification.

        Raises:
            VerificationFailed: the draft's answers differ too much.
        """
        found = verification.read(onnx_network(draft / MODEL_FILE), self.cutter, self.asked.questions)
        if manifest.precision == "fp32":
            comparison = verification.compare(self.asked.questions, self.expected, found)
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
        name: name of the model, for messages.
        network: the PyTorch network.
        graph: file of the traced graph.
        cutter: cuts the questions into windows.
        asked: the questions to answer, all of them.
        trained: whether the weights are trained; random weights may give other answers.

    Raises:
        VerificationFailed: the graph does not compute what its network computes.
    """
    expected = verification.read(torch_network(network), cutter, asked.questions)
    readings = verification.read(onnx_network(graph), cutter, asked.questions)
    verification.check_exact(verification.compare(asked.questions, expected, readings), name, trained)
    return BuildCheck(asked, cutter, expected, readings, trained)
