"""The commands of `export-models`: they read options, call one function and print its result."""
