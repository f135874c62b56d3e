"""What to do if a broker cannot be reached: by the words of the error, or else by asking its port."""

from typing import Final

from commandline.broker_address import BrokerAddress
from commandline.connection.port import spoken_at
from contract.codec import printable

OLDER_PROTOCOL: Final = "supports MQTT 3.1.1 only, and cannot give a reason when it refuses something"
"""What is said of a broker without MQTT 5, as the end of a sentence that begins with its address."""
_NAME: Final = ("certificate is not valid for", "hostname mismatch", "ip address mismatch")
_AUTHORITY: Final = ("self-signed certificate", "self signed certificate", "unable to get local issuer")
_NO_HOST: Final = ("name or service not known", "name resolution", "no address associated", "nodename nor")


def advice_on(address: BrokerAddress, problem: str) -> str | None:
    """Return what to do about an error of the operating system or of OpenSSL; None if it does not say."""
    said = problem.casefold()
    if any(words in said for words in _NAME):
        return (
            "write the broker's URL with a name that its certificate has, or make a certificate that has "
            f"'{printable(address.host)}' in subjectAltName"
        )
    if any(words in said for words in _AUTHORITY):
        if address.ca_file is None:
            return "name the certificate of the authority that signed the broker's with --ca-file"
        return (
            "name the certificate of the authority that signed the broker's: "
            f"'{printable(str(address.ca_file))}' is of another one"
        )
    if "certificate has expired" in said:
        return "renew the broker's certificate, if this machine's clock is right"
    if "certificate is not yet valid" in said:
        return "set this machine's clock: the broker's certificate is of a later date"
    if any(words in said for words in _NO_HOST):
        return f"check the name '{printable(address.host)}', or write the broker's address"
    return None


def advice_of_port(address: BrokerAddress) -> str | None:
    """Ask the port what it speaks, and return what to do if that is not what the URL says; None otherwise."""
    spoken = spoken_at(address.host, address.port)
    if spoken is None:
        return None
    if spoken.protocol == "HTTP":
        return (
            "this port is for WebSocket or HTTP: name the broker's port for MQTT, which often is 1883, or "
            "8883 with TLS"
        )
    if spoken.tls and not address.tls:
        return f"this port expects TLS: write {address._replace(tls=True)}"
    if address.tls and not spoken.tls:
        return (
            "this port has no TLS: name the broker's port for TLS, which often is 8883, or write "
            f"{address._replace(tls=False)} if nobody else can listen"
        )
    return None
