"""How a connection to a broker is encrypted; agent and collector trust and present the same certificates."""

import ssl

from commandline.broker_address import BrokerAddress
from contract.codec import printable


class _Wire(ssl.SSLSocket):
    """A connection that is closed if its encryption cannot be agreed on; paho leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on the encryption."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def tls_context(address: BrokerAddress) -> ssl.SSLContext:
    """Make the TLS settings of connections to a broker.

    Raises:
        ValueError: a certificate or a key cannot be used; the message names it.
    """
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
    except OSError as error:  # of which SSLError is one
        raise ValueError(
            f"the file of certificates '{_shown(address.ca_file)}' cannot be used: {_reason(error)}"
        ) from None
    context.sslsocket_class = _Wire
    # Since Python 3.13 this refuses authorities without certain extensions, as people make them at home.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if address.cert_file is not None:
        try:
            # Without a password, OpenSSL would ask for the passphrase of an encrypted key at the terminal.
            context.load_cert_chain(address.cert_file, address.key_file, password="")
        except OSError as error:
            certificate, key = _shown(address.cert_file), _shown(address.key_file)
            if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
                raise ValueError(
                    f"the key file '{key}' does not belong to the certificate '{certificate}': name the two "
                    "that were made together"
                ) from None
            raise ValueError(
                f"the certificate '{certificate}' with the key '{key}' cannot be used: {_reason(error)}"
            ) from None
    return context


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)  # of an SSLError: NO_CERTIFICATE_OR_CRL_FOUND
    if reason is None and isinstance(error, ssl.SSLError):
        return "it is not in PEM format"
    return str(reason).lower().replace("_", " ") if reason else error.strerror or str(error)


def _shown(file: object) -> str:
    return printable(str(file))
