"""What a report can say: types only; encoded, they are the `json` format."""
