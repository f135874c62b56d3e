"""Fills the hub's local caches, in the layout of the hub's libraries, for tests without a network."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from export.questions.squad_dataset import DATASET, REVISION, Split

if TYPE_CHECKING:
    import pyarrow as pa

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment with the caches in `home` and the hub out of reach."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return ours | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"} | more


def add_model(home: Path, repository: str, folder: Path, commit: str = COMMIT) -> Path:
    """Put a model folder into the cache as a download would; returns the snapshot's folder."""
    place = home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / commit
    for part in (place / "blobs", place / "refs", snapshot):
        part.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        data = path.read_bytes()
        blob = place / "blobs" / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
    (place / "refs" / "main").write_text(commit)
    return snapshot


def add_squad(home: Path, split: Split, table: "pa.Table", commit: str = REVISION) -> None:
    """Put a split of SQuAD into the cache of the library `datasets`."""
    from datasets import Dataset, DatasetInfo, Features, List, SplitDict, SplitInfo, Value

    owner, name = DATASET.split("/")
    place = home / "datasets" / f"{owner}___{name}" / "plain_text" / "0.0.0" / commit
    place.mkdir(parents=True)
    features = Features(
        {
            **{column: Value("string") for column in ("id", "title", "context", "question")},
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
        }
    )
    made = Dataset(table.cast(features.arrow_schema))
    with (place / f"{name}-{split}.arrow").open("wb") as file:
        import pyarrow as pa

        with pa.ipc.new_stream(file, made.data.table.schema) as writer:
            writer.write_table(made.data.table)
    info = DatasetInfo(
        features=features,
        builder_name="parquet",
        dataset_name=name,
        config_name="plain_text",
        version="0.0.0",
        splits=SplitDict(
            {split: SplitInfo(split, num_bytes=table.nbytes, num_examples=len(table), dataset_name=name)}
        ),
    )
    info.write_to_directory(str(place))
