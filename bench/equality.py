"""How many answers of our reader are the same as those of Hugging Face's pipeline.

    python -m bench.equality BUNDLE --weights FOLDER

Our reader with an fp32 bundle answers the same questions as `pipeline("question-answering")` in PyTorch with
the same weights; text and confidence are compared. Different answers are listed with both confidences. A
difference is called a tie if the pipeline's own second answer is ours, with a confidence less than `--within`
below its first: then the last digits of a float decide.
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import click

from agent.bundles.bundle import describe
from agent.errors import Unanswerable
from agent.planning.plan import read_questions, settings_for
from agent.reading.reader import Reader
from bench.commandline import needed, options
from bench.commandline.options import command, count
from contract.bundle import Manifest
from contract.questions import Question
from export.models.load import load
from export.models.resolve import find
from export.models.sources import from_folder


class Said(NamedTuple):
    """An answer and its confidence."""

    text: str
    start: int
    confidence: float


@command
@options.bundle
@click.option(
    "--weights", type=options.FOLDER, required=True, help="Checkpoint that the bundle was built from."
)
@options.questions
@count("--skip", 0, "Questions at the start of the file to leave out.", least=0)
@options.limit(None)
@options.threads(1)
@click.option(
    "--within", type=float, default=1e-3, show_default=True, help="How far apart confidences may be."
)
def main(
    bundle: Path, weights: Path, questions: Path, skip: int, limit: int | None, threads: int, within: float
) -> None:
    """Print how many answers are the same, and those that are not."""
    needed.packages("torch", "transformers")
    described = describe(bundle)
    asked = read_questions(questions).file.questions[skip:][:limit]
    if not asked:
        raise click.UsageError(f"{questions.name} has no more than {skip} questions")
    # One after the other: the threads of onnxruntime and torch wait for work by spinning.
    reader = Reader(described, settings_for(described, threads=threads))
    ours = [_read(reader, question) for question in asked]
    del reader
    pipeline = _pipeline(described.manifest, weights, threads)
    text = confidence = 0
    for question, mine in zip(asked, ours, strict=True):
        (first,) = _ask(pipeline, question, 1)
        same = mine is not None and (mine.text, mine.start) == (first.text, first.start)
        near = mine is not None and abs(mine.confidence - first.confidence) <= within
        text += same
        confidence += same and near
        if not (same and near):
            tie = any(
                mine is not None
                and (mine.text, mine.start) == (other.text, other.start)
                and first.confidence - other.confidence <= within
                for other in _ask(pipeline, question, 2)[1:]
            )
            print(f"{question.id}{' (a tie)' if tie else ''}: ours {_shown(mine)}, pipeline {_shown(first)}")
    print(f"{len(asked)} questions of {questions.name} from number {skip}")
    print(f"same answer {text} ({text / len(asked):.2%}), and its confidence within {within:g} {confidence}")


def _read(reader: Reader, question: Question) -> Said | None:
    try:
        reading = reader.read(question.question, question.context)
    except Unanswerable:
        return None
    return Said(reading.text, reading.start_char, reading.confidence)


def _pipeline(manifest: Manifest, weights: Path, threads: int) -> Any:
    import torch
    import transformers

    loaded = load(find(str(weights.resolve())).model, from_folder(weights))
    tokenizer = transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # untyped there
        tokenizer_object=loaded.tokenizer,
        model_max_length=manifest.max_tokens,
        model_input_names=list(manifest.inputs),
        cls_token="[CLS]",  # noqa: S106 - a token of text, no secret
        sep_token="[SEP]",  # noqa: S106
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
    )
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # transformers' own
    return transformers.pipeline(
        "question-answering", model=loaded.network, tokenizer=tokenizer, device="cpu", framework="pt"
    )


def _ask(pipeline: Any, question: Question, best: int) -> list[Said]:
    # How many are asked for changes how many spans are looked at: the comparison is with one, the default.
    answers = pipeline(question=question.question, context=question.context, top_k=best)
    found = answers if isinstance(answers, list) else [answers]
    # A sum over windows can exceed 1 there, and ends at 1 here.
    return [Said(answer["answer"], answer["start"], min(answer["score"], 1.0)) for answer in found]


def _shown(said: Said | None) -> str:
    return "nothing" if said is None else f"{said.text!r} at {said.start} ({said.confidence:.4f})"


if __name__ == "__main__":
    main()
