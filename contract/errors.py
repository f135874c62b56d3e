"""What can be wrong with bytes that claim to follow the contract."""


class ContractError(Exception):
    """Root of the contract's errors; the message is one sentence that quotes what is wrong."""


class Malformed(ContractError):
    """The bytes do not follow the contract: whoever wrote them must mend them."""


class TooNew(ContractError):
    """The bytes follow a later format version: whoever reads them must update distilbench."""
