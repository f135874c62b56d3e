"""Errors about data that does not follow the contract."""


class ContractError(Exception):
    """Root of the contract's errors; the message is one sentence that quotes what is wrong."""


class Malformed(ContractError):
    """The data does not follow the contract: fix the program or person's file that wrote it."""


class TooNew(ContractError):
    """The data has a later format version: update the distilbench that reads it."""
