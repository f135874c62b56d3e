"""Input to break readers with, made from good input by random changes, and the readers: for `bench.fuzz`."""
