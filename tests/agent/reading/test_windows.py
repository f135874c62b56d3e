"""Windows against the tokenizers library, which would cut all of them if it took no longer."""

import string
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st
from tokenizers import AddedToken, Encoding, Tokenizer
from tokenizers.models import BPE, WordLevel, WordPiece
from tokenizers.normalizers import NFC, NFKC, NFKD, BertNormalizer, Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace
from tokenizers.processors import BertProcessing, RobertaProcessing, TemplateProcessing

from agent.errors import Unanswerable
from agent.reading.characters import Characters, Irregular
from agent.reading.offsets import EncodedOffsets, TokenOffsets
from agent.reading.windows import Cutter, Window

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = [*string.ascii_letters, *string.digits, *string.punctuation, *"éßσςÉΣби\u2013日가€"]
WORDS = ["ada", "the", "The", "engine", "wrote", "##ing", "##ada", "été", "ete", "straße", "mm" * 60]
LINES = (
    "the |Ada |The engine|writing|wrote, | |  |\n|\t|. |-|_|'s |$5|€5|m[0]|x/y",
    "Été|e\u0301te\u0301|\u0301|\u0327\u0301|naïve|İ|\u0131|ΟΔΟΣ|ΟΔΟΣ |straße|ẞ|ﬁn|Я|й",
    "日本|の|가|\u1100\u1161|ﷺ|ไทย|नि|👩🏽\u200d💻|🪿|\U0001d538|\U00020000",
    "\u2013|\u2019|“|…|¿|·|،|。|\u2044|⸗|\xa0|\u2028|\u3000|\u1680|\x1c|\x85",
    "\x00|\x1b|\u200b|\ufeff|\xad|\ufffd|\ue000|\u0378|\ufdd0|\U0010ffff",
    "[SEP]|[CLS]|[sep]|[PAD|]|<ada>|<ADA>|<Ada>",
    "|".join(["m" * 101, "mm" * 60, "a" * 100]),
)
PIECES = [piece for line in LINES for piece in line.split("|")]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)
MAX_TOKENS = 24
STRIDE = 5
TEMPLATE = [("[CLS]", 2), ("[SEP]", 3)]


class Parts(NamedTuple):
    """What a tokenizer is made of."""

    normalizer: Any
    pre_tokenizer: Any = BertPreTokenizer()
    processor: Any = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    added: tuple[AddedToken, ...] = ()
    model: Callable[[dict[str, int]], Any] = lambda vocabulary: WordPiece(vocabulary, unk_token="[UNK]")


def pair(template: str) -> TemplateProcessing:
    return TemplateProcessing(single="[CLS] $A [SEP]", pair=template, special_tokens=TEMPLATE)


BERT = [
    *(
        Parts(
            BertNormalizer(
                lowercase=lowercase, strip_accents=strip, clean_text=clean, handle_chinese_chars=apart
            )
        )
        for lowercase in (True, False)
        for strip in (None, True, False)
        for clean in (True, False)
        for apart in (True, False)
    ),
    Parts(BertNormalizer(), processor=pair("[CLS] $A [SEP] $B:1 [SEP]:1")),
    Parts(BertNormalizer(), processor=pair("$A $B:1")),
    Parts(BertNormalizer(), processor=pair("[CLS] [CLS] $A [SEP] [SEP] $B:1")),
    Parts(BertNormalizer(), added=(AddedToken("<ada>", normalized=False),)),
    Parts(BertNormalizer(), added=(AddedToken("<ADA>", normalized=False, lstrip=True, single_word=True),)),
]
OTHERS = [
    Parts(BertNormalizer(), added=(AddedToken("<ada>", normalized=True),)),
    Parts(None),
    Parts(Lowercase()),
    Parts(Sequence([BertNormalizer(), NFC()])),
    Parts(BertNormalizer(), pre_tokenizer=Whitespace()),
    Parts(BertNormalizer(), pre_tokenizer=None),
    Parts(BertNormalizer(), model=lambda vocabulary: WordLevel(vocabulary, unk_token="[UNK]")),
    Parts(BertNormalizer(), model=lambda vocabulary: BPE(vocabulary, [], unk_token="[UNK]")),
    Parts(BertNormalizer(), processor=RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))),
    Parts(BertNormalizer(), processor=pair("[CLS] $A [SEP] $B [SEP]")),
    Parts(BertNormalizer(), processor=pair("[CLS] $B:1 [SEP] $A [SEP]")),
]


def expanding(normalizer: Any, *, template: str = "[CLS] $A [SEP] $B [SEP]") -> bytes:
    """A tokenizer that makes a token of every character of the normalised text."""
    model = BPE({**{name: place for place, name in enumerate(SPECIAL)}, "a": 5}, [], unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.post_processor = pair(template)
    return bytes(tokenizer.to_str(), "utf-8")


@pytest.mark.parametrize(
    ("normalizer", "char", "letters"),
    [(NFKC(), "ﷺ", 18), (NFKD(), "ﷺ", 18), (NFKC(), "㌖", 6), (Replace("!", "a" * 30), "!", 30)],
)
def test_a_question_that_normalising_makes_longer_is_counted_as_the_tokenizer_counts(
    normalizer: Any, char: str, letters: int
) -> None:
    cutter = Cutter(expanding(normalizer), 64, 16)
    most = 64 - 3 - 16 - 1
    fits, tokens = most // letters, (most // letters + 1) * letters
    assert len(cutter.cut(char * fits, "a" * 100)) > 1
    sentence = f"the question has {tokens} tokens, but at most {most} leave room for its context"
    for _ in range(2):  # the tokenizer still works after it
        with pytest.raises(Unanswerable, match=sentence):
            cutter.cut(char * (fits + 1), "a" * 100)
        assert len(cutter.cut("a", "a" * 30)) == 1


class PanicException(BaseException):
    """As PyO3 has it: its class cannot be imported."""


@pytest.mark.parametrize("error", [PanicException("stride must be\nless"), Exception("too short")])
def test_a_tokenizer_that_fails_is_an_error_on_its_question(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def encode(self, question: str, context: str) -> Encoding:
            raise error

    cutter = Cutter(expanding(NFKC()), 64, 16)
    monkeypatch.setattr(cutter, "_tokenizer", Failing())
    with pytest.raises(
        Unanswerable, match=r"^the tokenizer fails on the question .*: (stride|too short)"
    ) as told:
        cutter.cut("a", "a")
    assert str(told.value).isprintable()


def test_ctrl_c_is_not_taken_for_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def encode(self, question: str, context: str) -> Encoding:
            raise KeyboardInterrupt

    cutter = Cutter(expanding(NFKC()), 64, 16)
    monkeypatch.setattr(cutter, "_tokenizer", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        cutter.cut("a", "a")


def tokenizer_of(parts: Parts) -> Tokenizer:
    entries = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
    made = Tokenizer(parts.model({entry: number for number, entry in enumerate(entries)}))
    if parts.normalizer is not None:
        made.normalizer = parts.normalizer
    if parts.pre_tokenizer is not None:
        made.pre_tokenizer = parts.pre_tokenizer
    made.post_processor = parts.processor
    made.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    made.add_tokens(list(parts.added))
    return made


class Both(NamedTuple):
    """A cutter and the library's tokenizer."""

    cutter: Cutter
    tokenizer: Tokenizer

    def windows(self, question: str, context: str) -> list[Window]:
        try:
            return self.cutter.cut(question, context)
        except Unanswerable:
            reject()  # other tests cover it

    def encodings(self, question: str, context: str) -> list[Encoding]:
        first = self.tokenizer.encode(question, context)
        return [first, *first.overflowing]


def both_of(parts: Parts) -> Both:
    tokenizer = tokenizer_of(parts)
    cutter = Cutter(tokenizer.to_str().encode(), MAX_TOKENS, STRIDE)
    tokenizer.enable_truncation(MAX_TOKENS, stride=STRIDE, strategy="only_second")
    return Both(cutter, tokenizer)


BOTH_OF_BERT = [both_of(parts) for parts in BERT]
BOTH_OF_OTHERS = [both_of(parts) for parts in OTHERS]


def assert_equal(windows: list[Window], encodings: list[Encoding]) -> None:
    assert [window.ids.tolist() for window in windows] == [[encoding.ids] for encoding in encodings]
    assert [window.type_ids.tolist() for window in windows] == [[encoding.type_ids] for encoding in encodings]
    first_token = 0
    for window, encoding in zip(windows, encodings, strict=True):
        inside = [at for at, side in enumerate(encoding.sequence_ids) if side == 1]
        assert list(window.context) == inside
        assert window.first_token == first_token
        first_token += len(inside) - STRIDE
        for at in inside:
            assert window.offsets.of_token(at) == encoding.offsets[at]
            word = encoding.token_to_word(at)
            assert window.offsets.of_word(at) == encoding.word_to_chars(word, 1)


@given(both=st.sampled_from(BOTH_OF_BERT), question=TEXTS, context=TEXTS)
@example(BOTH_OF_BERT[0], "Who?", "")
@example(BOTH_OF_BERT[0], "", "")
@example(BOTH_OF_BERT[0], "", "the " * 21)
@example(BOTH_OF_BERT[0], "", "the " * 22)
@example(BOTH_OF_BERT[0], "", "the " * 37)
@example(BOTH_OF_BERT[0], "the " * 17, "the " * 4)
@example(BOTH_OF_BERT[0], "", "xyzxyz " * 50)
def test_windows_are_those_of_the_tokenizer(both: Both, question: str, context: str) -> None:
    assert_equal(both.windows(question, context), both.encodings(question, context))


@given(both=st.sampled_from(BOTH_OF_OTHERS), question=TEXTS, context=TEXTS)
def test_a_tokenizer_of_other_parts_cuts_by_itself(both: Both, question: str, context: str) -> None:
    windows = both.windows(question, context)
    assert all(isinstance(window.offsets, EncodedOffsets) for window in windows)
    assert_equal(windows, both.encodings(question, context))


@pytest.mark.parametrize("both", BOTH_OF_BERT)
def test_ordinary_text_is_tokenized_word_by_word(both: Both) -> None:
    context = (
        "In 1843 (after naïve drafts), the Éclair\u2019s café in Zürich\u2014€5 a cup\u2014wrote: “¿Qué?”"
    )
    assert all(isinstance(window.offsets, TokenOffsets) for window in both.windows("Who paid €5?", context))


@pytest.mark.parametrize("text", ["日本", "e\u0301", "가", "a\x00", "\u0378", "。", "x [SEP] y"])
def test_what_is_not_made_of_single_characters_goes_to_the_tokenizer(text: str) -> None:
    for question, context in (("Who?", text), (text, "Ada.")):
        windows = BOTH_OF_BERT[0].windows(question, context)
        assert all(isinstance(window.offsets, EncodedOffsets) for window in windows)


def test_characters_are_remembered_and_not_too_many() -> None:
    asked: list[str] = []

    class Asked:
        def normalize_str(self, text: str) -> str:
            asked.append(text)
            return text

    characters = Characters(Asked(), BertPreTokenizer())
    assert "aba ba".translate(characters) == "aba ba"
    assert asked == ["a", "b", " "]
    letters = [letter for letter in map(chr, range(0x10000)) if letter.isalpha()]
    with pytest.raises(Irregular):
        "".join(letters).translate(characters)
    assert len(characters) == 4096
    assert "abba".translate(characters) == "abba"
