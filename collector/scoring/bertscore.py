"""BERTScore by the package bert-score, corrected for empty, identical and long texts, and for padding.

The package pads all texts of a batch to one length, and a padded place has the similarity 0. If the best
match of a word is below 0, its score depends on the other texts of the batch. Here only pairs of equal
lengths are in one batch, so a score depends on its pair alone.
"""

import hashlib
import logging
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.errors import BadInput, ScorerUnavailable
from commandline.counted import counted
from commandline.program.installation import how_to_add
from contract.foreign.encodings import LFS_POINTER

PAIRS_AT_ONCE: Final = 2048
_LONGEST_TOKENS: Final = 512
_BATCH: Final = {"cuda": 512, "cpu": 64}
"""How many texts to encode at once: many on a GPU, few on a CPU because of its caches."""
_LANGUAGE: Final = "en"


class Pair(NamedTuple):
    """Two texts to compare."""

    candidate: str
    reference: str


class BertScore(NamedTuple):
    """The BERTScore of a pair. Unless it is rescaled, unrelated texts score well above 0."""

    precision: float
    recall: float
    f1: float


class Encoder(NamedTuple):
    """Which encoder compares texts, and by which of its layers."""

    model: str
    """A folder in transformers' layout, or an id on the Hugging Face hub."""
    layers: int
    """The layer whose output is compared, counted from 1."""


def chosen(model: str | None, layers: int | None) -> Encoder:
    """Fill in what the user left open, from bert-score's own tables.

    Args:
        model: the encoder; None for the one that bert-score uses for English.
        layers: the layer; None for the one that agrees best with people, by bert-score's table.

    Raises:
        ScorerUnavailable: bert-score is not installed.
        BadInput: bert-score's table does not have the encoder, so its layer has to be named.
    """
    package = _package().utils
    name: str = model or package.lang2model[_LANGUAGE]
    layer: int | None = layers or package.model2layers.get(name)
    if layer is None:
        raise BadInput(f"bert-score does not know which layer of {name!r} to compare: name it with --layers")
    return Encoder(name, layer)


def _package() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations within the packages do not concern the user
            import bert_score
    except ImportError:
        raise ScorerUnavailable(
            "BERTScore, unlike EM and F1, needs the package bert-score; install it with: "
            f"{how_to_add('score')}"
        ) from None
    return bert_score


class Scorer:
    """An encoder that compares texts.

    Attributes:
        model: the encoder's name: the hub id, or the folder's last two names and a digest of its weights.
        layers: the layer whose output is compared.
        hash: identifies everything that the scores depend on; scores of different hashes are never compared.
    """

    def __init__(
        self,
        model: str,
        layers: int,
        *,
        idf_texts: Sequence[str] = (),
        rescale: bool = False,
        baseline: Path | None = None,
        device: str | None = None,
    ) -> None:
        """Load the encoder.

        Args:
            model: a folder in transformers' layout, or a hub id.
            layers: the layer whose output is compared, counted from 1.
            idf_texts: tokens are weighed by their rarity in these texts; without texts, all weigh the same.
            rescale: set the score of unrelated texts to 0, by the package's baseline for the model.
            baseline: the file of such a baseline, for a model that the package has none for.
            device: `cpu` or `cuda`; None for the GPU if there is one.

        Raises:
            ScorerUnavailable: bert-score is not installed, or the model or its baseline cannot be loaded.
            BadInput: the model has fewer layers, or a file of it is a pointer of Git LFS.
        """
        package = _package()
        if layers < 1:
            raise BadInput(f"--layers {layers} must be at least 1")
        if pointer := _lfs_pointer(Path(model)):
            raise BadInput(f"{str(pointer)!r} is a Git LFS pointer, not the file itself: run 'git lfs pull'")
        logging.getLogger("transformers").setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._scorer = package.BERTScorer(
                    model_type=model,
                    num_layers=layers,
                    idf=bool(idf_texts),
                    nthreads=0,  # a pool of processes costs more than it saves on answers
                    device=device,
                    lang=_LANGUAGE,
                    rescale_with_baseline=rescale,
                    baseline_path=None if baseline is None else str(baseline),
                    use_fast_tokenizer=True,
                )
                lowest = self._scorer.baseline_vals.tolist() if rescale else [0.0] * 3
        except AssertionError as error:
            raise BadInput(
                f"BERTScore model {model!r} cannot use {counted(layers, 'layer')}: {error}"
            ) from None
        except IndexError:
            raise BadInput(f"baseline file {str(baseline)!r} has no line for layer {layers}") from None
        except Exception as error:  # safetensors and tokenizers raise classes of their own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ScorerUnavailable(f"BERTScore model {model!r} cannot be loaded: {reason}") from None
        tokenizer = self._scorer._tokenizer
        # A tokenizer without a length in its files reports 10^30, which overflows in Rust.
        tokenizer.model_max_length = min(tokenizer.model_max_length, _longest_tokens(self._scorer._model))
        if idf_texts:
            self._scorer.compute_idf(list(idf_texts))
        self._batch = _BATCH["cuda" if str(self._scorer.device).startswith("cuda") else "cpu"]
        self._nothing = BertScore(*(-low / (1 - low) for low in lowest))
        self.model = _name(model)
        self.layers = layers
        # The package's own identity of a score (model, layers, idf, versions), which contains the path of a
        # folder instead of its content.
        self.hash = str(self._scorer.hash).replace(model, self.model, 1)
        if idf_texts:
            self.hash += f" idf@{_digest(idf_texts)}"
        if baseline is not None:
            self.hash += f" baseline@{_digest([baseline.read_text(errors='replace')])}"

    def score(self, pairs: Sequence[Pair]) -> list[BertScore]:
        """Score pairs, in their order.

        An empty text scores a raw 0 against any text, and a text scores 1 against itself; neither needs the
        encoder.
        """
        scores = [self._nothing] * len(pairs)
        by_lengths: dict[tuple[int, int], list[int]] = defaultdict(list)
        to_encode = []
        for i, (candidate, reference) in enumerate(pairs):
            if candidate.strip() and candidate == reference:
                scores[i] = BertScore(1.0, 1.0, 1.0)
            elif candidate.strip() and reference.strip():
                to_encode.append(i)
        encoded = self._encoded({text for i in to_encode for text in pairs[i]})
        for i in to_encode:
            lengths = len(encoded[pairs[i].candidate][1]), len(encoded[pairs[i].reference][1])
            by_lengths[lengths].append(i)
        for places in by_lengths.values():
            for start in range(0, len(places), PAIRS_AT_ONCE):
                part = places[start : start + PAIRS_AT_ONCE]
                for i, values in zip(part, self._compared([pairs[i] for i in part], encoded), strict=True):
                    scores[i] = values
        return scores

    def _encoded(self, texts: set[str]) -> "dict[str, tuple[Any, Any]]":
        """Return for each text its embedding, of shape (tokens, width), and the weights of its tokens."""
        from bert_score.utils import get_bert_embedding, sent_encode

        scorer = self._scorer
        tokenizer = scorer._tokenizer
        weights = scorer._idf_dict
        if weights is None:
            weights = defaultdict(lambda: 1.0, {tokenizer.sep_token_id: 0.0, tokenizer.cls_token_id: 0.0})
        encoded = {}
        # Sorted by length, since texts that are encoded together are padded to the longest.
        in_order = sorted(texts, key=lambda text: (len(sent_encode(tokenizer, text)), text))
        for batch in _batches(in_order, self._batch):
            embeddings, mask, token_weights = get_bert_embedding(
                batch, scorer._model, tokenizer, weights, device=scorer.device
            )
            for place, (text, count) in enumerate(zip(batch, mask.sum(dim=1).tolist(), strict=True)):
                encoded[text] = (embeddings[place, :count], token_weights[place, :count])
        return encoded

    def _compared(self, pairs: Sequence[Pair], encoded: "dict[str, tuple[Any, Any]]") -> Iterator[BertScore]:
        """Score pairs that have the same two lengths."""
        import torch
        from bert_score.utils import greedy_cos_idf

        sides = []
        for texts in ([pair.reference for pair in pairs], [pair.candidate for pair in pairs]):
            embeddings = torch.stack([encoded[text][0] for text in texts])
            sides += [
                embeddings,
                torch.ones(embeddings.shape[:2], device=embeddings.device),
                torch.stack([encoded[text][1] for text in texts]),
            ]
        raw = torch.stack(greedy_cos_idf(*sides), dim=-1).cpu()
        if self._scorer.rescale_with_baseline:
            lowest = self._scorer.baseline_vals
            raw = (raw - lowest) / (1 - lowest)
        return (BertScore(*values) for values in raw.tolist())


def _longest_tokens(encoder: Any) -> int:
    """The longest text that an encoder accepts, in tokens, and at most `_LONGEST_TOKENS`."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    # XLNet and Transformer-XL have no limit, stated as -1.
    if not isinstance(positions, int) or positions < 1:
        return _LONGEST_TOKENS
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    # RoBERTa and its kin count positions after that of padding, so some of the table are never used.
    return min(positions - (0 if padding is None else padding + 1), _LONGEST_TOKENS)


def _lfs_pointer(folder: Path) -> Path | None:
    """A file of a folder that Git has left in place of a large file."""
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(LFS_POINTER)) == LFS_POINTER:
                    return path
    return None


def _name(model: str) -> str:
    folder = Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")) + sorted(folder.glob("pytorch_model*.bin")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return "/".join(folder.resolve().parts[-2:]) + f"@{digest.hexdigest()[:12]}"


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:12]


def _batches(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(texts[start : start + size]) for start in range(0, len(texts), size))
